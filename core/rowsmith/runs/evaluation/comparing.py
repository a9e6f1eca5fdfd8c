"""Evaluating the rows of a run, or tables that others made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from attrs import evolve, frozen

from rowsmith.components import ComponentRef, Kind
from rowsmith.conditions import row_tests, rows_meeting
from rowsmith.config import GenerationConfig, RunConfig, to_yaml
from rowsmith.context import BuildContext
from rowsmith.errors import PluginContractError, RowsmithError
from rowsmith.evaluation.bundle_tables import bundle_tables
from rowsmith.evaluation.files import write_report
from rowsmith.evaluation.measure import Evaluated, EvaluationKind
from rowsmith.evaluation.outcome import EvaluationOutcome
from rowsmith.evaluation.runner import EvaluationReport, EvaluationResult, EvaluationStatus, run_evaluations
from rowsmith.evaluation.table_evaluation import TableEvaluation
from rowsmith.evaluation.tables import EvaluationTables
from rowsmith.randomness.global_state import preserve_random_state
from rowsmith.runs import stages as pipeline
from rowsmith.table.table import Table

if TYPE_CHECKING:
    from rowsmith.interruption import StopRequest
    from rowsmith.model import Bundle
    from rowsmith.runs.plan import Plan
    from rowsmith.runs.stages import Run
    from rowsmith.storage.run_directory import RunDirectory

__all__ = ["RealRows", "evaluate_rows", "evaluated", "real_rows", "run_facts", "tables_of_run"]


@frozen(kw_only=True, eq=False)
class RealRows:
    """The real table as a run split it.

    Attributes:
        trained: The rows that the model learned from; of grouped tables group by group and in order.
        holdout: Rows that it never saw; None where nothing was held out.
    """

    trained: Table
    holdout: Table | None = None


def real_rows(run: Run, table: Table) -> RealRows:
    """Split a table as its training did: the same configuration and seed hold the same rows out.

    Args:
        run: The run, with the configuration that was trained by.
        table: The table as it was read.

    Raises:
        DataError: The file of held-out rows cannot be used.
    """
    part = pipeline.split(run, table)
    data = run.config.data
    if isinstance(data.holdout, str):
        from rowsmith.table import read_table

        holdout = read_table(Path(data.holdout), types=data.types, options=data.read_options)
        return RealRows(trained=table.take(part.trained), holdout=holdout if len(holdout) else None)
    return RealRows(trained=table.take(part.trained), holdout=table.take(part.held) if len(part.held) else None)


def tables_of_run(
    config: RunConfig, bundle: Bundle, real: RealRows, synthetic: Table, *, identifier: str | None = None
) -> EvaluationTables:
    """Prepare the rows of a run for comparison.

    Args:
        config: The configuration that was trained by.
        bundle: The model: its transforms say what was regenerated, invented and changed.
        real: The real table.
        synthetic: The rows.
        identifier: The column that numbers the series of a table without such a column.

    Raises:
        DataError: A table has no rows, or not the real table's columns.
    """
    return bundle_tables(config, bundle, real.trained, synthetic, real.holdout, identifier=identifier)


def evaluated(
    refs: Sequence[ComponentRef],
    tables: EvaluationTables,
    context: BuildContext,
    stop: StopRequest | None = None,
) -> EvaluationReport:
    """Build evaluations and run them; one that fails, or cannot be built, is named in its result.

    Args:
        refs: The evaluations.
        tables: The tables.
        context: What they are built with.
        stop: Looked at between two of them.

    Raises:
        Interrupted: The user asked to end.
    """
    results = list[EvaluationResult]()
    with preserve_random_state():
        for ref in refs:
            if stop is not None:
                stop.check()
            results += run_evaluations([_built(ref, context)], tables).results
    sizes = {part.value: size for part, size in tables.sizes.items()}
    return EvaluationReport(results=tuple(results), sizes=sizes, changed=dict(tables.changed))


def evaluate_rows(
    run: Run,
    bundle: Bundle,
    refs: Sequence[ComponentRef],
    table: Table,
    synthetic: Table,
    *,
    holdout: Table | None = None,
    identifier: str | None = None,
    facts: Mapping[str, Any] | None = None,
    made: GenerationConfig | None = None,
    directory: RunDirectory | None = None,
) -> EvaluationOutcome:
    """Judge the rows of a run and write the report.

    Args:
        run: The run, with the configuration that was trained by.
        bundle: The model.
        refs: The evaluations.
        table: The real table as it was read.
        synthetic: The rows.
        holdout: Real rows that the model never saw, in place of those that training held out.
        identifier: The column that numbers the series of a table without such a column.
        facts: What is known of the run, for the report.
        made: The conditions and constraints that the rows were made under: they are compared with the real rows that
            meet these.
        directory: Where the report goes; None writes none.

    Returns:
        What was found. Where the tables could not be compared, every evaluation has failed with the reason.

    Raises:
        Interrupted: The user asked to end.
        RunDirectoryError: The report cannot be written.
    """
    known = dict(facts or {})
    with run.stage("evaluating") as detail:
        try:
            real = real_rows(run, table)
            real = real if holdout is None else evolve(real, holdout=holdout)
            real = real if made is None else _meeting(real, made)
            tables = tables_of_run(run.config, bundle, real, synthetic, identifier=identifier)
        except Exception as error:  # The rows are written; what went wrong is in every result.
            outcome = EvaluationOutcome(report=_all_failed(refs, error, len(synthetic)), facts=known)
        else:
            context = run.context().evolve(table_schema=bundle.table_schema, bundle=bundle)
            report = evaluated(refs, tables, context, run.stop)
            outcome = EvaluationOutcome(report=report, tables=tables, facts=known)
        detail.append(f"{len(refs)} evaluations of {len(synthetic):,} rows")
        return outcome if directory is None else _written(outcome, directory)


def _meeting(real: RealRows, made: GenerationConfig) -> RealRows:
    """The real rows that meet conditions and constraints."""

    def chosen(table: Table) -> Table:
        tests = row_tests(made, table.schema)
        return table.take(np.flatnonzero(rows_meeting(table.columns, table.schema, tests))) if tests else table

    holdout = None if real.holdout is None else chosen(real.holdout)
    return RealRows(trained=chosen(real.trained), holdout=holdout if holdout is not None and len(holdout) else None)


def _written(outcome: EvaluationOutcome, directory: RunDirectory) -> EvaluationOutcome:
    """The outcome with its report, or with the error that prevented writing it; results are shown either way."""
    try:
        return evolve(outcome, path=write_report(outcome.report, outcome.tables, outcome.facts, directory))
    except RowsmithError:
        raise
    except Exception as error:  # A fault of the page; what was measured is whole.
        failed = _failed("report", f"it could not be written: {type(error).__name__}: {error}")
        return evolve(outcome, report=evolve(outcome.report, results=(*outcome.report.results, failed)))


def run_facts(plan: Plan, figures: Mapping[str, Any]) -> dict[str, Any]:
    """What the report shows of a run.

    Args:
        plan: The plan.
        figures: What ``metrics.json`` holds.

    Returns:
        Names and values, and the configuration as text in ``config``.
    """
    training, generation = figures.get("training") or {}, figures.get("generation") or {}
    seconds = figures.get("seconds") or {}
    source = plan.config.data.source
    made, spent = figures.get("rows") or 0, seconds.get("generating") or 0.0
    facts = {
        "Rowsmith": plan.rowsmith,
        "Table": None if source is None else Path(source).name,
        "Seed": plan.config.seed,
        "Rows trained on": plan.rows.get("train"),
        "Rows held out": plan.rows.get("holdout"),
        "Rows written": made,
        "Rows a second": f"{made / spent:,.0f}" if made and spent else None,
        "Training steps": training.get("steps"),
        "Training tokens": training.get("tokens"),
        "Training ended": training.get("stop_reason"),
        "Valid records": _percent(generation.get("valid_record_fraction")),
        "Seconds": ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()) or None,
        "Versions": ", ".join(f"{name} {version}" for name, version in plan.libraries.items()),
    }
    known = {name: value for name, value in facts.items() if value is not None}
    title = f"Synthetic rows of {facts['Table']}" if source is not None else "Synthetic rows"
    return {"title": title, **known, "config": to_yaml(plan.config)}


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.2%}"


class _Unbuilt(TableEvaluation):
    """Replaces an evaluation that could not be built, and fails with the reason.

    Args:
        name: The evaluation.
        error: Why.
    """

    kind: ClassVar[EvaluationKind] = EvaluationKind.FIDELITY

    def __init__(self, name: str, error: Exception) -> None:
        self.name = name  # type: ignore[misc]
        self._error = error

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        raise self._error


def _built(ref: ComponentRef, context: BuildContext) -> TableEvaluation:
    name = (ref.name or ref.factory or "").rpartition(":")[2]
    try:
        built = context.resolve(Kind.EVALUATION, ref)
        if not isinstance(built, TableEvaluation):
            raise PluginContractError(
                f"evaluation {name!r} gave a {type(built).__name__}; it must be a TableEvaluation to compare tables"
            )
    except RowsmithError as error:
        return _Unbuilt(name, error)
    return built


def _all_failed(refs: Collection[ComponentRef], error: Exception, rows: int) -> EvaluationReport:
    why = f"the tables cannot be compared: {type(error).__name__}: {error}"
    results = tuple(_failed((ref.name or ref.factory or "").rpartition(":")[2], why) for ref in refs)
    return EvaluationReport(results=results, sizes={"synthetic": rows})


def _failed(name: str, message: str) -> EvaluationResult:
    return EvaluationResult(name=name, kind=EvaluationKind.FIDELITY, status=EvaluationStatus.FAILED, message=message)
