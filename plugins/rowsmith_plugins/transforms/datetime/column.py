"""The fitted encoding of one date-time column as calendar parts, in both directions."""

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
from rowsmith_plugins.transforms.datetime.parts import BOUNDS, PARTS, days_at_end, join_parts, split_parts
from rowsmith_plugins.transforms.datetime.rare_days import RareDays, count_rare_once, fit_rare_days

__all__ = ["DatetimeColumn", "Part", "fit_parts"]

Instants = npt.NDArray[np.datetime64]
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Parts = dict[str, Numbers]

_FRACTIONS = {1_000_000: "millisecond", 1_000: "microsecond", 1: "nanosecond"}
_MOST_ROUNDS = 8


@frozen
class Part:
    """One modelled part.

    Attributes:
        part: The part of the date-time.
        column: The column of the part.
        step: Unit of its numbers in the date-time; above 1 for milli- and microseconds.
        bins: Numbers with enough rows, and bins of rare numbers; for fractions, one bin of all numbers.
    """

    part: str
    column: str
    step: int
    bins: PartBins

    @property
    def fraction(self) -> bool:
        """Whether it is a fraction of a second.

        Only fractions are numeric and may be cut into bins: a part drawn from a bin of years or hours could leave
        the range of the whole.
        """
        return self.part == "nanosecond"

    def column_schema(self, nullable: bool) -> ColumnSchema:
        """The schema of its column."""
        if self.fraction:
            return ColumnSchema(name=self.column, type=ColumnType.INTEGER, nullable=nullable)
        names = tuple(map(str, self.bins.middles))
        return ColumnSchema(name=self.column, type=ColumnType.CATEGORICAL, nullable=nullable, ascending=names)

    def named(self, numbers: Numbers) -> Numbers:
        """The representative of each number: the middle of its bin."""
        return numbers if self.fraction else self.bins.named(self.bins.find(numbers))

    def spell(self, numbers: Numbers, codes: npt.NDArray[np.int32]) -> pa.DictionaryArray:
        """Its column, from the encoded parts of distinct date-times and the code of each row."""
        found, inverse = np.unique(numbers // self.step, return_inverse=True)
        renumbered = np.append(inverse.astype(np.int32), np.int32(-1))
        return from_codes([str(number) for number in found.tolist()], renumbered[codes])

    def read(self, counted: Counted, draws: Draws) -> tuple[Numbers, Numbers]:
        """The representative of each row, drawn if it is invalid; and a number drawn from its bin."""
        read = np.array([*map(_whole, counted.values), -1], dtype=np.int64)
        numbers = read[counted.codes]
        low, high = BOUNDS[self.part]
        invalid = (numbers < low // self.step) | (numbers > high // self.step)
        if invalid.any():
            numbers[invalid] = self._drawn(draws.take(invalid))
        if self.fraction:
            return numbers * self.step, numbers * self.step
        bins = self.bins.find(numbers)
        if self.bins.lows == self.bins.highs:
            return self.bins.named(bins), self.bins.named(bins)
        return self.bins.named(bins), self.bins.draw(bins, draws.uniform(f"datetime.{self.column}.bin"))

    def _drawn(self, draws: Draws) -> Numbers:
        """Draw numbers of the part; all bins are equally likely."""
        bins = draws.integers(f"datetime.{self.column}", len(self.bins.lows))
        return self.bins.draw(bins, draws.uniform(f"datetime.{self.column}.odd"))


@frozen
class DatetimeColumn:
    """One date-time column as calendar parts.

    Attributes:
        name: The column.
        nullable: Whether it may be null.
        format: Its format.
        unit: ``us``, or ``ns`` for formats with nine digits.
        parts: The modelled parts, the coarsest first; at least one.
        constants: The other parts, with their constant numbers.
        low: The earliest training date-time, in units since 1970.
        high: The latest training date-time.
        rare_days: Which days are not learned; None if all are, and in models of versions without it.
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
        numbers = self._encoded(parse_datetimes(counted.values, self.format))
        for part in self.parts:
            yield part.column, part.spell(numbers[part.part], counted.codes)

    def join(self, counted: dict[str, Counted], draws: Draws) -> pa.DictionaryArray:
        """The date-time column from its part columns."""
        read = {part.part: part.read(counted[part.column], draws) for part in self.parts}
        encoded, drawn = ({name: pair[side] for name, pair in read.items()} for side in (0, 1))
        encoded, drawn = self._without_rare_days(encoded), self._with_drawn_days(encoded, drawn, draws)
        found = self._joined(drawn, len(draws))
        # A drawn date-time may have another encoding: 31 February becomes the last day of February.
        same = np.logical_and.reduce([self._representatives(found)[name] == encoded[name] for name in encoded])
        found = np.where(same, found, self._joined(encoded, len(draws)))
        moved = np.logical_or.reduce([self._representatives(found)[name] != encoded[name] for name in encoded])
        found = self._with_drawn_ends(found, self._unclipped(encoded, len(draws)), moved, draws)
        instants, codes = np.unique(found.astype(np.int64), return_inverse=True)
        texts = spell_datetimes(instants.astype(f"datetime64[{self.unit}]"), self.format)
        codes = codes.astype(np.int32)
        if self.nullable:
            codes[counted[self.parts[0].column].codes < 0] = -1
        return from_codes(texts, codes)

    def days_drawn(self, counted: Counted) -> Mask:
        """Which values have a day that is not learned but drawn, ``bool[values]``."""
        if self.rare_days is None:
            return np.zeros(len(counted.values), dtype=np.bool_)
        instants = self._clip(parse_datetimes(counted.values, self.format))
        return self._hidden(self.rare_days, self._with_rare_days(instants))

    def changed(self, counted: Counted) -> Mask:
        """Which values are not restored: their day is drawn, or a part is replaced by a bin that lacks it."""
        numbers = split_parts(parse_datetimes(counted.values, self.format))
        changed = self.days_drawn(counted)
        for part in self.parts:
            if not part.fraction:
                changed = changed | ~part.bins.hold(numbers[part.part])
        return changed

    def _encoded(self, instants: Instants) -> Parts:
        """The encoded parts of date-times; encoding the decoded parts again gives the same parts."""
        encoded = self._representatives(self._clip(instants))
        for _ in range(_MOST_ROUNDS):
            again = self._representatives(self._joined(encoded, len(instants)))
            if all((again[name] == encoded[name]).all() for name in encoded):
                break
            encoded = again
        return encoded

    def _representatives(self, instants: Instants) -> Parts:
        return self._without_rare_days(self._with_rare_days(instants))

    def _with_rare_days(self, instants: Instants) -> Parts:
        numbers = split_parts(instants)
        return {part.part: part.named(numbers[part.part] // part.step * part.step) for part in self.parts}

    def _without_rare_days(self, encoded: Parts) -> Parts:
        """Replace days that are not learned by the stand-in day."""
        if self.rare_days is None:
            return encoded
        hidden = self._hidden(self.rare_days, encoded)
        return encoded | {"day": np.where(hidden, self.rare_days.stand_in, encoded["day"])}

    def _with_drawn_days(self, encoded: Parts, drawn: Parts, draws: Draws) -> Parts:
        """Replace days that are not learned by drawn days."""
        if self.rare_days is None:
            return drawn
        days = self.rare_days.draw(draws.uniform(f"datetime.{self.name}.rare-day"))
        return drawn | {"day": np.where(self._hidden(self.rare_days, encoded), days, drawn["day"])}

    def _hidden(self, rare_days: RareDays, encoded: Parts) -> Mask:
        first, days = self.parts[0], encoded["day"]
        return rare_days.hidden(first.bins.find(encoded[first.part]), encoded.get("month", np.zeros_like(days)), days)

    def _joined(self, numbers: Parts, rows: int) -> Instants:
        return self._clip(self._unclipped(numbers, rows))

    def _unclipped(self, numbers: Parts, rows: int) -> Instants:
        constants = {name: np.full(rows, number) for name, number in self.constants.items()}
        return join_parts({**constants, **numbers}, self.unit)

    def _with_drawn_ends(self, clipped: Instants, unclipped: Instants, moved: Mask, draws: Draws) -> Instants:
        """Draw a day for date-times beyond either end, which would otherwise all be the first or the last one.

        Args:
            clipped: The date-times in the range.
            unclipped: The date-times that the parts give.
            moved: Whether clipping changed a part.
            draws: Random numbers, one stream per row.
        """
        low, high = np.array([self.low, self.high]).astype(f"datetime64[{self.unit}]").astype("datetime64[D]")
        days = unclipped.astype("datetime64[D]")
        beyond = moved & ((days < low) | (days > high))
        if not beyond.any():
            return clipped
        uniform = draws.uniform(f"datetime.{self.name}.end")
        first, last = days_at_end(days, low, high)
        drawn = first + (uniform * ((last - first).astype(np.int64) + 1)).astype(np.int64).astype("timedelta64[D]")
        again = self._clip(drawn.astype(unclipped.dtype) + (unclipped - days.astype(unclipped.dtype)))
        return np.where(beyond, again, clipped)

    def _clip(self, instants: Instants) -> Instants:
        low, high = np.array([self.low, self.high]).astype(f"datetime64[{self.unit}]")
        # By whole seconds, because fractions may be drawn from bins.
        seconds = instants.astype("datetime64[s]")
        clipped = np.where(seconds < low.astype("datetime64[s]"), low, instants)
        return np.where(seconds > high.astype("datetime64[s]"), high, clipped)


def fit_parts(column: ColumnSchema, counted: Counted, taken: set[str], k: int = 1) -> DatetimeColumn:
    """Fit the parts of a date-time column.

    Args:
        column: The column; it has a format.
        counted: Its values, at least one.
        taken: Names of other columns; those of the parts are added.
        k: Numbers of a part with fewer rows are merged with their neighbours. In the coarsest of several parts, a
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
    return DatetimeColumn(
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


def _rare_days(numbers: Parts, bins: dict[str, PartBins], counted: Counted, k: int) -> RareDays | None:
    """Which days are not learned; only for columns with varying years or months."""
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
