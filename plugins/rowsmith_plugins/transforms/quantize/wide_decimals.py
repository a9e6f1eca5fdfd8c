"""Ordinals of decimals whose range is too wide for whole numbers of one unit.

* ``figures``: decimals with limited significant digits and limited digits after the point: a decimal floating-point
  format. Ordinals count its numbers from zero.
* ``long``: decimals with limited digits after the point, as far as doubles have them: ordinals count units of the
  last digit, and where doubles are sparser than that, doubles.

So no number has more digits than the column. Distinct numbers are processed one by one, because only the
text has all digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_FIGURES", "double_ranks", "doubles_of", "figures_of", "figures_ordinals", "long_ordinals", "span_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_FIGURES = 15
"""Decimals of this many significant digits have distinct doubles."""

_EXACT = Context(prec=800, rounding=ROUND_HALF_EVEN)
_MAGNITUDE = np.int64(2**63 - 1)
_FRACTION_BITS = 52


def figures_of(values: Iterable[str]) -> tuple[int, int]:
    """The most significant digits of spelled numbers, and the most digits after the point; without trailing zeros."""
    figures = digits = 0
    for value in values:
        number = Decimal(value).normalize(_EXACT)
        _, own, exponent = number.as_tuple()
        if number and isinstance(exponent, int):
            figures, digits = max(figures, len(own)), max(digits, -exponent)
    return figures, digits


def span_of(greatest: float, figures: int, digits: int) -> int:
    """The ordinal of the greatest number as ``figures``."""
    return _figures_ordinal(Decimal(greatest), figures, digits)


def figures_ordinals(values: Sequence[str], figures: int, digits: int) -> Ints:
    """The ordinals of spelled numbers as ``figures``, rounded to the nearest."""
    return np.array([_figures_ordinal(Decimal(value), figures, digits) for value in values], dtype=np.int64)


def long_ordinals(values: Sequence[str], digits: int) -> Ints:
    """The ordinals of spelled numbers as ``long``, rounded to the nearest."""
    limit, first = _sparse_from(digits)
    numbers = np.array([float(value) for value in values], dtype=np.float64)
    units = np.abs(double_ranks(numbers)) - int(double_ranks(np.array([limit]))[0]) + first
    for ordinal in np.flatnonzero(np.abs(numbers) < limit).tolist():
        units[ordinal] = _whole(_EXACT.abs(Decimal(values[ordinal])), digits)
    signed: Ints = np.where(numbers < 0, -units, units)
    return signed


def doubles_of(ordinals: Ints, figures: int, digits: int) -> Floats:
    """The number at each ordinal, as ``figures`` if that is not 0, else as ``long``."""
    if figures:
        return np.array([_figures_double(ordinal, figures, digits) for ordinal in ordinals.tolist()], dtype=np.float64)
    limit, first = _sparse_from(digits)
    sizes = np.abs(ordinals)
    sparse = np.maximum(sizes - first, 0) + int(double_ranks(np.array([limit]))[0])
    numbers: Floats = sparse.view(np.float64).copy()
    for ordinal in np.flatnonzero(sizes < first).tolist():
        numbers[ordinal] = float(f"{sizes[ordinal]}e-{digits}")
    return np.where(ordinals < 0, -numbers, numbers)


def double_ranks(numbers: Floats) -> Ints:
    """The rank of each double among all doubles, that of zero being 0."""
    bits = np.ascontiguousarray(numbers, dtype=np.float64).view(np.int64)
    found: Ints = np.where(bits < 0, -(bits & _MAGNITUDE), bits)
    return found


def _figures_ordinal(number: Decimal, figures: int, digits: int) -> int:
    size = _EXACT.abs(number)
    least, shift = 10 ** (figures - 1), size.adjusted() - figures + 1 + digits
    if not size or shift <= 0:
        ordinal = _whole(size, digits)
    else:
        # Each exponent above the lowest has nine tenths of the numbers with this many digits.
        ordinal = 10 * least + (shift - 1) * 9 * least + _whole(size, digits - shift) - least
    return -ordinal if number < 0 else ordinal


def _figures_double(ordinal: int, figures: int, digits: int) -> float:
    size, least = abs(ordinal), 10 ** (figures - 1)
    shift = 0
    if size >= 10 * least:
        shift, rest = divmod(size - 10 * least, 9 * least)
        shift, size = shift + 1, least + rest
    return float(f"{'-' if ordinal < 0 else ''}{size}e{shift - digits}")


def _whole(size: Decimal, digits: int) -> int:
    """The number of units of a digit, rounded to the nearest."""
    return int(size.scaleb(digits, _EXACT).to_integral_value(ROUND_HALF_EVEN, _EXACT))


def _sparse_from(digits: int) -> tuple[float, int]:
    """The number from which neighbouring doubles are at least a unit of the last digit apart, and its ordinal."""
    limit = 2.0 ** (_FRACTION_BITS - (10**digits).bit_length() + 1)
    return limit, _whole(Decimal(limit), digits) + 1
