"""One value that stands for all of a column which has too few to tell any of them: a mean, that is nobody's own.

Behind a mean are at least k values; of fewer values it is told as rough as one digit, or one year.
"""

from __future__ import annotations

import math

import numpy as np

from rowsmith.table.schema import ColumnSchema
from rowsmith.table.types.datetimes import parse_datetimes, spell_datetimes
from rowsmith.table.types.spelling import parse_numbers, spell_numbers
from rowsmith_plugins.transforms.common.counting import Counted

__all__ = ["middle_moment", "middle_number"]


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


def _one_digit(number: float) -> float:
    """Cut towards zero, so that it stays in the range of the column's type."""
    if not number or not math.isfinite(number):
        return 0.0
    unit = 10.0 ** math.floor(math.log10(abs(number)))
    return math.trunc(number / unit) * unit
