"""One date-time column as calendar parts: what is known of it, and both directions."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.draws import Draws
from rowsmith.table.columns import from_codes
from rowsmith.table.datetimes import parse_datetimes, spell_datetimes
from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith_plugins.transforms.calendar_parts import BOUNDS, PARTS, join_parts, split_parts
from rowsmith_plugins.transforms.counting import Counted
from rowsmith_plugins.transforms.layout import unique_name

__all__ = ["Part", "PartedColumn", "fit_parts"]

Instants = npt.NDArray[np.datetime64]
Numbers = npt.NDArray[np.int64]

_FRACTIONS = {1_000_000: "millisecond", 1_000: "microsecond", 1: "nanosecond"}
_MOST_SEEN = 1_000


@frozen
class Part:
    """One modelled part.

    Attributes:
        part: Which part of the date-time.
        column: The column that holds it.
        step: What its numbers are multiplied by; above 1 for milli- and microseconds.
        seen: The numbers seen, ascending; or, where they are many, the lowest and the highest.
        listed: Whether ``seen`` lists them all.
    """

    part: str
    column: str
    step: int
    seen: tuple[int, ...]
    listed: bool

    def column_schema(self, nullable: bool) -> ColumnSchema:
        """The schema of the column that holds it.

        Only fractions of a second are numbers, so that they may be cut into bins: a part drawn in a
        bin of years or hours could leave the range of the whole.
        """
        if self.part == "nanosecond":
            return ColumnSchema(name=self.column, type=ColumnType.INTEGER, nullable=nullable)
        seen = tuple(map(str, self.seen)) if self.listed else ()
        return ColumnSchema(name=self.column, type=ColumnType.CATEGORICAL, nullable=nullable, ascending=seen)

    def spell(self, numbers: Numbers, codes: npt.NDArray[np.int32]) -> pa.DictionaryArray:
        """Its column, from the parts of distinct date-times and each row's place among them."""
        found, places = np.unique(numbers // self.step, return_inverse=True)
        renumbered = np.append(places.astype(np.int32), np.int32(-1))
        return from_codes([str(number) for number in found.tolist()], renumbered[codes])

    def read(self, counted: Counted, draws: Draws) -> Numbers:
        """Each row's number; drawn where there is none."""
        read = np.array([*map(_whole, counted.values), -1], dtype=np.int64)
        numbers = read[counted.codes]
        low, high = BOUNDS[self.part]
        odd = (numbers < low // self.step) | (numbers > high // self.step)
        if self.part == "year":
            numbers = np.where(odd, numbers, numbers.clip(self.seen[0], self.seen[-1]))
        if odd.any():
            numbers[odd] = self._drawn(draws.take(odd))
        return numbers * self.step

    def _drawn(self, draws: Draws) -> Numbers:
        size = len(self.seen) if self.listed else self.seen[-1] - self.seen[0] + 1
        places = draws.integers(f"datetime.{self.column}", size)
        return np.array(self.seen, dtype=np.int64)[places] if self.listed else places + self.seen[0]


@frozen
class PartedColumn:
    """One date-time column as calendar parts.

    Attributes:
        name: The column.
        nullable: Whether it may be null.
        format: How it is spelled.
        unit: ``us``, or ``ns`` for formats of nine digits.
        parts: The modelled parts, the coarsest first; at least one.
        constants: The other parts, each with its one number.
        low: The earliest date-time seen, in units since 1970.
        high: The latest.
    """

    name: str
    nullable: bool
    format: str
    unit: str
    parts: tuple[Part, ...]
    constants: dict[str, int]
    low: int
    high: int

    def columns_after(self) -> tuple[ColumnSchema, ...]:
        """The columns of the modelled parts."""
        return tuple(part.column_schema(self.nullable) for part in self.parts)

    def split(self, counted: Counted) -> Iterator[tuple[str, pa.DictionaryArray]]:
        """The part columns of the date-time column."""
        numbers = split_parts(self._normal(parse_datetimes(counted.values, self.format)))
        for part in self.parts:
            yield part.column, part.spell(numbers[part.part], counted.codes)

    def join(self, counted: dict[str, Counted], draws: Draws) -> pa.DictionaryArray:
        """The date-time column of its part columns."""
        numbers = {part.part: part.read(counted[part.column], draws) for part in self.parts}
        instants, places = np.unique(self._rebuilt(numbers, len(draws)).astype(np.int64), return_inverse=True)
        texts = spell_datetimes(instants.astype(f"datetime64[{self.unit}]"), self.format)
        places = places.astype(np.int32)
        if self.nullable:
            places[counted[self.parts[0].column].codes < 0] = -1
        return from_codes(texts, places)

    def _normal(self, instants: Instants) -> Instants:
        """Date-times with the constant parts put in and within the range; those seen stay."""
        clipped = self._clip(instants)
        parts = split_parts(clipped)
        steps = {part.part: part.step for part in self.parts}
        return self._rebuilt({name: parts[name] // step * step for name, step in steps.items()}, len(clipped))

    def _rebuilt(self, numbers: dict[str, Numbers], rows: int) -> Instants:
        constants = {name: np.full(rows, number) for name, number in self.constants.items()}
        return self._clip(join_parts({**constants, **numbers}, self.unit))

    def _clip(self, instants: Instants) -> Instants:
        low, high = np.array([self.low, self.high]).astype(f"datetime64[{self.unit}]")
        # By whole seconds, since the fraction may be cut into bins and drawn there.
        seconds = instants.astype("datetime64[s]")
        clipped = np.where(seconds < low.astype("datetime64[s]"), low, instants)
        return np.where(seconds > high.astype("datetime64[s]"), high, clipped)


def fit_parts(column: ColumnSchema, counted: Counted, taken: set[str]) -> PartedColumn:
    """Learn how a date-time column falls into parts.

    Args:
        column: The column; it has a format.
        counted: Its values, at least one.
        taken: Names that other columns have; those of the parts are added.
    """
    format_ = column.datetime_format or ""
    instants = parse_datetimes(counted.values, format_)
    unit = np.datetime_data(instants.dtype)[0]
    numbers = split_parts(instants)
    varying = [name for name in PARTS if (numbers[name] != numbers[name][0]).any()] or ["year"]
    units = instants.astype(np.int64)
    return PartedColumn(
        name=column.name,
        nullable=bool((counted.codes < 0).any()) or column.nullable,
        format=format_,
        unit=unit,
        parts=tuple(_part(column.name, name, numbers[name], taken) for name in varying),
        constants={name: int(numbers[name][0]) for name in PARTS if name not in varying},
        low=int(units.min()),
        high=int(units.max()),
    )


def _part(column: str, name: str, numbers: Numbers, taken: set[str]) -> Part:
    step = _fraction_step(numbers) if name == "nanosecond" else 1
    seen = np.unique(numbers // step)
    listed = len(seen) <= _MOST_SEEN
    label = _FRACTIONS[step] if name == "nanosecond" else name
    kept = seen if listed else seen[[0, -1]]
    return Part(name, unique_name(f"{column}.{label}", taken), step, tuple(kept.tolist()), listed)


def _fraction_step(numbers: Numbers) -> int:
    shared = math.gcd(*numbers.tolist())
    return next(step for step in _FRACTIONS if shared % step == 0)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
