"""One date-time column as calendar parts: what is known of it, and both directions."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith.table.types.datetimes import parse_datetimes, spell_datetimes
from rowsmith_plugins.transforms.common.counting import Counted
from rowsmith_plugins.transforms.common.layout import unique_name
from rowsmith_plugins.transforms.datetime.part_bins import PartBins, fit_bins
from rowsmith_plugins.transforms.datetime.parts import BOUNDS, PARTS, join_parts, split_parts
from rowsmith_plugins.transforms.datetime.rare_days import RareDays, count_rare_once, fit_rare_days

__all__ = ["Part", "PartedColumn", "fit_parts"]

Instants = npt.NDArray[np.datetime64]
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_FRACTIONS = {1_000_000: "millisecond", 1_000: "microsecond", 1: "nanosecond"}
_MOST_ROUNDS = 8


@frozen
class Part:
    """One modelled part.

    Attributes:
        part: Which part of the date-time.
        column: The column that holds it.
        step: What its numbers are multiplied by; above 1 for milli- and microseconds.
        bins: The numbers that enough rows have, and bins of rare ones; of fractions, the one range of all.
    """

    part: str
    column: str
    step: int
    bins: PartBins

    @property
    def fraction(self) -> bool:
        """Whether it is a fraction of a second.

        Only these are numbers, so that they may be cut into bins: a part drawn in a bin of years or hours could leave
        the range of the whole.
        """
        return self.part == "nanosecond"

    def column_schema(self, nullable: bool) -> ColumnSchema:
        """The schema of the column that holds it."""
        if self.fraction:
            return ColumnSchema(name=self.column, type=ColumnType.INTEGER, nullable=nullable)
        names = tuple(map(str, self.bins.middles))
        return ColumnSchema(name=self.column, type=ColumnType.CATEGORICAL, nullable=nullable, ascending=names)

    def named(self, numbers: Numbers) -> Numbers:
        """The number by which each number of the part is told."""
        return numbers if self.fraction else self.bins.named(self.bins.find(numbers))

    def spell(self, numbers: Numbers, codes: npt.NDArray[np.int32]) -> pa.DictionaryArray:
        """Its column, from the parts of distinct date-times as they are told and each row's place among them."""
        found, places = np.unique(numbers // self.step, return_inverse=True)
        renumbered = np.append(places.astype(np.int32), np.int32(-1))
        return from_codes([str(number) for number in found.tolist()], renumbered[codes])

    def read(self, counted: Counted, draws: Draws) -> tuple[Numbers, Numbers]:
        """The number by which each row's is told, drawn where there is none; and a number in its bin."""
        read = np.array([*map(_whole, counted.values), -1], dtype=np.int64)
        numbers = read[counted.codes]
        low, high = BOUNDS[self.part]
        odd = (numbers < low // self.step) | (numbers > high // self.step)
        if odd.any():
            numbers[odd] = self._drawn(draws.take(odd))
        if self.fraction:
            return numbers * self.step, numbers * self.step
        bins = self.bins.find(numbers)
        if self.bins.lows == self.bins.highs:
            return self.bins.named(bins), self.bins.named(bins)
        return self.bins.named(bins), self.bins.draw(bins, draws.uniform(f"datetime.{self.column}.bin"))

    def _drawn(self, draws: Draws) -> Numbers:
        """Any number of the part, every bin as likely as another."""
        bins = draws.integers(f"datetime.{self.column}", len(self.bins.lows))
        return self.bins.draw(bins, draws.uniform(f"datetime.{self.column}.odd"))


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
        rare_days: Where the day is not learned; None where it always is, and in models saved before it was known.
    """

    name: str
    nullable: bool
    format: str
    unit: str
    parts: tuple[Part, ...]
    constants: dict[str, int]
    low: int
    high: int
    rare_days: RareDays | None = None

    def columns_after(self) -> tuple[ColumnSchema, ...]:
        """The columns of the modelled parts."""
        return tuple(part.column_schema(self.nullable) for part in self.parts)

    def split(self, counted: Counted) -> Iterator[tuple[str, pa.DictionaryArray]]:
        """The part columns of the date-time column."""
        numbers = self._told(parse_datetimes(counted.values, self.format))
        for part in self.parts:
            yield part.column, part.spell(numbers[part.part], counted.codes)

    def join(self, counted: dict[str, Counted], draws: Draws) -> pa.DictionaryArray:
        """The date-time column of its part columns."""
        read = {part.part: part.read(counted[part.column], draws) for part in self.parts}
        told, drawn = ({name: pair[side] for name, pair in read.items()} for side in (0, 1))
        told, drawn = self._without_rare_days(told), self._with_drawn_days(told, drawn, draws)
        found = self._rebuilt(drawn, len(draws))
        # What is drawn in the bins may be told otherwise, as the 31st of February is.
        same = np.logical_and.reduce([self._names(found)[name] == told[name] for name in told])
        found = np.where(same, found, self._rebuilt(told, len(draws)))
        instants, places = np.unique(found.astype(np.int64), return_inverse=True)
        texts = spell_datetimes(instants.astype(f"datetime64[{self.unit}]"), self.format)
        places = places.astype(np.int32)
        if self.nullable:
            places[counted[self.parts[0].column].codes < 0] = -1
        return from_codes(texts, places)

    def days_drawn(self, counted: Counted) -> Mask:
        """Which values have a day that is not learned but drawn, ``bool[values]``."""
        if self.rare_days is None:
            return np.zeros(len(counted.values), dtype=np.bool_)
        return self._hidden(self.rare_days, self._named(self._clip(parse_datetimes(counted.values, self.format))))

    def changed(self, counted: Counted) -> Mask:
        """Which values do not come back: their day is drawn, or a part is named by a bin that lacks it."""
        numbers = split_parts(parse_datetimes(counted.values, self.format))
        held = (part.bins.hold(numbers[part.part]) for part in self.parts if not part.fraction)
        changed = self.days_drawn(counted)
        for inside in held:
            changed |= ~inside
        return changed

    def _told(self, instants: Instants) -> dict[str, Numbers]:
        """The numbers by which date-times are told; a date-time of these numbers is told by the same."""
        told = self._names(self._clip(instants))
        for _ in range(_MOST_ROUNDS):
            again = self._names(self._rebuilt(told, len(instants)))
            if all((again[name] == told[name]).all() for name in told):
                break
            told = again
        return told

    def _names(self, instants: Instants) -> dict[str, Numbers]:
        return self._without_rare_days(self._named(instants))

    def _named(self, instants: Instants) -> dict[str, Numbers]:
        numbers = split_parts(instants)
        return {part.part: part.named(numbers[part.part] // part.step * part.step) for part in self.parts}

    def _without_rare_days(self, told: dict[str, Numbers]) -> dict[str, Numbers]:
        """The numbers by which date-times are told, and one day in place of those that are not learned."""
        if self.rare_days is None:
            return told
        return told | {"day": np.where(self._hidden(self.rare_days, told), self.rare_days.stand_in, told["day"])}

    def _with_drawn_days(self, told: dict[str, Numbers], drawn: dict[str, Numbers], draws: Draws) -> dict[str, Numbers]:
        """The numbers drawn, and a day drawn where it is not learned."""
        if self.rare_days is None:
            return drawn
        days = self.rare_days.draw(draws.uniform(f"datetime.{self.name}.rare-day"))
        return drawn | {"day": np.where(self._hidden(self.rare_days, told), days, drawn["day"])}

    def _hidden(self, rare_days: RareDays, told: dict[str, Numbers]) -> Mask:
        first, days = self.parts[0], told["day"]
        return rare_days.hidden(first.bins.find(told[first.part]), told.get("month", np.zeros_like(days)), days)

    def _rebuilt(self, numbers: dict[str, Numbers], rows: int) -> Instants:
        constants = {name: np.full(rows, number) for name, number in self.constants.items()}
        return self._clip(join_parts({**constants, **numbers}, self.unit))

    def _clip(self, instants: Instants) -> Instants:
        low, high = np.array([self.low, self.high]).astype(f"datetime64[{self.unit}]")
        # By whole seconds, since the fraction may be cut into bins and drawn there.
        seconds = instants.astype("datetime64[s]")
        clipped = np.where(seconds < low.astype("datetime64[s]"), low, instants)
        return np.where(seconds > high.astype("datetime64[s]"), high, clipped)


def fit_parts(column: ColumnSchema, counted: Counted, taken: set[str], k: int = 1) -> PartedColumn:
    """Learn how a date-time column falls into parts.

    Args:
        column: The column; it has a format.
        counted: Its values, at least one.
        taken: Names that other columns have; those of the parts are added.
        k: A number of a part that fewer rows have is told with those next to it. Of the coarsest part of several, a
            date-time that fewer rows have counts as one row.
    """
    format_ = column.datetime_format or ""
    instants = parse_datetimes(counted.values, format_)
    unit = np.datetime_data(instants.dtype)[0]
    numbers = split_parts(instants)
    varying = [name for name in PARTS if _varies(numbers[name])]
    once = varying[:1] if len(varying) > 1 else []
    bins = {
        name: fit_bins(numbers[name], count_rare_once(counted, k) if name in once else counted, k)
        for name in PARTS[:-1]
    }
    same = {name: each.lows[0] for name, each in bins.items() if each.lows == each.highs and len(each.lows) == 1}
    if not _varies(numbers["nanosecond"]):
        same["nanosecond"] = int(numbers["nanosecond"][0])
    if len(same) == len(PARTS):
        del same["year"]
    units = instants.astype(np.int64)
    return PartedColumn(
        name=column.name,
        nullable=bool((counted.codes < 0).any()) or column.nullable,
        format=format_,
        unit=unit,
        parts=tuple(
            Part(name, unique_name(f"{column.name}.{name}", taken), 1, bins[name])
            if name in bins
            else _fraction(column.name, numbers[name], counted, taken, k)
            for name in PARTS
            if name not in same
        ),
        constants=same,
        low=int(units.min()),
        high=int(units.max()),
        rare_days=_rare_days(numbers, {name: each for name, each in bins.items() if name not in same}, counted, k),
    )


def _rare_days(numbers: dict[str, Numbers], bins: dict[str, PartBins], counted: Counted, k: int) -> RareDays | None:
    """Where days are not learned: only beside a year or a month that varies."""
    coarsest = next(iter(bins), "day")
    if coarsest not in ("year", "month") or "day" not in bins:
        return None
    found, days = bins[coarsest].find(numbers[coarsest]), numbers["day"]
    months = bins["month"].named(bins["month"].find(numbers["month"])) if "month" in bins else np.zeros_like(days)
    return fit_rare_days(counted, bins[coarsest].wide, found, months, days, bins["day"], k)


def _varies(numbers: Numbers) -> bool:
    return bool((numbers != numbers[0]).any())


def _fraction(column: str, numbers: Numbers, counted: Counted, taken: set[str], k: int) -> Part:
    step = _fraction_step(numbers)
    low, high = (int(numbers[end]) // step for end in counted.ends(np.argsort(numbers, kind="stable"), k))
    return Part("nanosecond", unique_name(f"{column}.{_FRACTIONS[step]}", taken), step, PartBins((low,), (high,)))


def _fraction_step(numbers: Numbers) -> int:
    shared = math.gcd(*numbers.tolist())
    return next(step for step in _FRACTIONS if shared % step == 0)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
