"""A run from end to end over its run directory: plan, model, rows, files.

The command line and the ``Synthesizer`` call these functions. A run directory that holds a result is refused unless
it may be overwritten, and one that holds unfinished work unless that work is resumed. Rows made before a failure or
an interrupt are written too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from rowsmith.config.defaults import resolved
from rowsmith.errors import RunDirectoryError
from rowsmith.model import load_bundle
from rowsmith.observers import RunReport
from rowsmith.plugins.servers import server_notes
from rowsmith.runs import result_files
from rowsmith.runs import stages as pipeline
from rowsmith.runs.evaluation.of_run import evaluated_as, real_table
from rowsmith.runs.generation_job import GenerationJob, Outcome, Output
from rowsmith.runs.generations import Generation, Generations, journal_of, journals
from rowsmith.runs.ownership import owned_directory, prepare_for_rows, report_open_access
from rowsmith.runs.plan import Plan
from rowsmith.runs.plan.planning import draft_plan, with_data, with_order
from rowsmith.runs.replacing import REPLACED_FOLDER, discard_replaced, recover, restored_on_failure
from rowsmith.runs.reporting import Reporter
from rowsmith.runs.result_files import Rejections
from rowsmith.runs.training import Trained, train_run
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.transforms.numbering import Numbering, first_of_seed

if TYPE_CHECKING:
    from rowsmith.model import Bundle
    from rowsmith.runs.stages import Run
    from rowsmith.table import Table

__all__ = [
    "Outcome",
    "Output",
    "Trained",
    "dry_run",
    "finished",
    "follow_job",
    "generate_job",
    "run_job",
    "saved_plan",
    "train_job",
]


def dry_run(run: Run) -> Plan:
    """Plan a run and read its table, but write nothing.

    Raises:
        RowsmithError: The configuration, the plugins or the table cannot be used.
    """
    plan = draft_plan(run.config, run.registry, run.caller)
    for line in server_notes(run.config, run.registry, run.caller):
        run.reporter.note(line)
    run = evolve(run, config=plan.config)
    table = pipeline.read(run)
    plan = with_data(plan, table)
    decided = plan.config.grouped or plan.config.training.policy is not None
    return with_order(plan, pipeline.split(run, table)) if decided else plan


def saved_plan(directory: RunDirectory) -> Plan:
    """The plan of a run directory that holds a trained model.

    Args:
        directory: The run directory.

    Raises:
        RunDirectoryError: There is no model, or the plan is missing or damaged.
    """
    if not result_files.has_model(directory):
        earlier = directory.path(REPLACED_FOLDER)
        hint = f" The model that was there before is in {earlier}." if earlier.exists() else ""
        raise RunDirectoryError(
            f"{directory.root} holds no trained model. Train one with 'rowsmith train DATA --run-dir "
            f"{directory.root}', or name another run directory.{hint}"
        )
    return Plan.load(directory)


def train_job(run: Run, data: Table | None = None, *, force: bool = False) -> Trained:
    """Learn a table; the model and the plan are written to the run directory.

    Args:
        run: The run.
        data: The table; None reads the one that the configuration names.
        force: Whether a model or a result that is there may be overwritten.

    Raises:
        RunDirectoryError: The directory is in use, or holds work and neither ``force`` nor ``run.resume``
            is given, or work of another plan.
        RowsmithError: As the stage that fails says.
    """
    plan = draft_plan(run.config, run.registry, run.caller, makes_rows=False)
    with owned_directory(run, force=force) as saved:
        run.registry.notify("rowsmith_run_started", run=run.info)
        trained = train_run(run, plan, data, saved)
        discard_replaced(run.directory)
        report = RunReport(status="trained", rows=0, seconds=sum(trained.seconds.values()))
        run.registry.notify("rowsmith_run_finished", run=run.info, report=report)
        return trained


def follow_job(run: Run, data: Table | None = None) -> None:
    """Train as a further process of several; what this process writes is removed at the end.

    Args:
        run: The run, as the first process has it.
        data: The table; None reads the one that the configuration names.

    Raises:
        RowsmithError: As the stage that fails says.
    """
    if run.resume and result_files.has_model(run.directory):
        return  # The first process has nothing to train.
    plan = draft_plan(run.config, run.registry, run.caller, makes_rows=False)
    with tempfile.TemporaryDirectory(prefix="rowsmith-") as folder:
        pipeline.train(
            evolve(run, config=plan.config, directory=RunDirectory(folder), reporter=Reporter(), resume=False), data
        )


def run_job(
    run: Run,
    data: Table | None = None,
    *,
    output: Output | None = None,
    force: bool = False,
    rejected_text: bool = False,
    csv_safe: bool = False,
) -> Outcome:
    """Learn a table and make rows like it.

    Args:
        run: The run.
        data: The table; None reads the one that the configuration names.
        output: Where rows are written besides the run directory.
        force: Whether a model or a result that is there may be overwritten.
        rejected_text: Whether the text of rejected records is written.
        csv_safe: Whether text in CSV files that a spreadsheet would take for a formula is made harmless.

    Returns:
        The outcome, also when it fell short of its target or was interrupted.

    Raises:
        RunDirectoryError: The directory is in use, or holds work and neither ``force`` nor ``run.resume``
            is given, or work of another plan.
        RowsmithError: As the stage that fails says; rows made before are in the run directory.
    """
    run.ranks.check()
    plan = draft_plan(run.config, run.registry, run.caller)
    _check(output, force or run.resume)
    with owned_directory(run, force=force) as saved:
        run.registry.notify("rowsmith_run_started", run=run.info)
        trained = train_run(run, plan, data, saved)
        run = evolve(run, config=trained.plan.config)
        generations = Generations(run.directory)
        begun = generations.begin_first(run.config)
        job = GenerationJob(
            run=run,
            bundle=trained.bundle,
            plan=trained.plan,
            rejections=Rejections(with_text=rejected_text),
            csv_safe=csv_safe,
            seconds=trained.seconds,
            real=trained.table,
            output=output,
            learned_by=trained.plan.config,
        )
        with _counted(run, trained.bundle, generations, begun):
            return job.execute()


def generate_job(
    run: Run,
    *,
    output: Output | None = None,
    force: bool = False,
    rejected_text: bool = False,
    csv_safe: bool = False,
    further: bool = False,
    evaluate: bool = False,
) -> Outcome:
    """Make rows with the model of a run directory.

    With an output the rows are written there alone, and the run directory stays as it is.

    The rows are those of the configuration's seed, or further ones: the generations of a run are counted, and each
    has a seed and keys of its own.

    Args:
        run: The run; its configuration says how many rows, and with which seed.
        output: Where the rows are written; None means the run directory.
        force: Whether a result that is there may be overwritten.
        rejected_text: Whether the text of rejected records is written.
        csv_safe: Whether text in CSV files that a spreadsheet would take for a formula is made harmless.
        further: Whether the rows follow those of earlier generations. An interrupted generation of this kind is the
            one that is resumed.
        evaluate: Whether the rows are compared with the real table, which is read again.

    Raises:
        RunDirectoryError: There is no model, or there is a result and ``force`` is not given.
        RowsmithError: As the stage that fails says.
    """
    saved = saved_plan(run.directory)
    own = saved.config.seed
    _check(output, force or run.resume)
    with run.directory.lock(), restored_on_failure(run.directory):
        report_open_access(run)
        recover(run.directory)
        bundle = load_bundle(run.bundle_directory, run.context())
        run = evolve(run, config=resolved(run.config, bundle.model_schema))
        generations = Generations(run.directory)
        begun = None
        if further:
            interrupted = _interrupted(run, bundle, generations, own)
            run = _following(run, interrupted or generations.next(), own)
        else:
            interrupted, run = None, evolve(run, numbering=Numbering(first_of_seed(run.config.seed, own)))
        prepare_for_rows(run, journal_of(run, bundle).path, to_directory=output is None, force=force)
        if further:
            begun = _begin(run, bundle, generations, interrupted)
            run = _following(run, begun, own)
        learned_by = evaluated_as(run, saved) if evaluate else None
        real = None if learned_by is None else real_table(evolve(run, config=learned_by), saved)
        run.registry.notify("rowsmith_run_started", run=run.info)
        job = GenerationJob(
            run=run,
            bundle=bundle,
            plan=evolve(saved, config=run.config),
            rejections=Rejections(with_text=rejected_text),
            csv_safe=csv_safe,
            real=real,
            output=output,
            to_directory=output is None,
            learned_by=learned_by,
        )
        with _counted(run, bundle, generations, begun):
            return job.execute()


def _following(run: Run, generation: Generation, own: int) -> Run:
    """The run with the seed and the numbers of one of the generations of its model."""
    config = evolve(run.config, seed=generation.seed(own))
    return evolve(run, config=config, numbering=Numbering(generation.first))


def _interrupted(run: Run, bundle: Bundle, generations: Generations, own: int) -> Generation | None:
    """The last generation like this one that was interrupted."""
    if not any(journals(run.directory)):
        return None
    begun = (each for each in generations.unfinished() if journal_of(_following(run, each, own), bundle).path.exists())
    return next(begun, None)


def _begin(run: Run, bundle: Bundle, generations: Generations, interrupted: Generation | None) -> Generation:
    """The interrupted generation if it is resumed, or else a new one instead of it."""
    if interrupted is not None and run.resume:
        return interrupted
    if interrupted is not None:
        run.directory.discard(journal_of(run, bundle).path.name)
        generations.drop(interrupted)
    return generations.begin(run.config)


@contextmanager
def _counted(run: Run, bundle: Bundle, generations: Generations, begun: Generation | None) -> Iterator[None]:
    """Count a generation as finished when it ends, unless it can be resumed."""
    try:
        yield
    finally:
        if begun is not None and not journal_of(run, bundle).path.exists():
            generations.finish(begun, run.numbering, run.config)


def finished(directory: RunDirectory, output: Path | None = None) -> Mapping[str, Any] | None:
    """The figures of a finished run, of which nothing is left to resume.

    Args:
        directory: The run directory.
        output: Where the rows were written besides.

    Returns:
        What ``metrics.json`` holds; None when rows, figures or rejections are missing.
    """
    names = (result_files.METRICS_FILE, result_files.REJECTED_FILE)
    there = result_files.existing_result(directory) is not None and all(map(directory.exists, names))
    if not there or any(journals(directory)) or (output is not None and not output.exists()):
        return None
    figures: Mapping[str, Any] = directory.read_json(result_files.METRICS_FILE)
    return figures


def _check(output: Output | None, force: bool) -> None:
    if output is not None and isinstance(output.target, Path):
        result_files.check_output(output.target, force=force, format_=output.format)
