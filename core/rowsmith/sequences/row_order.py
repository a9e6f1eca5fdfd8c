"""What a table decides of the order of its rows, where the configuration leaves it to the data."""

from __future__ import annotations

from attrs import evolve, frozen

from rowsmith.config import RunConfig
from rowsmith.sequences.intervals import Interval

__all__ = ["RowOrder"]


@frozen(kw_only=True)
class RowOrder:
    """By what the rows of a group follow each other: found when a table is read.

    Attributes:
        column: The column that tells the steps from row to row; None where rows just follow each other, as where the
            column that is named has gaps.
        made: Whether the table has no such column, so that one is made that counts its rows.
        interval: How far apart the rows of all series are; None where that differs, and for other tables.
    """

    column: str | None
    made: bool = False
    interval: Interval | None = None

    def applied_to(self, config: RunConfig) -> RunConfig:
        """The configuration with the column that this table has for the one that was asked for."""
        if config.time_series.is_timeseries:
            return evolve(config, time_series=evolve(config.time_series, timestamp_column=self.column))
        return evolve(config, data=evolve(config.data, order_training_examples_by=self.column))
