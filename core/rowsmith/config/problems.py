"""What is wrong with a value, where, and in which words."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

__all__ = ["Collector", "Invalid", "Path", "Problem", "did_you_mean", "hint_for", "show", "wrong_type"]

Path = tuple[str | int, ...]


@attrs.frozen
class Problem:
    """One thing wrong with a value.

    Attributes:
        message: What is wrong.
        path: Names and positions that lead to the value.
        key: The key inside the value that is at fault, where it is one.
    """

    message: str
    path: Path = ()
    key: str | None = None

    def render(self, root: str = "") -> str:
        """The problem on one line, its path below ``root``."""
        where = root
        for part in self.path:
            where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else part
        return f"{self.message} @ {where}" if where else self.message


class Invalid(Exception):
    """A value cannot be converted.

    Args:
        problems: Everything wrong with it.
        expected: What was expected, in words, when the value as a whole is of the wrong kind.
    """

    def __init__(self, problems: Iterable[Problem], expected: str | None = None) -> None:
        self.problems = tuple(problems)
        self.expected = expected
        super().__init__(self.problems)

    @classmethod
    def because(cls, message: str, expected: str | None = None) -> Invalid:
        """The error for one problem with the value as a whole."""
        return cls([Problem(message)], expected)


class Collector:
    """Gathers the problems of the parts of one value."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, message: str, *path: str | int, key: str | None = None) -> None:
        """Note a problem with the part that the path leads to."""
        self.problems.append(Problem(message, path, key))

    def convert(self, hook: Callable[[Any, Any], Any], value: Any, kind: Any, key: str | int) -> Any:
        """Convert one part; its problems are collected, and ``attrs.NOTHING`` replaces it."""
        try:
            return hook(value, kind)
        except Invalid as exc:
            self.problems += [attrs.evolve(found, path=(key, *found.path)) for found in exc.problems]
            return attrs.NOTHING

    def check(self) -> None:
        """Raise if there was any problem."""
        if self.problems:
            raise Invalid(self.problems)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or nothing."""
    nearest = difflib.get_close_matches(name[:100], list(known), n=1)
    return f", did you mean {nearest[0]!r}?" if nearest else ""


def show(value: Any) -> str:
    """A value in words, cut to a readable length, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a number of many digits"
    text = text if len(text) <= 60 else text[:57] + "..."
    return f"text {text}" if isinstance(value, str) else text


def hint_for(expected: str, value: Any) -> str:
    """What the user may have meant, after the words of a type error."""
    if expected == "text" and isinstance(value, bool):
        return "; unquoted yes, no, on, off, true and false are not text: put the word in quotes"
    if expected == "text" and isinstance(value, int | float):
        return "; put it in quotes if it is a name"
    if expected == "true or false" and isinstance(value, str):
        return "; write true or false without quotes"
    if expected in ("an integer", "a number") and isinstance(value, str) and value.strip():
        return "; write the number without quotes" if _is_number(value) else ""
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def wrong_type(expected: str, value: Any) -> Invalid:
    """The error for a value of another type than expected."""
    return Invalid.because(f"expected {expected}, got {show(value)}{hint_for(expected, value)}", expected)
