"""Evaluating rows of a run whose model is in a run directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from rowsmith.config import GenerationConfig
from rowsmith.config.defaults import QUICK_EVALUATION, evaluations_for
from rowsmith.errors import DataError, RunDirectoryError
from rowsmith.evaluation.files import report_figures
from rowsmith.evaluation.outcome import EvaluationOutcome
from rowsmith.model import load_bundle
from rowsmith.runs import result_files
from rowsmith.runs import stages as pipeline
from rowsmith.runs.evaluation.comparing import evaluate_rows, run_facts
from rowsmith.runs.evaluation.foreign_tables import table_to_evaluate
from rowsmith.runs.plan import Plan
from rowsmith.runs.plan.planning import fingerprint
from rowsmith.runs.stages import Run
from rowsmith.runs.validation import check_components
from rowsmith.sequences import identifier_name, with_identifier
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table.column_labels import name_of
from rowsmith.table.schema import TableSchema
from rowsmith.table.table import Table

if TYPE_CHECKING:
    import pandas as pd

    from rowsmith.config import RunConfig
    from rowsmith.model import Bundle
    from rowsmith.runs.arguments import PathLike

__all__ = ["check_real_table", "evaluate_frame", "evaluate_run", "evaluated_as", "real_table"]


def evaluate_run(
    run: Run,
    plan: Plan,
    *,
    real: Path | None = None,
    synthetic: Path | None = None,
    output: RunDirectory | None = None,
) -> EvaluationOutcome:
    """Judge rows of a run beside its real table.

    Args:
        run: The run; its configuration names the evaluations and, apart from them, is the plan's.
        plan: The saved plan.
        real: The file of the real table; by default the one that was learned from.
        synthetic: A file of rows that the model made; by default those in the run directory.
        output: Where the report goes; by default the run directory, whose ``metrics.json`` gets its figures where
            its own rows were judged.

    Returns:
        What was found.

    Raises:
        RunDirectoryError: There are no rows, or nothing says where the real table is.
        DataError: The real table is not the one that was learned from, or rows cannot be read.
        RowsmithError: As the stage that fails says.
    """
    check_components(run.config, run.registry, run.caller, ["evaluation"]).raise_first()
    bundle = load_bundle(run.bundle_directory, run.context())
    table = real_table(run, plan, real)
    figures = _figures(run.directory)
    rows, identifier = _rows(run, synthetic, bundle.table_schema)
    with (output or run.directory).create().lock():
        outcome = evaluate_rows(
            run,
            bundle,
            evaluations_for(run.config),
            table,
            rows,
            identifier=identifier,
            facts=run_facts(plan, figures),
            made=None if synthetic is not None else _made_under(figures),
            directory=output or run.directory,
        )
        if output is None and synthetic is None and figures:
            judged = {**figures, "evaluation": report_figures(outcome.report)}
            run.directory.write_json(result_files.METRICS_FILE, judged)
    return outcome


def evaluate_frame(
    run: Run,
    plan: Plan,
    bundle: Bundle,
    synthetic: pd.DataFrame | PathLike,
    *,
    holdout: pd.DataFrame | PathLike | None = None,
    real: pd.DataFrame | PathLike | None = None,
    at_hand: Table | None = None,
    identifier: str | None = None,
) -> EvaluationOutcome:
    """Judge rows beside the table that a model learned from; nothing is written.

    Args:
        run: The run; its configuration names the evaluations and, apart from them, is the plan's.
        plan: The plan.
        bundle: The model.
        synthetic: The rows.
        holdout: Real rows that the model never saw, in place of those that training held out.
        real: The real table; by default the one at hand, or else the file of the plan.
        at_hand: The real table as it was read for training.
        identifier: The column that numbers the series of a table without such a column.

    Raises:
        DataError: ``real`` is not the table that was learned from, or rows cannot be read.
        RunDirectoryError: Nothing says where the real table is.
        PluginError: An evaluation is missing, or a package that it needs.
    """
    check_components(run.config, run.registry, run.caller, ["evaluation"]).raise_first()
    if real is not None:
        table = table_to_evaluate(real, "real", run.config)
        check_real_table(table, plan, "real")
    else:
        table = real_table(run, plan) if at_hand is None else at_hand
    if isinstance(synthetic, str | os.PathLike):
        rows, identifier = _rows(run, Path(synthetic), bundle.table_schema)
    else:
        names = {name_of(label) for label in synthetic.columns}
        identifier = identifier if identifier in names else None
        rows = _spelled(synthetic, with_identifier(bundle.table_schema, identifier))
    return evaluate_rows(
        run,
        bundle,
        evaluations_for(run.config),
        table,
        rows,
        holdout=None if holdout is None else table_to_evaluate(holdout, "held-out", run.config),
        identifier=identifier,
        facts=run_facts(plan, {"rows": len(rows)}),
    )


def _spelled(frame: pd.DataFrame, schema: TableSchema) -> Table:
    """A frame as the table writes it; as it is where a value is none of its column."""
    from rowsmith.table import from_frame
    from rowsmith.table.frames.respelling import spell_frame

    try:
        return Table(spell_frame(frame, schema), schema)
    except DataError:
        return from_frame(frame)


def evaluated_as(run: Run, plan: Plan) -> RunConfig:
    """The configuration that a run was learned by, with what is measured of further rows.

    Args:
        run: The run that makes the rows.
        plan: The saved plan; where it names no evaluation, the quick ones are taken.

    Raises:
        PluginError: An evaluation is missing, or a package that it needs.
    """
    config = plan.config if plan.config.evaluation else evolve(plan.config, evaluation=QUICK_EVALUATION)
    check_components(config, run.registry, run.caller, ["evaluation"]).raise_first()
    return config


def real_table(run: Run, plan: Plan, path: Path | None = None) -> Table:
    """Read the table that a run learned from.

    Args:
        run: The run.
        plan: The saved plan.
        path: The file; by default the plan's.

    Raises:
        RunDirectoryError: The run learned a DataFrame, and no file is given.
        DataError: The file is missing, or it is not the table that was learned from.
    """
    source = str(path) if path is not None else run.config.data.source
    if source is None:
        raise RunDirectoryError(
            f"{run.directory.root} was learned from a DataFrame, so nothing says where the real table is. Give a file "
            "of it with --real, or call Synthesizer.evaluate(..., real=frame)."
        )
    if not Path(source).exists():
        raise DataError(f"the real table {source} is not there; give the file that was learned from with --real")
    table = pipeline.read(evolve(run, config=evolve(run.config, data=evolve(run.config.data, source=source))))
    check_real_table(table, plan, source)
    return table


def check_real_table(table: Table, plan: Plan, source: str) -> None:
    """Make sure that a table is the one that was learned from, so that the same rows are held out.

    Args:
        table: The table.
        plan: The saved plan.
        source: Where it is from, for the message.

    Raises:
        DataError: It is another one.
    """
    if plan.data_fingerprint and fingerprint(table) != plan.data_fingerprint:
        raise DataError(
            f"{source} is not the table that was learned from: its cells, their order or its columns have changed, so "
            "nothing says which rows were held out. Give the table as it was, or judge both tables with "
            "'rowsmith evaluate --real REAL --synthetic ROWS'."
        )


def _rows(run: Run, path: Path | None, schema: TableSchema) -> tuple[Table, str | None]:
    """The rows as a table of the model's schema, so that both tables are read alike, and what numbers their series."""
    from rowsmith.table import read_table

    found = path or result_files.existing_result(run.directory)
    if found is None:
        raise RunDirectoryError(
            f"{run.directory.root} holds no rows. Make some with 'rowsmith generate --run-dir {run.directory.root}', "
            "or name a file with --synthetic."
        )
    table = read_table(found, types=run.config.data.types, options=run.config.data.read_options)
    missing = [name for name in schema.names if name not in table.schema.names]
    if missing:
        raise DataError(f"{found} lacks columns of the real table: {', '.join(missing[:10])}")
    if not len(table):
        raise DataError(f"{found} has no rows, so there is nothing to compare")
    identifier = _series_column(run, schema, table)
    schema = with_identifier(schema, identifier)
    return Table(table.columns.select(list(schema.names)), schema), identifier


def _series_column(run: Run, schema: TableSchema, rows: Table) -> str | None:
    """The column that numbers the series among rows of a table that is a single one; None where there is none."""
    if not run.config.time_series.is_timeseries or run.config.data.group_columns:
        return None
    name = identifier_name(schema)
    return name if name in rows.schema.names else None


def _made_under(figures: Mapping[str, Any]) -> GenerationConfig:
    """The conditions and constraints of the rows in the run directory."""
    return GenerationConfig(given=figures.get("given") or {}, constraints=tuple(figures.get("constraints") or ()))


def _figures(directory: RunDirectory) -> Mapping[str, Any]:
    """What ``metrics.json`` holds; empty where there is none."""
    if not directory.exists(result_files.METRICS_FILE):
        return {}
    figures: Mapping[str, Any] = directory.read_json(result_files.METRICS_FILE)
    return figures
