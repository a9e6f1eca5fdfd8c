"""Places of decimals whose range is too wide for whole numbers of one unit.

* ``figures``: decimals of at most so many significant digits, and of at most so many after the point: a floating
  point format of its own, with ten for its base. Places count its numbers from zero.
* ``long``: decimals of at most so many digits after the point, where doubles have them: places count units of the last
  digit, and beyond the point from which on doubles are sparser than that, doubles.

So no number is written with more digits than the column has. All work is on distinct numbers, one by one: only the
text has all digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_FIGURES", "doubles_of", "figures_of", "figures_places", "long_places", "ranks", "span_of"]

Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_FIGURES = 15
"""Decimals of so many significant digits each have a double of their own."""

_EXACT = Context(prec=800, rounding=ROUND_HALF_EVEN)
_MAGNITUDE = np.int64(2**63 - 1)
_FRACTION_BITS = 52


def figures_of(values: Iterable[str]) -> tuple[int, int]:
    """The most significant digits of spelled numbers, and the most digits after the point; trailing zeros left out."""
    figures = digits = 0
    for value in values:
        number = Decimal(value).normalize(_EXACT)
        _, own, exponent = number.as_tuple()
        if number and isinstance(exponent, int):
            figures, digits = max(figures, len(own)), max(digits, -exponent)
    return figures, digits


def span_of(greatest: float, figures: int, digits: int) -> int:
    """The place of the greatest number as ``figures``."""
    return _figures_place(Decimal(greatest), figures, digits)


def figures_places(values: Sequence[str], figures: int, digits: int) -> Places:
    """The places of spelled numbers as ``figures``, rounded to the nearest."""
    return np.array([_figures_place(Decimal(value), figures, digits) for value in values], dtype=np.int64)


def long_places(values: Sequence[str], digits: int) -> Places:
    """The places of spelled numbers as ``long``, rounded to the nearest."""
    limit, first = _sparse_from(digits)
    numbers = np.array([float(value) for value in values], dtype=np.float64)
    units = np.abs(ranks(numbers)) - int(ranks(np.array([limit]))[0]) + first
    for place in np.flatnonzero(np.abs(numbers) < limit).tolist():
        units[place] = _whole(_EXACT.abs(Decimal(values[place])), digits)
    signed: Places = np.where(numbers < 0, -units, units)
    return signed


def doubles_of(places: Places, figures: int, digits: int) -> Floats:
    """The number at each place, as ``figures`` where there are some, else as ``long``."""
    if figures:
        return np.array([_figures_double(place, figures, digits) for place in places.tolist()], dtype=np.float64)
    limit, first = _sparse_from(digits)
    sizes = np.abs(places)
    sparse = np.maximum(sizes - first, 0) + int(ranks(np.array([limit]))[0])
    numbers: Floats = sparse.view(np.float64).copy()
    for place in np.flatnonzero(sizes < first).tolist():
        numbers[place] = float(f"{sizes[place]}e-{digits}")
    return np.where(places < 0, -numbers, numbers)


def ranks(numbers: Floats) -> Places:
    """The rank of each double among all doubles, that of zero being 0."""
    bits = np.ascontiguousarray(numbers, dtype=np.float64).view(np.int64)
    found: Places = np.where(bits < 0, -(bits & _MAGNITUDE), bits)
    return found


def _figures_place(number: Decimal, figures: int, digits: int) -> int:
    size = _EXACT.abs(number)
    least, shift = 10 ** (figures - 1), size.adjusted() - figures + 1 + digits
    if not size or shift <= 0:
        place = _whole(size, digits)
    else:
        # Each exponent above the least one has nine tenths of the numbers of so many digits.
        place = 10 * least + (shift - 1) * 9 * least + _whole(size, digits - shift) - least
    return -place if number < 0 else place


def _figures_double(place: int, figures: int, digits: int) -> float:
    size, least = abs(place), 10 ** (figures - 1)
    shift = 0
    if size >= 10 * least:
        shift, rest = divmod(size - 10 * least, 9 * least)
        shift, size = shift + 1, least + rest
    return float(f"{'-' if place < 0 else ''}{size}e{shift - digits}")


def _whole(size: Decimal, digits: int) -> int:
    """The number of units of a digit, rounded to the nearest."""
    return int(size.scaleb(digits, _EXACT).to_integral_value(ROUND_HALF_EVEN, _EXACT))


def _sparse_from(digits: int) -> tuple[float, int]:
    """From where on neighbouring doubles are no nearer than units of the last digit, and the place of that number."""
    limit = 2.0 ** (_FRACTION_BITS - (10**digits).bit_length() + 1)
    return limit, _whole(Decimal(limit), digits) + 1
