"""How new keys of one column are made: counted on, or drawn by pattern.

Keys are distinct over a whole generation and disjoint from those of the training table.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import cattrs
import numpy as np
import numpy.typing as npt
from attrs import asdict, frozen

from rowsmith.draws import Draws
from rowsmith.errors import GenerationError
from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith_plugins.transforms.integer_bounds import integer_bounds, is_integer_typed
from rowsmith_plugins.transforms.key_patterns import (
    Layout,
    capacity,
    draw_texts,
    fit_layouts,
    lengthened,
    widened,
)
from rowsmith_plugins.transforms.key_uuids import uuid_layouts

__all__ = ["Counting", "KeyMaker", "Pattern", "fit_maker", "fit_pattern", "fit_sequence", "maker_from_state"]

_TRIES = 8
_LONGEST = 16
_NUMBERED = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)


@frozen
class KeyMaker(ABC):
    """Makes new keys; frozen, made of JSON values."""

    kind: ClassVar[str]

    @abstractmethod
    def make(self, draws: Draws, carry: dict[str, Any], column: str) -> list[str]:
        """Make a key for each row.

        Args:
            draws: Random numbers, one stream per row.
            carry: What was made before, kept from batch to batch.
            column: The column's name.

        Raises:
            GenerationError: No key is left; the message names the column.
        """

    @abstractmethod
    def describe(self) -> str:
        """What it holds of the training data."""

    def state(self) -> dict[str, Any]:
        """The maker as JSON values."""
        return {"kind": self.kind, **asdict(self)}


@frozen
class Counting(KeyMaker):
    """Counts on from the greatest key; when a bound is met, down from the least.

    Attributes:
        prefix: Text before the number.
        suffix: Text after it.
        width: Digits to which the number is filled with zeros.
        least: The least number in use.
        greatest: The greatest.
        step: The distance of two keys.
        low: The least number that the column can hold; None when any will do.
        high: The greatest; None when any will do.
    """

    kind: ClassVar[str] = "sequence"
    prefix: str
    suffix: str
    width: int
    least: int
    greatest: int
    step: int
    low: int | None
    high: int | None

    def make(self, draws: Draws, carry: dict[str, Any], column: str) -> list[str]:
        """Count on."""
        made = int(carry.get("made", 0))
        carry["made"] = made + len(draws)
        above = len(draws) if self.high is None else (self.high - self.greatest) // self.step - made
        above = min(max(above, 0), len(draws))
        numbers = [self.greatest + self.step * (made + place + 1) for place in range(above)]
        if above < len(draws):
            numbers += self._below(made + above, len(draws) - above, column)
        return [f"{self.prefix}{number:0{self.width}d}{self.suffix}" for number in numbers]

    def describe(self) -> str:
        """The least and the greatest key."""
        return f"keys are numbered; the least number {self.least} and the greatest {self.greatest}"

    def _below(self, made: int, count: int, column: str) -> list[int]:
        high = self.greatest if self.high is None else self.high
        first = made - (high - self.greatest) // self.step
        lowest = self.least - self.step * (first + count)
        if self.low is not None and lowest < self.low:
            raise GenerationError(
                f"column {column!r}: no new key is left between {self.low} and {self.high}; generate fewer rows, "
                "give the column a wider type, or list it in the `exclude` option of transform 'keys'"
            )
        return [self.least - self.step * (first + place + 1) for place in range(count)]


@frozen
class Pattern(KeyMaker):
    """Draws keys by pattern, and draws again what is taken already.

    A row's key depends on its own draws alone, unless that key is taken. After some tries the
    pattern is widened, then lengthened.

    Attributes:
        layouts: The shapes of keys.
        salt: What the hashes are salted with.
        taken: Sorted 64-bit hashes of the training keys, little-endian, in base 64.
        low: The least number that the column can hold; None for text.
        high: The greatest; None for text.
    """

    kind: ClassVar[str] = "pattern"
    layouts: tuple[Layout, ...]
    salt: str
    taken: str
    low: int | None
    high: int | None

    def make(self, draws: Draws, carry: dict[str, Any], column: str) -> list[str]:
        """Draw keys that are not taken."""
        taken = np.frombuffer(base64.b64decode(self.taken), dtype="<u8")
        used: set[int] = carry.setdefault("used", set())
        keys: list[str] = [""] * len(draws)
        waiting = list(range(len(draws)))
        for attempt, layouts in enumerate(self._layouts()):
            if not waiting:
                return keys
            if capacity(layouts) > len(used) + len(taken):
                texts = draw_texts(layouts, draws.take(np.array(waiting)), f"keys.{column}.{attempt}")
                waiting = self._accept(texts, waiting, keys, taken, used)
        if waiting:
            raise GenerationError(
                f"column {column!r}: no new key was found for {len(waiting)} rows; generate fewer rows, or list the "
                "column in the `exclude` option of transform 'keys'"
            )
        return keys

    def describe(self) -> str:
        """The layouts and how many hashes there are."""
        return (
            f"{len(self.layouts)} key patterns, each of several rows; salted 64-bit hashes of "
            f"{len(base64.b64decode(self.taken)) // 8} training keys, so that none is made again"
        )

    def _layouts(self) -> list[tuple[Layout, ...]]:
        wider = [widened(self.layouts)] * _TRIES
        longer = [lengthened(self.layouts, extra) for extra in range(1, _LONGEST + 1) for _ in range(_TRIES)]
        return [self.layouts] * _TRIES + wider + longer

    def _accept(
        self, texts: list[str], waiting: list[int], keys: list[str], taken: npt.NDArray[np.uint64], used: set[int]
    ) -> list[int]:
        hashes = _hashes(texts, self.salt)
        stale = np.isin(hashes, taken).tolist()
        left = []
        for row, text, hash_, old in zip(waiting, texts, hashes.tolist(), stale, strict=True):
            if old or hash_ in used or not self._fits(text):
                left.append(row)
            else:
                used.add(hash_)
                keys[row] = text
        return left

    def _fits(self, text: str) -> bool:
        if self.low is None or self.high is None:
            return True
        number = int(text)
        return str(number) == text and self.low <= number <= self.high


_KINDS: dict[str, type[KeyMaker]] = {maker.kind: maker for maker in (Counting, Pattern)}


def maker_from_state(state: Mapping[str, Any]) -> KeyMaker:
    """The maker that ``state()`` described."""
    return cattrs.structure({key: value for key, value in state.items() if key != "kind"}, _KINDS[state["kind"]])


def fit_maker(column: ColumnSchema, values: list[str], k: int, seed: int) -> KeyMaker:
    """The maker of a column's keys.

    Args:
        column: The column, of integers or text.
        values: Its distinct keys, at least one.
        k: What fewer keys have is not repeated.
        seed: What their hashes are salted with, at least 0.
    """
    # Whole numbers beyond 63 bits count as text, but must still fit their dtype.
    whole = column.type is ColumnType.INTEGER or is_integer_typed(column)
    bounds = integer_bounds(column) if whole else None
    salt = hashlib.blake2b(f"{seed}/{column.name}".encode(), digest_size=16).hexdigest()
    return fit_sequence(values, bounds) or fit_pattern(values, k, salt, bounds)


def fit_sequence(values: list[str], bounds: tuple[int, int] | None) -> Counting | None:
    """The sequence that keys are, or None.

    Keys are a sequence when nearly all are a number between the same two texts, and the numbers
    fill at least half of their range (counted in their common step).

    Args:
        values: Distinct keys, at least one.
        bounds: The numbers that the column can hold; None for text.
    """
    prefix, suffix = _frame(values)
    cut = slice(len(prefix), -len(suffix) or None)
    digits = [
        value[cut]
        for value in values
        if value.startswith(prefix) and value.endswith(suffix) and len(value) > len(prefix) + len(suffix)
    ]
    digits = [each for each in digits if each.removeprefix("-" if bounds else "").isdecimal() and each.isascii()]
    if len(digits) < 0.99 * len(values):
        return None
    numbers = [int(each) for each in digits]
    least, greatest = min(numbers), max(numbers)
    step = max(1, math.gcd(*(number - least for number in numbers)))
    if (greatest - least) // step + 1 > 2 * len(set(numbers)):
        return None
    low, high = bounds or (None, None)
    width = 0 if bounds else min(map(len, digits))
    return Counting(prefix, suffix, width, least, greatest, step, low, high)


def fit_pattern(values: Sequence[str], k: int, salt: str, bounds: tuple[int, int] | None) -> Pattern:
    """The pattern of keys.

    Args:
        values: Distinct keys, at least one.
        k: What fewer keys have is not repeated.
        salt: What their hashes are salted with.
        bounds: The numbers that the column can hold; None for text.
    """
    layouts = uuid_layouts(values) or fit_layouts([value for value in values if value] or ["0"], k)
    taken = base64.b64encode(np.sort(_hashes(values, salt)).astype("<u8").tobytes()).decode()
    low, high = bounds or (None, None)
    return Pattern(layouts, salt, taken, low, high)


def _frame(values: list[str]) -> tuple[str, str]:
    """What stands before and after the last number of the key in the middle of the alphabet."""
    found = _NUMBERED.fullmatch(sorted(values)[len(values) // 2])
    if found is None:
        return "", ""
    prefix, suffix = found.group(1), found.group(3)
    return ("" if prefix == "-" else prefix), suffix


def _hashes(values: Sequence[str], salt: str) -> npt.NDArray[np.uint64]:
    key = salt.encode()
    texts = (value.encode("utf-8", "surrogatepass") for value in values)
    digests = (hashlib.blake2b(text, digest_size=8, key=key).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
