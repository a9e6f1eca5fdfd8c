"""What generation must know of the training series: their time axis and their spans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cattrs
import numpy as np
import numpy.typing as npt
from attrs import asdict, frozen

from rowsmith.sequences.intervals import Interval, learn_interval
from rowsmith.sequences.times import TimeAxis

__all__ = ["SeriesPlan", "SeriesSpan", "make_plan"]

Ticks = npt.NDArray[np.int64]

_MOST_RECORDS = 10**8
"""The most rows that a table may have."""


@frozen(kw_only=True)
class SeriesSpan:
    """The start, stop and length of one series.

    Attributes:
        start: The time of its first record, in ticks.
        stop: The time of its last.
        length: Number of records.
        interval: The step between records; None if it varies.
    """

    start: int
    stop: int
    length: int
    interval: Interval | None = None

    @property
    def is_sound(self) -> bool:
        """Whether its numbers are possible: the stop is not before the start, and steps lead forward."""
        interval = self.interval
        forward = interval is None or (interval.ticks >= 0 and interval.ticks + interval.months > 0)
        return self.start <= self.stop and 0 < self.length <= _MOST_RECORDS and forward


@frozen(kw_only=True)
class SeriesPlan:
    """The time axis of a table, and the span of each training series.

    It names no group and holds no row: the spans are sorted, so their order reveals nothing either.

    Attributes:
        clock: Reads and writes the time column; the name is saved in bundles.
        inner: The same for the transformed column, which may have another format.
        spans: One for each series.
    """

    clock: TimeAxis
    inner: TimeAxis
    spans: tuple[SeriesSpan, ...]

    @property
    def regular(self) -> bool:
        """Whether most records belong to series with an interval; series of one or two records are not counted.

        If no series has three records, all series of two must have the same step.
        """
        counted = [span for span in self.spans if span.length > 2]
        if not counted:
            found = {span.interval for span in self.spans if span.length > 1}
            return not found or self.interval is not None
        even = sum(span.length for span in counted if span.interval is not None)
        return 2 * even >= sum(span.length for span in counted)

    @property
    def interval(self) -> Interval | None:
        """The interval that all series of more than one record share; None if there is none."""
        found = {span.interval for span in self.spans if span.length > 1}
        return found.pop() if len(found) == 1 else None

    def state(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return asdict(self)

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> SeriesPlan:
        """The plan of a ``state``, which may have been through JSON."""
        spans = cattrs.structure(state["spans"], tuple[SeriesSpan, ...])
        if any(not span.is_sound for span in spans):
            raise ValueError("the plan holds an impossible series span")
        return cls(
            clock=cattrs.structure(state["clock"], TimeAxis),
            inner=cattrs.structure(state["inner"], TimeAxis),
            spans=spans,
        )

    def inventory(self) -> list[str]:
        """What it holds of the training data, for display."""
        return [f"time column {self.clock.column!r}: start, stop and number of records of {len(self.spans):,} series"]


def make_plan(axis: TimeAxis, times: Ticks, groups: npt.NDArray[np.int64], inner: TimeAxis | None = None) -> SeriesPlan:
    """The plan of a sorted table.

    Args:
        axis: The axis of its time column.
        times: Ticks ``[rows]``, ascending within each group.
        groups: The number of each row's group ``[rows]``; rows sorted by group.
        inner: The axis of the transformed column; None for the same.
    """
    starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
    spans = [_span_of(part, axis) for part in np.split(times, starts[1:])] if len(times) else []
    return SeriesPlan(clock=axis, inner=inner or axis, spans=tuple(sorted(spans, key=_span_key)))


def _span_of(times: Ticks, axis: TimeAxis) -> SeriesSpan:
    return SeriesSpan(
        start=int(times[0]),
        stop=int(times[-1]),
        length=len(times),
        interval=learn_interval(times, calendar=not axis.elapsed),
    )


def _span_key(span: SeriesSpan) -> tuple[int, ...]:
    interval = span.interval
    return (span.start, span.stop, span.length, *((interval.ticks, interval.months) if interval else (0, 0)))
