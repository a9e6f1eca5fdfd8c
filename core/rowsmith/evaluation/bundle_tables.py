"""The rows of a trained model beside real ones, prepared for comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith.evaluation.tables import EvaluationTables, evaluation_tables

if TYPE_CHECKING:
    from rowsmith.config import RunConfig
    from rowsmith.model import Bundle
    from rowsmith.table.table import Table

__all__ = ["bundle_tables"]


def bundle_tables(
    config: RunConfig,
    bundle: Bundle,
    trained: Table,
    synthetic: Table,
    holdout: Table | None,
    *,
    identifier: str | None = None,
    seed: int | None = None,
) -> EvaluationTables:
    """Prepare the rows of a model for comparison.

    Args:
        config: The configuration that was trained by.
        bundle: The model: its transforms say what was regenerated, invented and changed.
        trained: The rows that the model learned from.
        synthetic: Its rows.
        holdout: Real rows that it never saw; None for none.
        identifier: The column that numbers the series of a table without such a column.
        seed: What samples and random splits depend on; None takes that of the configuration.

    Raises:
        DataError: A table has no rows, or not the real table's columns.
    """
    names = set(trained.schema.names)
    order, time = config.order_column, config.time_series.timestamp_column
    series = config.time_series.is_timeseries
    # Of a lone series the end is held out: rows of other times are no measure of rows at the same times.
    lone = series and not config.data.group_columns
    return evaluation_tables(
        trained,
        synthetic,
        None if lone else holdout,
        keys=[name for name in trained.schema.names if name in bundle.transforms.regenerated_columns],
        group_by=config.data.group_columns,
        order_by=order if order in names else None,
        time_column=time if series and time in names else None,
        changed=bundle.transforms.changed,
        new_labels=bundle.transforms.invented_columns & names,
        identifier=identifier,
        seed=config.seed if seed is None else seed,
    )
