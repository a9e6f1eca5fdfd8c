"""Values that stand for rare ones and are nobody's own.

One stands for all of a column which has too few to tell any of them: their mean. Behind a mean are at least k values;
of fewer values it is told as rough as one digit, or one year. Others stand for the earliest and the latest date-times:
they lie between the date-times of two rows.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rowsmith.table.schema import ColumnSchema
from rowsmith.table.types.datetimes import parse_datetimes, spell_datetimes
from rowsmith.table.types.spelling import parse_numbers, spell_numbers
from rowsmith_plugins.transforms.common.counting import Counted

__all__ = ["end_moments", "middle_moment", "middle_number"]

Instants = npt.NDArray[np.datetime64]


def middle_number(column: ColumnSchema, counted: Counted, k: int) -> str:
    """The mean of a column of numbers, as the column writes it.

    Args:
        column: The column.
        counted: Its values, at least one.
        k: Of fewer rows than this the mean is cut to one digit.
    """
    # By shares, since the sum of numbers near the greatest double is none.
    mean = float(np.sum(parse_numbers(counted.values) * (counted.counts / counted.rows)))
    return spell_numbers([mean if counted.rows >= k else _one_digit(mean)], column)[0]


def middle_moment(format_: str, counted: Counted, k: int) -> str:
    """The mean of a column of date-times, as the column writes it.

    Args:
        format_: How the column writes them.
        counted: Its values, at least one.
        k: Of fewer rows than this the mean is cut to the beginning of its year.
    """
    moments = parse_datetimes(counted.values, format_)
    unit = np.datetime_data(moments.dtype)[0]
    mean = round(float(np.sum(moments.astype(np.int64) * (counted.counts / counted.rows))))
    cut = "s" if counted.rows >= k else "Y"
    return spell_datetimes(np.array([mean]).astype(moments.dtype).astype(f"M8[{cut}]").astype(f"M8[{unit}]"), format_)[
        0
    ]


def end_moments(format_: str, counted: Counted, k: int, chances: tuple[float, float]) -> tuple[str, str]:
    """The ends of the range of a column of date-times, as the column writes them.

    They are those of the k-th lowest and highest row, where k rows have these; otherwise they lie between that row's
    and the next one inside the range, where there is room.

    Args:
        format_: How the column writes date-times.
        counted: Its values, at least one.
        k: What fewer rows have is rare.
        chances: Where between the two each end lies, from 0 to 1, so that neither tells the other.
    """
    moments = parse_datetimes(counted.values, format_)
    order = np.argsort(moments, kind="stable")
    ends, shared, numbers = counted.ends(order, k), counted.shared(k), moments[order].astype(np.int64)
    if ends[0] == ends[1]:
        alone = counted.values[ends[0]] if shared[ends[0]] else middle_moment(format_, counted, k)
        return alone, alone
    step = int(np.gcd.reduce(numbers - numbers[0]))
    found = []
    for end, towards, chance in zip(ends, (1, -1), chances, strict=True):
        rank = int(np.searchsorted(numbers, moments[end].astype(np.int64)))
        between = _between(int(numbers[rank]), int(numbers[rank + towards]), step, chance)
        texts = spell_datetimes(np.array(between, dtype=np.int64).astype(moments.dtype), format_)
        free = (text for text in texts if text not in counted.values)
        found.append(counted.values[end] if shared[end] else next(free, counted.values[end]))
    low, high = sorted(found, key=lambda text: parse_datetimes([text], format_)[0])
    return low, high


def _between(first: int, second: int, step: int, chance: float) -> list[int]:
    """A number between two others, in whole steps from the first, by chance; and the middle of them."""
    steps = abs(second - first) // step
    away = [1 + int(chance * (steps - 1)), steps // 2] if steps > 1 else []
    return [first + (step if first < second else -step) * each for each in away]


def _one_digit(number: float) -> float:
    """Cut towards zero, so that it stays in the range of the column's type."""
    if not number or not math.isfinite(number):
        return 0.0
    unit = 10.0 ** math.floor(math.log10(abs(number)))
    return math.trunc(number / unit) * unit
