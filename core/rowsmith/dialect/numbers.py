"""Numbers of the dialect: which are allowed, and how their spelling survives reading.

Numbers are JSON's: no leading zeros, no plus sign, no bare point. Integers lie between the least
signed and the greatest unsigned 64-bit integer; other numbers have at most 40 digits on either side of the
point, or one and 16 where the exponent is 200 or more, so all of them are finite doubles.
"""

from __future__ import annotations

import re
import sys
from decimal import Decimal

from rowsmith.table.schema import ModelColumn

__all__ = ["GREATEST", "LEAST", "SpelledDecimal", "decimal_of", "fits_double", "number_regex"]

LEAST, GREATEST = -(2**63), 2**64 - 1
_LARGEST = Decimal(sys.float_info.max)
_MOST_FRACTION = 16
"""Most digits after the point in the shortest text of the greatest doubles."""


class SpelledDecimal(Decimal):
    """A decimal that was written with an exponent; ``str`` returns the original text."""

    spelling: str

    def __new__(cls, text: str) -> SpelledDecimal:  # noqa: D102
        number = super().__new__(cls, text)
        number.spelling = text
        return number

    def __str__(self) -> str:
        return self.spelling


def decimal_of(text: str) -> Decimal:
    """Read a JSON number that is not an integer; ``str`` of the result is the text.

    Raises:
        decimal.InvalidOperation: The exponent is too large.
    """
    return SpelledDecimal(text) if "e" in text or "E" in text else Decimal(text)


def fits_double(number: int | Decimal) -> bool:
    """Whether a number of any spelling is small enough to be a finite double."""
    return -_LARGEST <= number <= _LARGEST


def number_regex(column: ModelColumn) -> str:
    """A regular expression that matches exactly the numbers of an open column."""
    if column.integral:
        return f"(?:0|{_integers_up_to(GREATEST)}|-{_integers_up_to(-LEAST)})"
    whole = "-?(?:0|[1-9][0-9]{0,39})"
    if column.scale is not None:
        return f"{whole}\\.[0-9]{{{column.scale}}}" if column.scale else whole
    usual = whole + r"(?:\.[0-9]{1,40})?(?:[eE](?:-[0-9]{1,3}|\+?[0-9]{1,2}|\+?1[0-9]{2}))?"
    return f"(?:{usual}|{_largest_doubles()})"


def _largest_doubles() -> str:
    """A regular expression of the numbers from 1e200 to the greatest double, with one digit before the point."""
    most = re.sub(r"e.*|^1\.", "", repr(sys.float_info.max))
    below = [
        f"{most[:index]}[0-{int(digit) - 1}][0-9]{{0,{_MOST_FRACTION - index - 1}}}"
        for index, digit in enumerate(most)
        if digit != "0"
    ]
    prefixes = [most[:index] for index in range(1, len(most) + 1)]
    usual = rf"[1-9](?:\.[0-9]{{1,{_MOST_FRACTION}}})?[eE]\+?(?:2[0-9]{{2}}|30[0-7])"
    return rf"-?(?:{usual}|1(?:\.(?:{'|'.join([*below, *prefixes])}))?[eE]\+?308)"


def _integers_up_to(bound: int) -> str:
    """A regular expression of the integers from 1 to a bound, without leading zeros."""
    digits = str(bound)
    size = len(digits)
    choices = [f"[1-9][0-9]{{0,{size - 2}}}"]
    for index, digit in enumerate(digits):
        lowest = 1 if index == 0 else 0
        if int(digit) > lowest:
            rest = size - index - 1
            tail = f"[0-9]{{{rest}}}" if rest else ""
            choices.append(f"{digits[:index]}[{lowest}-{int(digit) - 1}]{tail}")
    return "(?:" + "|".join([*choices, digits]) + ")"
