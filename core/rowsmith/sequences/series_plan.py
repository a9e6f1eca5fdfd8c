"""What a model must know of the series it was trained on to write new ones: their clock and their extents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cattrs
import numpy as np
import numpy.typing as npt
from attrs import asdict, frozen

from rowsmith.sequences.intervals import Interval, learn_interval
from rowsmith.sequences.times import SeriesClock

__all__ = ["SeriesPlan", "SeriesSpan", "make_plan"]

Ticks = npt.NDArray[np.int64]

_MOST_RECORDS = 10**8
"""As many rows as a table may have."""


@frozen(kw_only=True)
class SeriesSpan:
    """The extent of one series.

    Attributes:
        start: The time of its first record, in ticks.
        stop: The time of its last.
        length: How many records it has.
        interval: How far apart they are; None when that differs.
    """

    start: int
    stop: int
    length: int
    interval: Interval | None = None

    @property
    def is_sound(self) -> bool:
        """Whether its numbers are those of a series, in which records follow each other."""
        interval = self.interval
        forward = interval is None or (interval.ticks >= 0 and interval.ticks + interval.months > 0)
        return self.start <= self.stop and 0 < self.length <= _MOST_RECORDS and forward


@frozen(kw_only=True)
class SeriesPlan:
    """The clock of a table, and the extent of each series that was learned from.

    It names no group and holds no row: the spans are sorted, so that their order tells nothing either.

    Attributes:
        clock: Reads and writes the time column.
        inner: The same for the column as transforms have it, which may be written in another format.
        spans: One for each series.
    """

    clock: SeriesClock
    inner: SeriesClock
    spans: tuple[SeriesSpan, ...]

    @property
    def regular(self) -> bool:
        """Whether most records belong to series with an interval; series of one or two records tell nothing of it.

        Where no series has a third record, all that have a second one must be the same step apart.
        """
        telling = [span for span in self.spans if span.length > 2]
        if not telling:
            found = {span.interval for span in self.spans if span.length > 1}
            return not found or self.interval is not None
        even = sum(span.length for span in telling if span.interval is not None)
        return 2 * even >= sum(span.length for span in telling)

    @property
    def interval(self) -> Interval | None:
        """The interval that all series of more than one record share; None when there is none."""
        found = {span.interval for span in self.spans if span.length > 1}
        return found.pop() if len(found) == 1 else None

    def state(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return asdict(self)

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> SeriesPlan:
        """The plan that ``state`` was taken from, perhaps after a trip through JSON."""
        spans = cattrs.structure(state["spans"], tuple[SeriesSpan, ...])
        if any(not span.is_sound for span in spans):
            raise ValueError("the extent of a series is none")
        return cls(
            clock=cattrs.structure(state["clock"], SeriesClock),
            inner=cattrs.structure(state["inner"], SeriesClock),
            spans=spans,
        )

    def inventory(self) -> list[str]:
        """What it holds of the training data, for people to read."""
        return [f"time column {self.clock.column!r}: start, stop and number of records of {len(self.spans):,} series"]


def make_plan(
    clock: SeriesClock, times: Ticks, groups: npt.NDArray[np.int64], inner: SeriesClock | None = None
) -> SeriesPlan:
    """The plan of an arranged table.

    Args:
        clock: Of its time column.
        times: Ticks ``[rows]``, ascending within each group.
        groups: The number of each row's group ``[rows]``; rows of a group are neighbours.
        inner: The clock of the column as transforms have it; None for the same.
    """
    starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
    spans = [_span(part, clock) for part in np.split(times, starts[1:])] if len(times) else []
    return SeriesPlan(clock=clock, inner=inner or clock, spans=tuple(sorted(spans, key=_order)))


def _span(times: Ticks, clock: SeriesClock) -> SeriesSpan:
    return SeriesSpan(
        start=int(times[0]),
        stop=int(times[-1]),
        length=len(times),
        interval=learn_interval(times, calendar=not clock.elapsed),
    )


def _order(span: SeriesSpan) -> tuple[int, ...]:
    interval = span.interval
    return (span.start, span.stop, span.length, *((interval.ticks, interval.months) if interval else (0, 0)))
