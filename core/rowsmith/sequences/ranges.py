"""Start and stop of generated series: as in training, or as configured."""

from __future__ import annotations

import numpy as np
from attrs import evolve

from rowsmith.config import RunConfig, TimeSeriesConfig
from rowsmith.errors import ConfigError
from rowsmith.randomness.seeds import Seeds
from rowsmith.sequences.intervals import Interval
from rowsmith.sequences.series_plan import SeriesPlan, SeriesSpan
from rowsmith.sequences.time_column import given_interval
from rowsmith.sequences.times import TimeAxis

__all__ = ["SPANS_STAGE", "bounds_of", "draw_spans"]

SPANS_STAGE = "timeseries.spans"
"""Seed stage of the spans of generated series."""


def draw_spans(plan: SeriesPlan, config: RunConfig, seeds: Seeds, count: int | None = None) -> list[SeriesSpan]:
    """The spans of the series to generate.

    Each is the span of one training series, with the configured start, stop and interval
    instead of its own, if there are any. If training series are not regular, none has an interval, not even one of two
    records, which always looks regular: the steps of all are learned together. If as many series are generated as there
    are in training, every span is used once, in another order.

    Args:
        plan: The series of the training table.
        config: May set start, stop and interval.
        seeds: Randomness by stage.
        count: Number of series; None for as many as in training.

    Raises:
        ConfigError: A bound cannot be read, or the stop is before the start.
    """
    wanted = len(plan.spans) if count is None else count
    generator = seeds.generator(SPANS_STAGE)
    rounds = -(-wanted // len(plan.spans))
    order = np.concatenate([generator.permutation(len(plan.spans)) for _ in range(rounds)])[:wanted]
    start, stop = bounds_of(plan.clock, config.time_series)
    interval = given_interval(config)
    return [_configured_span(plan.spans[index], plan, start, stop, interval) for index in order.tolist()]


def bounds_of(axis: TimeAxis, config: TimeSeriesConfig) -> tuple[int | None, int | None]:
    """The configured start and stop of series in ticks; None if not configured.

    Args:
        axis: Reads times.
        config: May set both.

    Raises:
        ConfigError: A bound cannot be read, or the stop is before the start.
    """
    start, stop = (
        None if value is None else axis.bound(value, f"time_series.{name}")
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


def _configured_span(
    span: SeriesSpan, plan: SeriesPlan, start: int | None, stop: int | None, interval: Interval | None
) -> SeriesSpan:
    if interval is None and plan.regular:
        interval = span.interval or plan.interval
    lasting = span.stop - span.start
    begin = span.start if start is None else start
    end = span.stop if stop is None else stop
    if end < begin:  # one bound is configured, and the training series lies beyond it
        begin, end = (begin, begin + lasting) if stop is None else (end - lasting, end)
    length = _record_count(span, begin, end, interval)
    return evolve(span, start=begin, stop=end, length=length, interval=interval)


def _record_count(span: SeriesSpan, start: int, stop: int, interval: Interval | None) -> int:
    if interval is not None:
        return interval.count(start, stop)
    lasting = span.stop - span.start
    return max(1, round(span.length * (stop - start) / lasting)) if lasting else span.length
