"""Numbers of the dialect: which ones it writes, and how their spelling survives reading.

Numbers are JSON's: no leading zeros, no plus sign, no bare point. Integers lie between the least
signed and the greatest unsigned 64-bit integer; other numbers are below 1e200 and of at most 40 digits
on either side of the point, so that every one of them is a finite double.
"""

from __future__ import annotations

from decimal import Decimal

from rowsmith.table.schema import ModelColumn

__all__ = ["GREATEST", "LEAST", "SpelledDecimal", "decimal_of", "fits_double", "number_regex"]

LEAST, GREATEST = -(2**63), 2**64 - 1
_LARGEST = Decimal("1e240")


class SpelledDecimal(Decimal):
    """A decimal that was written with an exponent, and remembers how: ``str`` gives that text back."""

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
        decimal.InvalidOperation: The exponent is out of all bounds.
    """
    return SpelledDecimal(text) if "e" in text or "E" in text else Decimal(text)


def fits_double(number: int | Decimal) -> bool:
    """Whether a number of any spelling is small enough to be a finite double."""
    return -_LARGEST < number < _LARGEST


def number_regex(column: ModelColumn) -> str:
    """A regular expression of exactly the numbers that an open column writes."""
    if column.integral:
        return f"(?:0|{_up_to(GREATEST)}|-{_up_to(-LEAST)})"
    whole = "-?(?:0|[1-9][0-9]{0,39})"
    if column.scale is not None:
        return f"{whole}\\.[0-9]{{{column.scale}}}" if column.scale else whole
    return whole + r"(?:\.[0-9]{1,40})?(?:[eE](?:-[0-9]{1,3}|\+?[0-9]{1,2}|\+?1[0-9]{2}))?"


def _up_to(bound: int) -> str:
    """A regular expression of the integers from 1 to a bound, without leading zeros."""
    digits = str(bound)
    size = len(digits)
    choices = [f"[1-9][0-9]{{0,{size - 2}}}"]
    for place, digit in enumerate(digits):
        lowest = 1 if place == 0 else 0
        if int(digit) > lowest:
            rest = size - place - 1
            tail = f"[0-9]{{{rest}}}" if rest else ""
            choices.append(f"{digits[:place]}[{lowest}-{int(digit) - 1}]{tail}")
    return "(?:" + "|".join([*choices, digits]) + ")"
