"""Where generated series begin and end: as those of training, or as the user says."""

from __future__ import annotations

import numpy as np
from attrs import evolve

from rowsmith.config import RunConfig, TimeSeriesConfig
from rowsmith.errors import ConfigError
from rowsmith.randomness.seeds import Seeds
from rowsmith.sequences.intervals import Interval
from rowsmith.sequences.series_plan import SeriesPlan, SeriesSpan
from rowsmith.sequences.time_column import given_interval
from rowsmith.sequences.times import SeriesClock

__all__ = ["SPANS_STAGE", "bounds_of", "draw_spans"]

SPANS_STAGE = "timeseries.spans"
"""Stage whose seed the extents of generated series are drawn with."""


def draw_spans(plan: SeriesPlan, config: RunConfig, seeds: Seeds, count: int | None = None) -> list[SeriesSpan]:
    """The extents of the series to generate.

    Each is that of one training series, with what the configuration sets in the place of its own start,
    stop and interval. Where training series are not regular, none has an interval, not even one of two records,
    which always looks regular: the steps of all are learned together. As many series as in training have the
    extents of all of them, once each, in another order.

    Args:
        plan: What was learned.
        config: May set start, stop and interval.
        seeds: Randomness.
        count: How many series; None for as many as there were.

    Raises:
        ConfigError: A bound cannot be read, or the stop is before the start.
    """
    wanted = len(plan.spans) if count is None else count
    generator = seeds.generator(SPANS_STAGE)
    rounds = -(-wanted // len(plan.spans))
    order = np.concatenate([generator.permutation(len(plan.spans)) for _ in range(rounds)])[:wanted]
    start, stop = bounds_of(plan.clock, config.time_series)
    interval = given_interval(config)
    return [_adjusted(plan.spans[place], plan, start, stop, interval) for place in order.tolist()]


def bounds_of(clock: SeriesClock, config: TimeSeriesConfig) -> tuple[int | None, int | None]:
    """Where the user wants series to begin and to end, in ticks; None where that is not said.

    Args:
        clock: Reads times.
        config: May set both.

    Raises:
        ConfigError: A bound cannot be read, or the stop is before the start.
    """
    start, stop = (
        None if value is None else clock.bound(value, f"time_series.{name}")
        for name, value in (("start_timestamp", config.start_timestamp), ("stop_timestamp", config.stop_timestamp))
    )
    if start is not None and stop is not None and stop < start:
        raise ConfigError(
            [
                f"time_series.stop_timestamp: {config.stop_timestamp!r} is before start_timestamp "
                f"{config.start_timestamp!r}; no series fits in between"
            ]
        )
    return start, stop


def _adjusted(
    span: SeriesSpan, plan: SeriesPlan, start: int | None, stop: int | None, interval: Interval | None
) -> SeriesSpan:
    if interval is None and plan.regular:
        interval = span.interval or plan.interval
    lasting = span.stop - span.start
    begin = span.start if start is None else start
    end = span.stop if stop is None else stop
    if end < begin:  # one bound is the user's, and the series of training lies beyond it
        begin, end = (begin, begin + lasting) if stop is None else (end - lasting, end)
    length = _length(span, begin, end, interval)
    return evolve(span, start=begin, stop=end, length=length, interval=interval)


def _length(span: SeriesSpan, start: int, stop: int, interval: Interval | None) -> int:
    if interval is not None:
        return interval.count(start, stop)
    lasting = span.stop - span.start
    return max(1, round(span.length * (stop - start) / lasting)) if lasting else span.length
