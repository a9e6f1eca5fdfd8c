"""Time series: their time column, their extents, and where generated ones begin and end."""

from rowsmith.timeseries.clock import ELAPSED_SECONDS, SeriesClock
from rowsmith.timeseries.identifiers import identifier_name, with_identifier
from rowsmith.timeseries.intervals import TICKS, Interval, learn_interval
from rowsmith.timeseries.plan import SeriesPlan, SeriesSpan, make_plan
from rowsmith.timeseries.preparing import PreparedSeries, given_interval, prepare_series
from rowsmith.timeseries.ranges import bounds_of, draw_spans

__all__ = [
    "ELAPSED_SECONDS",
    "TICKS",
    "Interval",
    "PreparedSeries",
    "SeriesClock",
    "SeriesPlan",
    "SeriesSpan",
    "bounds_of",
    "draw_spans",
    "given_interval",
    "identifier_name",
    "learn_interval",
    "make_plan",
    "prepare_series",
    "with_identifier",
]
