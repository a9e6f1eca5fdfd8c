"""How the rows of a group are ordered, where the configuration leaves it to the data."""

from __future__ import annotations

from attrs import evolve, frozen

from rowsmith.config import RunConfig
from rowsmith.sequences.intervals import Interval

__all__ = ["RowOrder"]


@frozen(kw_only=True)
class RowOrder:
    """How the rows of a group are ordered; found when a table is read.

    Attributes:
        column: The column that gives the steps from row to row; None if there is none, also if the named column
            has gaps.
        made: Whether the table has no such column, so that rows are numbered instead.
        interval: The step between rows if it is the same in all series, else None; None for other tables.
    """

    column: str | None
    made: bool = False
    interval: Interval | None = None

    def applied_to(self, config: RunConfig) -> RunConfig:
        """The configuration with the order column that this table has."""
        if config.time_series.is_timeseries:
            return evolve(config, time_series=evolve(config.time_series, timestamp_column=self.column))
        return evolve(config, data=evolve(config.data, order_training_examples_by=self.column))
