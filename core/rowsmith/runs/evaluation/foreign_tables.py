"""Evaluating tables that Rowsmith did not make."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsmith import __version__
from rowsmith.components import ComponentRef
from rowsmith.config import RunConfig
from rowsmith.config.defaults import evaluations_for
from rowsmith.config.layering import merge
from rowsmith.context import BuildContext
from rowsmith.errors import DataError, ParameterError
from rowsmith.evaluation.outcome import EvaluationOutcome
from rowsmith.evaluation.tables import evaluation_tables
from rowsmith.randomness.seeds import Seeds
from rowsmith.runs.arguments import PathLike, load_settings, sequence_settings
from rowsmith.runs.evaluation.comparing import evaluated
from rowsmith.runs.validation import check_components, registry_for
from rowsmith.table.column_labels import name_of

if TYPE_CHECKING:
    import pandas as pd

    from rowsmith.interruption import StopRequest
    from rowsmith.plugins import Registry
    from rowsmith.table import Table

__all__ = ["Evaluations", "chosen_evaluations", "evaluate_tables", "table_to_evaluate"]

Evaluations = str | Sequence[str | ComponentRef]
"""``quick``, ``full``, ``none``, or names of evaluations."""


def evaluate_tables(
    real: pd.DataFrame | PathLike,
    synthetic: pd.DataFrame | PathLike,
    holdout: pd.DataFrame | PathLike | None = None,
    *,
    group_by: Hashable | Sequence[Hashable] | None = None,
    order_by: Hashable | None = None,
    time_column: Hashable | None = None,
    keys: Sequence[Hashable] = (),
    series_column: Hashable | None = None,
    evaluation: Evaluations = "full",
    seed: int = 0,
    registry: Registry | None = None,
    stop: StopRequest | None = None,
) -> EvaluationOutcome:
    """Compare a synthetic table of any origin with the real one.

    Args:
        real: The rows that the synthetic ones were learned from: a DataFrame, or a CSV, JSON lines or Parquet file.
        synthetic: The synthetic rows.
        holdout: Real rows that were not learned from; without them there is no ceiling, and measures that need them
            are left out, with the reason.
        group_by: The column whose equal values make rows a group, or several such columns.
        order_by: The column that orders the rows of a group.
        time_column: The column of times, when the table is a time series.
        keys: Columns whose values only identify rows.
        series_column: The column of the synthetic table that numbers its series, where the real table is a single
            series and has no such column.
        evaluation: ``full``, ``quick``, or names of evaluations.
        seed: What samples and random splits depend on.
        registry: Where evaluations are found; the installed plugins by default.
        stop: Looked at between two evaluations.

    Returns:
        What was found.

    Raises:
        ConfigError: A setting is wrong.
        PluginError: An evaluation is missing, or a package that it needs.
        DataError: A table cannot be used, or lacks columns of the real one.
        ParameterError: A column that is named is not in the tables.
    """
    sections = sequence_settings(group_by, order_by, time_column)
    config = chosen_evaluations(load_settings(None, merge(sections, {"seed": seed})), evaluation)
    registry = registry or registry_for(config)
    check_components(config, registry, settings=["evaluation"]).raise_first()
    real_table, made = (table_to_evaluate(*each, config) for each in ((real, "real"), (synthetic, "synthetic")))
    identifier = None if series_column is None else name_of(series_column)
    _check_series_column(identifier, config, real_table, made)
    tables = evaluation_tables(
        real_table,
        made,
        None if holdout is None else table_to_evaluate(holdout, "held-out", config),
        keys=[name_of(key) for key in keys],
        group_by=config.data.group_columns,
        order_by=config.order_column,
        time_column=config.time_series.timestamp_column,
        identifier=identifier,
        seed=config.seed,
    )
    context = BuildContext(config=config, registry=registry, seeds=Seeds(config.seed))
    report = evaluated(evaluations_for(config), tables, context, stop)
    facts = {"Rowsmith": __version__, "Real table": _name(real), "Synthetic table": _name(synthetic), "Seed": seed}
    return EvaluationOutcome(report=report, tables=tables, facts=facts)


def _check_series_column(name: str | None, config: RunConfig, real: Table, synthetic: Table) -> None:
    """Refuse a column that cannot number the series of a synthetic table.

    Raises:
        ParameterError: The real table is no single series, or has the column, or the synthetic one has not.
    """
    if name is None:
        return
    if not config.time_series.is_timeseries or config.data.group_columns:
        raise ParameterError(
            f"series_column {name!r} numbers the synthetic series of a real table that is a single series: give "
            "time_column, and no group_by"
        )
    if name in real.schema.names:
        raise ParameterError(f"both tables have a column {name!r}; where it identifies the series, give it as group_by")
    if name not in synthetic.schema.names:
        raise ParameterError(f"the synthetic table has no column {name!r}; it has {', '.join(synthetic.schema.names)}")


def chosen_evaluations(config: RunConfig, evaluation: Evaluations) -> RunConfig:
    """A configuration with evaluations that a caller asks for.

    Args:
        config: The configuration.
        evaluation: An extent, or names.

    Raises:
        ConfigError: It is neither.
    """
    chosen: Any = evaluation if isinstance(evaluation, str) else list(evaluation)
    return load_settings(config, {"evaluation": chosen})


def table_to_evaluate(data: pd.DataFrame | PathLike, what: str, config: RunConfig) -> Table:
    """A frame or a file as a table.

    Args:
        data: The frame, or the file.
        what: Which table it is, for messages.
        config: How it is read.

    Raises:
        DataError: It cannot be used.
    """
    from rowsmith.table import from_frame, read_table

    if not isinstance(data, str | os.PathLike):
        return from_frame(data, types=dict(config.data.types), options=config.data.read_options)
    try:
        return read_table(Path(data), types=config.data.types, options=config.data.read_options)
    except DataError as error:
        error.add_note(f"while reading the {what} table {os.fspath(data)}")
        raise


def _name(data: Any) -> str:
    return Path(data).name if isinstance(data, str | os.PathLike) else type(data).__name__
