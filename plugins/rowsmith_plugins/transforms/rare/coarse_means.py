"""Means that replace all values of a column with too few rows to learn any value.

A mean of fewer than k values is rounded to one digit, or to a year.
"""

from __future__ import annotations

import math

import numpy as np

from rowsmith.table.schema import ColumnSchema
from rowsmith.table.types.datetimes import parse_datetimes, spell_datetimes
from rowsmith.table.types.spelling import parse_numbers, spell_numbers
from rowsmith_plugins.transforms.common.counting import Counted

__all__ = ["coarse_mean", "coarse_mean_datetime"]


def coarse_mean(column: ColumnSchema, counted: Counted, k: int) -> str:
    """The mean of a column of numbers, in the spelling of the column.

    Args:
        column: The column.
        counted: Its values, at least one.
        k: With fewer rows, the mean is truncated to one digit.
    """
    # Weighted by shares: a sum of numbers near the greatest double would overflow.
    mean = float(np.sum(parse_numbers(counted.values) * (counted.counts / counted.rows)))
    return spell_numbers([mean if counted.rows >= k else _one_digit(mean)], column)[0]


def coarse_mean_datetime(format_: str, counted: Counted, k: int) -> str:
    """The mean of a column of date-times, in the format of the column.

    Args:
        format_: The format of the column.
        counted: Its values, at least one.
        k: With fewer rows, the mean is truncated to its year.
    """
    moments = parse_datetimes(counted.values, format_)
    unit = np.datetime_data(moments.dtype)[0]
    mean = round(float(np.sum(moments.astype(np.int64) * (counted.counts / counted.rows))))
    cut = "s" if counted.rows >= k else "Y"
    return spell_datetimes(np.array([mean]).astype(moments.dtype).astype(f"M8[{cut}]").astype(f"M8[{unit}]"), format_)[
        0
    ]


def _one_digit(number: float) -> float:
    """Truncate towards zero, so that the number is in the range of the column's type."""
    if not number or not math.isfinite(number):
        return 0.0
    unit = 10.0 ** math.floor(math.log10(abs(number)))
    return math.trunc(number / unit) * unit
