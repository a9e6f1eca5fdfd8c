"""Generate rows with a trained model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rowsmith.components import Kind
from rowsmith.conditions import Condition, row_tests
from rowsmith.conditions.narrowing import narrow
from rowsmith.config.defaults import backend_for
from rowsmith.errors import ConfigError
from rowsmith.generation.backend import GeneratorBackend
from rowsmith.generation.candidates import CandidateTally
from rowsmith.generation.requests import AllowedValues
from rowsmith.generation.status import INTERRUPTED
from rowsmith.model import Bundle, load_bundle
from rowsmith.observers import BatchReport
from rowsmith.plugins.blame import attribute_errors, describe_component
from rowsmith.plugins.servers import server_notes
from rowsmith.randomness.global_state import preserve_random_state
from rowsmith.runs.stages.inversion import InverseTransforms
from rowsmith.runs.stages.run import build_component
from rowsmith.sequences import given_names
from rowsmith.storage.malloc import trim_restored

if TYPE_CHECKING:
    from rowsmith.generation.batches.accounting import BatchFinished
    from rowsmith.generation.journal import GenerationJournal
    from rowsmith.generation.results import GenerateJobResults
    from rowsmith.runs.stages.run import Run

__all__ = ["generate"]


@trim_restored()
def generate(run: Run, bundle: Bundle | None = None, journal: GenerationJournal | None = None) -> GenerateJobResults:
    """Sample rows from a trained model.

    Args:
        run: The run.
        bundle: The trained model; None loads the run directory's.
        journal: Where the backend stores finished batches and resumes from; None for no journal.

    Returns:
        The rows in the user's dtypes, and how they came about; fewer than requested when a policy or
        an interrupt ended generation.

    Raises:
        RowsmithError: As the stage that fails says; rows made so far are in its ``results``, if any.
    """
    model = load_bundle(run.bundle_directory, run.context()) if bundle is None else bundle
    for line in server_notes(run.config, run.registry, run.caller):
        run.reporter.note(line)
    context = run.context().evolve(
        table_schema=model.table_schema,
        model_schema=model.model_schema,
        metadata=model.metadata,
        bundle=model,
        on_batch=_batch_listener(run),
    )
    backend = build_component(context, Kind.BACKEND, backend_for(run.config), GeneratorBackend)  # type: ignore[type-abstract]
    with attribute_errors(backend):
        backend.use_stop_request(run.stop)
        if journal is not None:
            backend.use_journal(journal)
    tests = row_tests(run.config.generation, model.transforms.schema_before)
    conditions = tuple(each for each in tests if isinstance(each, Condition))
    if conditions:
        use_conditions(run, model, backend, conditions)
    try:
        # Weights that are loaded are drawn first; rows are drawn from streams of the run's own.
        with run.stage("loading"), preserve_random_state():
            backend.initialize()
            backend.prepare_params(temperature=run.config.generation.temperature, top_p=run.config.generation.top_p)
        with run.stage("generating") as detail:
            names = given_names(run.config.generation.group_keys, run.config.data.group_columns, model.table_schema)
            actions = InverseTransforms(model, run.seeds.integer("inversion"), names, run.numbering, tests)
            try:
                results = backend.generate(actions)
            except KeyboardInterrupt as interrupt:
                for line in _not_resumable(backend, journal):
                    interrupt.add_note(f"no row was returned; {line}")
                raise
            detail.append(f"{results.num_rows:,} rows, {results.valid_record_fraction:.2%} of records valid")
            tally = getattr(backend, "candidates", None)  # a backend need not inherit from ours
            for name, rows in actions.unmet.items():
                if rows:
                    run.reporter.note(
                        f"{name} was not met by {rows / actions.rows:.2%} of the rows, which were rejected"
                    )
            if conditions and isinstance(tally, CandidateTally) and tally.completions:
                drawn = run.config.generation.candidates
                detail.append(tally.describe(drawn))
                scarce = tally.warning(drawn)
                if scarce is not None:
                    run.reporter.note(scarce)
        if results.stop_reason == INTERRUPTED:
            for line in _not_resumable(backend, journal):
                run.reporter.note(line)
        if results.identifier is not None:
            run.reporter.note(f"column {results.identifier!r} numbers the series; the table has none that does")
    finally:
        backend.teardown()
    return results


def use_conditions(run: Run, model: Bundle, backend: GeneratorBackend, conditions: tuple[Condition, ...]) -> None:
    """Restrict what a backend samples to values that can meet conditions.

    Raises:
        ConfigError: No row of the model can meet a condition.
    """
    narrowed = narrow(model.transforms, model.model_schema, conditions)
    if narrowed.impossible:
        raise ConfigError(
            [
                f"no row can meet the condition on column {each.column!r}: the model has no such value (values of "
                f"too few training rows are not learned) @ generation.given.{each.column}"
                for each in narrowed.impossible
            ]
        )
    first = model.model_schema.columns[0].name
    # Nothing comes before the first column, so all candidates would weigh the same.
    candidates = 1 if set(narrowed.columns) <= {first} else run.config.generation.candidates
    with attribute_errors(backend):
        backend.use_conditions(AllowedValues(columns=narrowed.columns, candidates=candidates))
    for each in narrowed.unguided:
        run.reporter.note(
            f"column {each.column!r} has no values of its own in the model's records: rows that do not meet the "
            "condition on it are rejected, however many these are"
        )


def _not_resumable(backend: GeneratorBackend, journal: GenerationJournal | None) -> list[str]:
    """The note on an interrupted generation that cannot be resumed although its run could be."""
    if journal is None or journal.path.exists():
        return []
    return [
        f"{describe_component(backend)} saved no finished batch, so --resume has nothing to go on after: "
        "'rowsmith generate --force' makes all rows again"
    ]


def _batch_listener(run: Run) -> Callable[[BatchFinished], None]:
    def notify(finished: BatchFinished) -> None:
        report = BatchReport(
            number=finished.number,
            prompts=finished.batch.num_prompts,
            valid_records=finished.batch.num_valid_records,
            invalid_records=finished.batch.num_invalid_records,
            total_valid_records=finished.num_valid_records,
            seconds=finished.seconds,
            total_valid_groups=finished.num_valid_groups,
            target_groups=finished.target_num_groups,
        )
        run.reporter.batch(report, finished.target_num_records)
        run.registry.notify("rowsmith_batch_finished", run=run.info, batch=report)
        if run.on_batch is not None:
            run.on_batch(finished)

    return notify
