"""Recognised date-time formats and their codes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from attrs import Factory, field, frozen

__all__ = [
    "CODES",
    "DATES",
    "DIGIT_DATES",
    "EPOCHS",
    "MONTHS",
    "OVERRIDE_DATES",
    "TIMES",
    "ZONE",
    "Code",
    "Piece",
    "pieces",
]

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@frozen
class Code:
    """A code of a date-time format.

    Attributes:
        part: The part of a date-time that it holds.
        regex: Regular expression of its text.
        write: The text for a value of the part.
        unit: What its number is multiplied by to give the part.
        group: The name of its group in a regular expression; by default that of the part.
    """

    part: str
    regex: str
    write: Callable[[int], str]
    unit: int = 1
    group: str = field(default=Factory(lambda self: self.part, takes_self=True), kw_only=True)

    @property
    def pattern(self) -> str:
        """Its regular expression, as a named group."""
        return f"(?P<{self.group}>{self.regex})"


_MONTH, _MONTH_BARE = "0[1-9]|1[0-2]", "1[0-2]|[1-9]"
_DAY, _DAY_BARE = "0[1-9]|[12][0-9]|3[01]", "[12][0-9]|3[01]|[1-9]"
_SIXTY = "[0-5][0-9]"

CODES = {
    "%Y": Code("year", "[0-9]{4}", "{:04d}".format),
    "%m": Code("month", _MONTH, "{:02d}".format),
    "%-m": Code("month", _MONTH_BARE, str),
    "%b": Code("month", "|".join(MONTHS), lambda month: MONTHS[month - 1]),
    "%d": Code("day", _DAY, "{:02d}".format),
    "%-d": Code("day", _DAY_BARE, str),
    "%H": Code("hour", "[01][0-9]|2[0-3]", "{:02d}".format),
    "%-H": Code("hour", "1[0-9]|2[0-3]|[0-9]", str),
    "%I": Code("hour", _MONTH, lambda hour: f"{(hour - 1) % 12 + 1:02d}"),
    "%-I": Code("hour", _MONTH_BARE, lambda hour: str((hour - 1) % 12 + 1)),
    "%p": Code("hour", "AM|PM", lambda hour: "AM" if hour < 12 else "PM", group="half"),
    "%M": Code("minute", _SIXTY, "{:02d}".format),
    "%S": Code("second", _SIXTY, "{:02d}".format),
    "%3f": Code("nanosecond", "[0-9]{3}", lambda part: f"{part // 1_000_000:03d}", 1_000_000),
    "%f": Code("nanosecond", "[0-9]{6}", lambda part: f"{part // 1_000:06d}", 1_000),
    "%9f": Code("nanosecond", "[0-9]{9}", "{:09d}".format),
    "%s": Code("epoch", "0|-?[1-9][0-9]{0,11}", lambda part: str(part // 1_000_000), 1_000_000),
    "%Q": Code("epoch", "0|-?[1-9][0-9]{0,14}", lambda part: str(part // 1_000), 1_000),
}


def _separated(separator: str) -> list[str]:
    # Where both readings fit, month first wins, as in pandas.
    orders = (("%m", "%d"), ("%-m", "%-d"), ("%d", "%m"), ("%-d", "%-m"))
    return [separator.join((*order, "%Y")) for order in orders]


DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    *_separated("/"),
    *_separated("."),
    *_separated("-"),
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
)
"""Date parts, the likelier first."""

DIGIT_DATES = ("%Y%m%d", "%Y%m", "%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d%H")
"""Date-times written as whole numbers."""

EPOCHS = ("%s", "%Q")
"""Seconds and milliseconds since 1970, as whole numbers."""

OVERRIDE_DATES = (*DIGIT_DATES, "%Y-%m")
"""Date parts that are only tried when the user says that a column holds dates."""

TIMES = (
    "%H:%M:%S",
    "%H:%M",
    "%H:%M:%S.%3f",
    "%H:%M:%S.%f",
    "%H:%M:%S.%9f",
    "%-H:%M",
    "%-H:%M:%S",
    "%I:%M %p",
    "%-I:%M %p",
    "%I:%M:%S %p",
    "%-I:%M:%S %p",
)
"""Time parts, after a space or a T."""

ZONE = r"(?:Z|[+-][0-9]{2}:?[0-9]{2})$"
"""A zone at the end of a time."""

_CODE = re.compile("|".join(sorted(map(re.escape, CODES), key=len, reverse=True)))


@frozen
class Piece:
    """A part of a format: a code, or literal text."""

    text: str
    code: str = ""


@lru_cache(maxsize=512)
def pieces(format_: str) -> tuple[Piece, ...]:
    """The parts of a format, in order."""
    found: list[Piece] = []
    end = 0
    for match in _CODE.finditer(format_):
        if match.start() > end:
            found.append(Piece(format_[end : match.start()]))
        found.append(Piece(match.group(), match.group()))
        end = match.end()
    if end < len(format_):
        found.append(Piece(format_[end:]))
    return tuple(found)
