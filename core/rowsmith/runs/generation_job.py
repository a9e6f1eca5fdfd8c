"""Generate rows with a trained model and write all files of the result, whether generation ends well or not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from attrs import evolve, field, frozen

from rowsmith.conditions import row_tests, rows_meeting
from rowsmith.config.defaults import evaluations_for
from rowsmith.evaluation.files import report_figures
from rowsmith.generation.results import GenerationFailure
from rowsmith.generation.status import INTERRUPTED, GenerationStatus
from rowsmith.observers import RunReport
from rowsmith.runs import result_files
from rowsmith.runs import stages as pipeline
from rowsmith.runs.comparison.summary import ColumnSummary, summarize
from rowsmith.runs.evaluation.comparing import evaluate_rows, run_facts
from rowsmith.runs.generations import journal_of
from rowsmith.runs.replacing import discard_replaced
from rowsmith.runs.reporting import StageTimes
from rowsmith.sequences import with_identifier
from rowsmith.table.frames.respelling import spell_frame
from rowsmith.table.table import Table

if TYPE_CHECKING:
    from rowsmith.config import RunConfig
    from rowsmith.evaluation.outcome import EvaluationOutcome
    from rowsmith.generation.results import GenerateJobResults
    from rowsmith.model import Bundle
    from rowsmith.runs.plan import Plan
    from rowsmith.runs.result_files import Rejections
    from rowsmith.runs.stages import Run

__all__ = ["GenerationJob", "Outcome", "Output"]

_FEWEST_REAL = 50
"""Fewest real rows that generated ones are compared with."""
_GO_ON = "the finished batches are in the run directory; the same command with --resume goes on after them"


@frozen(kw_only=True)
class Output:
    """Where rows are written besides the run directory.

    Attributes:
        target: A file, or an open binary stream.
        format: The format; by default that of the file's suffix, and for a stream that of the source.
    """

    target: Path | IO[bytes]
    format: str | None = None


@frozen(kw_only=True, eq=False)
class Outcome:
    """What became of a run.

    Attributes:
        results: The rows and how they came about.
        bundle: The model that made them.
        plan: The run's plan.
        summary: The real table against the synthetic one; empty when the real one was not read.
        seconds: Time per stage.
        result: The file in the run directory; None when rows went elsewhere alone.
        metrics: The figures that were written, as plain data.
        rows: The rows as they were written.
        evaluation: What was found of the rows; None where they were not evaluated.
        evaluation_ended: Whether the user ended the evaluation.
    """

    results: GenerateJobResults
    bundle: Bundle
    plan: Plan
    summary: tuple[ColumnSummary, ...]
    seconds: Mapping[str, float]
    result: Path | None
    metrics: Mapping[str, Any]
    rows: Table
    evaluation: EvaluationOutcome | None = None
    evaluation_ended: bool = False

    @property
    def complete(self) -> bool:
        """Whether the target was met."""
        return self.results.status is GenerationStatus.COMPLETE

    @property
    def interrupted(self) -> bool:
        """Whether the user ended it."""
        return self.results.stop_reason == INTERRUPTED or self.evaluation_ended


@frozen(kw_only=True, eq=False)
class GenerationJob:
    """What is needed to make rows and write them.

    Attributes:
        run: The run.
        bundle: The trained model.
        plan: The run's plan.
        rejections: Gathers rejected records.
        seconds: Time per stage before this one.
        real: The real table, to compare with; None when it was not read.
        output: Where rows are written besides the run directory.
        to_directory: Whether they are written to the run directory.
        csv_safe: Whether formulas in CSV files are made harmless.
        learned_by: The configuration that the real table was learned by, which names the evaluations; None for none.
    """

    run: Run
    bundle: Bundle
    plan: Plan
    rejections: Rejections
    seconds: Mapping[str, float] = field(factory=dict)
    real: Table | None = None
    output: Output | None = None
    to_directory: bool = True
    csv_safe: bool = False
    learned_by: RunConfig | None = None

    def execute(self) -> Outcome:
        """Make the rows.

        Finished batches stay in the run directory until the rows are written, so that ``--resume``
        goes on after them.

        Raises:
            GenerationFailure: Generation failed; the rows made before are written too.
            RowsmithError: As the stage that fails says.
        """
        times = StageTimes(self.run.reporter)
        with journal_of(self.run, self.bundle) as journal:
            try:
                run = evolve(self.run, reporter=times, on_batch=self.rejections)
                results = pipeline.generate(run, self.bundle, journal)
            except GenerationFailure as failure:
                if journal.path.exists():
                    failure.add_note(_GO_ON)
                if failure.results.num_rows:
                    self._write(failure.results, times.seconds)
                raise
            outcome = self._write(results, times.seconds)
            if not outcome.interrupted:
                journal.remove()
                if self.to_directory:
                    discard_replaced(self.run.directory)
            elif journal.path.exists():
                self.run.reporter.note(_GO_ON)
        outcome = self._evaluated(outcome, times)
        report = RunReport(
            status=results.status.value,
            rows=results.num_rows,
            reason=results.stop_reason or "",
            seconds=sum(outcome.seconds.values()),
        )
        self.run.registry.notify("rowsmith_run_finished", run=self.run.info, report=report)
        return outcome

    def _evaluated(self, outcome: Outcome, times: StageTimes) -> Outcome:
        """The outcome with what is found of its rows, which are where they belong whatever happens here."""
        refs = () if self.learned_by is None else evaluations_for(self.learned_by)
        if self.learned_by is None or self.real is None or not refs or not len(outcome.rows) or outcome.interrupted:
            return outcome
        directory, made = self.run.directory, self.run.config.generation
        if (made.given or made.constraints) and len(self._real_meeting(self.real)) < _FEWEST_REAL:
            self.run.reporter.note(
                f"fewer than {_FEWEST_REAL} real rows meet the conditions: too few to evaluate the rows beside them"
            )
            return outcome
        try:
            found = evaluate_rows(
                evolve(self.run, config=self.learned_by, reporter=times),
                self.bundle,
                refs,
                self.real,
                outcome.rows,
                identifier=outcome.results.identifier,
                facts=run_facts(self.plan, outcome.metrics),
                made=made,
                directory=directory if self.to_directory else None,
            )
        except KeyboardInterrupt:
            self.run.reporter.note(
                "the evaluation was interrupted; the rows are written, and "
                f"'rowsmith evaluate --run-dir {directory.root}' evaluates them"
            )
            return evolve(outcome, evaluation_ended=True)
        seconds = {**outcome.seconds, "evaluating": times.seconds["evaluating"]}
        rounded = {name: round(value, 3) for name, value in seconds.items()}
        figures = {**outcome.metrics, "seconds": rounded, "evaluation": report_figures(found.report)}
        if self.to_directory:
            directory.write_json(result_files.METRICS_FILE, figures)
        return evolve(outcome, evaluation=found, seconds=seconds, metrics=figures)

    def _real_meeting(self, real: Table) -> Table:
        """The real rows that meet the conditions under which rows are made."""
        tests = row_tests(self.run.config.generation, real.schema)
        return real.take(np.flatnonzero(rows_meeting(real.columns, real.schema, tests))) if tests else real

    def _write(self, results: GenerateJobResults, seconds: Mapping[str, float]) -> Outcome:
        # A stop request that comes meanwhile takes effect once all files are written.
        with self.run.stop.awaited():
            return self._written(results, seconds)

    def _written(self, results: GenerateJobResults, seconds: Mapping[str, float]) -> Outcome:
        started = time.monotonic()
        schema = with_identifier(self.bundle.table_schema, results.identifier)
        spelled = results.columns
        columns = spell_frame(results.df, schema) if spelled is None else spelled.select(schema.names)
        format_ = result_files.output_format(self.plan.config.data.source, schema)
        result = None
        if self.to_directory:
            result = result_files.write_result(self.run.directory, columns, schema, format_, csv_safe=self.csv_safe)
        if self.output is not None:
            chosen = self.output.format or (None if isinstance(self.output.target, Path) else format_)
            result_files.write_output(self.output.target, columns, schema, chosen, csv_safe=self.csv_safe)
        seconds = {**self.seconds, **seconds, "writing": time.monotonic() - started}
        real = None if self.real is None else self._real_meeting(self.real)
        summary = (
            ()
            if real is None or not len(real)
            else summarize(
                real.columns,
                columns,
                self.bundle.table_schema,
                self.bundle.transforms.regenerated_columns,
                self.plan.config.data.group_columns,
            )
        )
        transforms = self.bundle.transforms
        names = transforms.schema_before.names
        # A table that is one series is learned with a column that the user's table lacks.
        relations = transforms.relations(columns.select(names)) if {*names} <= {*columns.column_names} else ()
        figures = result_files.metrics(
            results,
            self.bundle.report,
            seconds,
            summary,
            transforms.changed,
            relations,
            self.run.config.generation,
        )
        if self.to_directory:
            self.run.directory.write_json(result_files.METRICS_FILE, figures)
            self.rejections.write(self.run.directory)
        return Outcome(
            results=results,
            bundle=self.bundle,
            plan=self.plan,
            summary=summary,
            seconds=seconds,
            result=result,
            metrics=figures,
            rows=Table(columns, schema),
        )
