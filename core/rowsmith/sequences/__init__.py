"""Groups and time: sorting rows by group and order, time columns, and the spans of series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.sequences.arranging import Arranged, arrange, check_columns, rows_without_order
    from rowsmith.sequences.grouping import group_bounds, group_numbers, groups_begun_by
    from rowsmith.sequences.holdout import (
        MIN_TRAIN_ROWS,
        TrainingPart,
        split_holdout,
        split_holdout_groups,
        training_part,
    )
    from rowsmith.sequences.identifiers import identifier_name, with_identifier
    from rowsmith.sequences.intervals import TICKS, Interval, learn_interval
    from rowsmith.sequences.names import GivenNames, given_names
    from rowsmith.sequences.ranges import SPANS_STAGE, bounds_of, draw_spans
    from rowsmith.sequences.row_order import RowOrder
    from rowsmith.sequences.series_plan import SeriesPlan, SeriesSpan, make_plan
    from rowsmith.sequences.time_column import PreparedSeries, given_interval, prepare_series
    from rowsmith.sequences.times import ELAPSED_SECONDS, TimeAxis

__all__ = [
    "ELAPSED_SECONDS",
    "MIN_TRAIN_ROWS",
    "SPANS_STAGE",
    "TICKS",
    "Arranged",
    "GivenNames",
    "Interval",
    "PreparedSeries",
    "RowOrder",
    "SeriesPlan",
    "SeriesSpan",
    "TimeAxis",
    "TrainingPart",
    "arrange",
    "bounds_of",
    "check_columns",
    "draw_spans",
    "given_interval",
    "given_names",
    "group_bounds",
    "group_numbers",
    "groups_begun_by",
    "identifier_name",
    "learn_interval",
    "make_plan",
    "prepare_series",
    "rows_without_order",
    "split_holdout",
    "split_holdout_groups",
    "training_part",
    "with_identifier",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.sequences.arranging": ["Arranged", "arrange", "check_columns", "rows_without_order"],
        "rowsmith.sequences.grouping": ["group_bounds", "group_numbers", "groups_begun_by"],
        "rowsmith.sequences.holdout": [
            "MIN_TRAIN_ROWS",
            "TrainingPart",
            "split_holdout",
            "split_holdout_groups",
            "training_part",
        ],
        "rowsmith.sequences.identifiers": ["identifier_name", "with_identifier"],
        "rowsmith.sequences.intervals": ["Interval", "TICKS", "learn_interval"],
        "rowsmith.sequences.names": ["GivenNames", "given_names"],
        "rowsmith.sequences.ranges": ["SPANS_STAGE", "bounds_of", "draw_spans"],
        "rowsmith.sequences.row_order": ["RowOrder"],
        "rowsmith.sequences.series_plan": ["SeriesPlan", "SeriesSpan", "make_plan"],
        "rowsmith.sequences.time_column": ["PreparedSeries", "given_interval", "prepare_series"],
        "rowsmith.sequences.times": ["ELAPSED_SECONDS", "TimeAxis"],
    },
)
