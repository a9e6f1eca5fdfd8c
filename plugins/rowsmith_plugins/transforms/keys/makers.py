"""How new keys of one column are made: counted on, or drawn by pattern.

Keys are distinct over a whole generation and disjoint from those of the training table.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import cattrs
import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from rowsmith.errors import GenerationError
from rowsmith.randomness.draws import Draws
from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith.table.types.marks import is_null_word
from rowsmith.transforms.numbering import place_of
from rowsmith_plugins.transforms.keys.base import KeyMaker
from rowsmith_plugins.transforms.keys.filter import KeyFilter, fit_filter
from rowsmith_plugins.transforms.keys.patterns import (
    Layout,
    capacity,
    choose_layouts,
    draw_texts,
    fit_layouts,
    lengthened,
    widened,
)
from rowsmith_plugins.transforms.keys.permutation import LARGEST, size_of, texts_at
from rowsmith_plugins.transforms.keys.spread import Spread, check_spread, fit_spread
from rowsmith_plugins.transforms.keys.uuids import uuid_layouts
from rowsmith_plugins.transforms.quantize.integer_bounds import integer_bounds, is_integer_typed

__all__ = ["Counting", "KeyMaker", "Pattern", "fit_maker", "fit_pattern", "fit_sequence", "maker_from_state"]

_TRIES = 8
_LONGEST = 16
_AT_ONCE = 256
_MOST_FAILED = 4_096
_MOST_CHARACTERS = 20_000
_STRIDE = 4
"""Texts that are set aside for a row, since the filter takes half of a pattern's for taken."""
Hashes = npt.NDArray[np.uint64]
_NUMBERED = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)


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
        made, count = int(carry.get("made", 0)), len(draws)
        above = None if self.high is None else max(0, (self.high - self.greatest) // self.step)
        below = None if self.low is None else max(0, (self.least - self.low) // self.step)
        room = None if above is None or below is None else above + below
        if room is not None and made + count > room:
            raise GenerationError(
                f"column {column!r}: no new key is left between {self.low} and {self.high}; generate fewer rows, "
                "give the column a wider type, or list it in the `exclude` option of transform 'keys'"
            )
        carry["made"] = made + count
        first = place_of(draws.first, room) + made
        indices = range(first, first + count) if room is None else ((first + each) % room for each in range(count))
        numbers = (
            self.greatest + self.step * (index + 1)
            if above is None or index < above
            else self.least - self.step * (index - above + 1)
            for index in indices
        )
        return [f"{self.prefix}{number:0{self.width}d}{self.suffix}" for number in numbers]

    def avoiding(self, values: Sequence[str]) -> Counting:
        """Count on from the greatest of these as well."""
        digits = _digits(values, self.prefix, self.suffix, signed=self.high is not None)
        numbers = [int(each) for each in digits]
        return evolve(self, least=min([self.least, *numbers]), greatest=max([self.greatest, *numbers]))

    def describe(self) -> str:
        """The least and the greatest key."""
        return f"keys are numbered; the least number {self.least} and the greatest {self.greatest}"


@frozen
class Pattern(KeyMaker):
    """Makes keys by pattern, and others instead of those that are taken already.

    A layout's texts have an order that looks like chance, and are given out in that order, from an index that the
    generation's first number gives; of layouts with more texts than ever collide, each row draws its own. Where a
    pattern is used up, it is widened, then lengthened.

    Attributes:
        layouts: The shapes of keys.
        salt: What the order of texts and the hashes of what is made depend on.
        taken: Lets none of the training keys pass, and half of all others; None where keys are so many that no two
            draws are alike.
        low: The least number that the column can hold; None for text.
        high: The greatest; None for text.
    """

    kind: ClassVar[str] = "pattern"
    layouts: tuple[Layout, ...]
    salt: str
    taken: KeyFilter | None
    low: int | None
    high: int | None

    def make(self, draws: Draws, carry: dict[str, Any], column: str) -> list[str]:
        """Find keys that are not taken."""
        used: set[int] = carry.setdefault("used", set())
        made: dict[str, int] = carry.setdefault("made", {})
        keys: list[str] = [""] * len(draws)
        waiting = np.arange(len(draws))
        for attempt, layouts in enumerate(self._stages()):
            if not len(waiting):
                return keys
            if capacity(layouts) * (1.0 if self.taken is None else self.taken.passing) <= len(used):
                continue
            label = f"keys.{column}.{attempt}"
            which = choose_layouts(layouts, draws.take(waiting), label)
            left = []
            for index, layout in enumerate(layouts):
                rows = waiting[which == index]
                texts = self._texts(layout, draws.take(rows), label, made, used)
                for row, text in zip(rows.tolist(), texts, strict=True):
                    keys[row] = text or ""
                left += [row for row, text in zip(rows.tolist(), texts, strict=True) if text is None]
            waiting = np.array(sorted(left), dtype=np.int64)
        if len(waiting):
            raise GenerationError(
                f"column {column!r}: no new key was found for {len(waiting)} rows; generate fewer rows, or list the "
                "column in the `exclude` option of transform 'keys'"
            )
        return keys

    def avoiding(self, values: Sequence[str]) -> Pattern:
        """Let none of these pass."""
        return self if self.taken is None else evolve(self, taken=fit_filter(values, self.salt))

    def describe(self) -> str:
        """The layouts and the filter."""
        held = "" if self.taken is None else f"; {self.taken.describe()}"
        return f"{len(self.layouts)} key patterns, each of several rows{held}"

    def caveat(self) -> str | None:
        """That the distribution of numbers is another one."""
        if self.low is None:
            return None
        return (
            "too few rows, or too few free numbers between those of the table, to distribute new keys as the old ones "
            "are; they have the same number of digits"
        )

    def _stages(self) -> Iterator[tuple[Layout, ...]]:
        """The layouts to try, one after the other; several times where keys are drawn, which may meet taken ones."""
        longer = (lengthened(self.layouts, extra) for extra in range(1, _LONGEST + 1))
        for layouts in (self.layouts, widened(self.layouts), *longer):
            drawn = any(size_of(layout) > LARGEST for layout in layouts)
            yield from [layouts] * (_TRIES if drawn else 1)

    def _texts(
        self, layout: Layout, draws: Draws, label: str, made: dict[str, int], used: set[int]
    ) -> list[str | None]:
        """A new text of a layout for each row; None where none was found."""
        size = size_of(layout)
        if size > LARGEST:
            drawn = draw_texts(layout, draws, label)
            return [text if new else None for text, new in zip(drawn, self._new(drawn, used), strict=True)]
        name = "/".join(layout.alphabets)
        first, found, failed = place_of(draws.first, size, _STRIDE), list[str | None](), 0
        # In order, and no further than needed, so that a row's key does not depend on its batch.
        while len(found) < len(draws) and made.get(name, 0) < size and failed < _MOST_FAILED:
            at = made.get(name, 0)
            count = min(max(len(draws) - len(found), _AT_ONCE), size - at)
            indices = (np.uint64(first) + np.arange(at, at + count, dtype=np.uint64)) % np.uint64(size)
            texts = texts_at(layout, indices, self.salt)
            for text, new in zip(texts, self._new(texts, used), strict=False):
                at, failed = at + 1, 0 if new else failed + 1
                found += [text] if new else []
                if len(found) == len(draws):
                    break
            made[name] = at
        return found + [None] * (len(draws) - len(found))

    def _new(self, texts: list[str], used: set[int]) -> Iterator[bool]:
        """Whether each text is neither taken nor used and fits the column; such a text is used from then on."""
        hashes = _hashes(texts, self.salt)
        old = [False] * len(texts) if self.taken is None else self.taken.holds(texts, self.salt).tolist()
        for text, hash_, stale in zip(texts, hashes.tolist(), old, strict=True):
            new = not stale and hash_ not in used and self._fits(text)
            if new:
                used.add(hash_)
            yield new

    def _fits(self, text: str) -> bool:
        if self.low is None or self.high is None:
            # Who reads the key takes NA for a missing one.
            return not is_null_word(text)
        number = int(text)
        return str(number) == text and self.low <= number <= self.high


_KINDS: dict[str, type[KeyMaker]] = {maker.kind: maker for maker in (Counting, Pattern, Spread)}


def maker_from_state(state: Mapping[str, Any]) -> KeyMaker:
    """The maker that ``state()`` described.

    Raises:
        ValueError: Its keys would be longer than any, or it could not go on from one to the next.
    """
    made = cattrs.structure({key: value for key, value in state.items() if key != "kind"}, _KINDS[state["kind"]])
    shapes = made.layouts if isinstance(made, Pattern) else ()
    longest = max((len(shape.alphabets) for shape in shapes), default=0)
    if isinstance(made, Counting):
        longest = made.width
        if made.step < 1 or made.least > made.greatest:
            raise ValueError("the numbers of keys do not go on")
    if isinstance(made, Spread):
        check_spread(made)
    if not 0 <= longest <= _MOST_CHARACTERS:
        raise ValueError(f"keys of {longest:,} characters")
    return made


def fit_maker(
    column: ColumnSchema, values: list[str], k: int, seed: int, groups: npt.NDArray[np.int64] | None = None
) -> KeyMaker:
    """The maker of a column's keys.

    Args:
        column: The column, of integers or text.
        values: Its distinct keys, at least one.
        k: What fewer keys have is not repeated.
        seed: What their filter is salted with, at least 0.
        groups: The group that has each key, where rows are grouped.
    """
    # Whole numbers beyond 63 bits count as text, but must still fit their dtype.
    whole = column.type is ColumnType.INTEGER or is_integer_typed(column)
    bounds = integer_bounds(column) if whole else None
    salt = hashlib.blake2b(f"{seed}/{column.name}".encode(), digest_size=16).hexdigest()
    spread = None if bounds is None else fit_spread(values, groups, k, salt, bounds)
    return fit_sequence(values, bounds) or spread or fit_pattern(values, k, salt, bounds)


def fit_sequence(values: list[str], bounds: tuple[int, int] | None) -> Counting | None:
    """The sequence that keys are, or None.

    Keys are a sequence when nearly all are a number between the same two texts, and the numbers
    fill at least half of their range (counted in their common step).

    Args:
        values: Distinct keys, at least one.
        bounds: The numbers that the column can hold; None for text.
    """
    prefix, suffix = _frame(values)
    digits = _digits(values, prefix, suffix, signed=bounds is not None)
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
        salt: What their filter is salted with.
        bounds: The numbers that the column can hold; None for text.
    """
    layouts = uuid_layouts(values) or fit_layouts([value for value in values if value] or ["0"], k)
    # Of so many texts none is made again by chance, and then nothing need be known of those there were.
    sparse = all(size_of(layout) > LARGEST for layout in layouts)
    low, high = bounds or (None, None)
    return Pattern(layouts, salt, None if sparse else fit_filter(values, salt), low, high)


def _digits(values: Sequence[str], prefix: str, suffix: str, *, signed: bool) -> list[str]:
    """The numbers between two texts, as they are written; without the values that are none."""
    cut = slice(len(prefix), -len(suffix) or None)
    inner = (
        value[cut]
        for value in values
        if value.startswith(prefix) and value.endswith(suffix) and len(value) > len(prefix) + len(suffix)
    )
    return [each for each in inner if each.removeprefix("-" if signed else "").isdecimal() and each.isascii()]


def _frame(values: list[str]) -> tuple[str, str]:
    """What is before and after the last number of the key in the middle of the alphabet."""
    found = _NUMBERED.fullmatch(sorted(values)[len(values) // 2])
    if found is None:
        return "", ""
    prefix, suffix = found.group(1), found.group(3)
    return ("" if prefix == "-" else prefix), suffix


def _hashes(values: Sequence[str], salt: str) -> Hashes:
    key = salt.encode()
    texts = (value.encode("utf-8", "surrogatepass") for value in values)
    digests = (hashlib.blake2b(text, digest_size=8, key=key).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
