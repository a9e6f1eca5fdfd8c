"""The training part of a job: from the draft of a plan to a saved model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from rowsmith.errors import RunDirectoryError
from rowsmith.model import load_bundle
from rowsmith.model.checkpoints import CHECKPOINT_FOLDER
from rowsmith.runs import result_files
from rowsmith.runs import stages as pipeline
from rowsmith.runs.ownership import check_same
from rowsmith.runs.plan.planning import after_training, resumed, with_data, with_order
from rowsmith.runs.replacing import set_aside
from rowsmith.runs.reporting import StageTimes

if TYPE_CHECKING:
    from rowsmith.model import Bundle
    from rowsmith.runs.plan import Plan
    from rowsmith.runs.stages import Run
    from rowsmith.sequences import TrainingPart
    from rowsmith.table import Table

__all__ = ["Trained", "train_run"]


@frozen(kw_only=True, eq=False)
class Trained:
    """A trained model and what it learned from.

    Attributes:
        bundle: The model.
        plan: The plan it was trained by.
        table: The table that was read.
        seconds: Time per stage.
    """

    bundle: Bundle
    plan: Plan
    table: Table
    seconds: Mapping[str, float]


def train_run(run: Run, plan: Plan, data: Table | None, saved: Plan | None) -> Trained:
    """Train the model of a run, or load the one that an interrupted run has trained already.

    Args:
        run: The run.
        plan: The draft of its plan.
        data: The table; None reads the one that the configuration names.
        saved: The plan of the run that is resumed; None for a new run.

    Raises:
        RunDirectoryError: The saved plan does not fit the run.
        RowsmithError: As the stage that fails says.
    """
    times = StageTimes(run.reporter)
    # A run that resumes nothing must not find earlier work either.
    timed = evolve(run, config=plan.config, reporter=times, resume=saved is not None)
    if saved is not None:
        plan = resumed(plan, saved, run.config)
        check_same(run.directory.root, saved, evolve(plan, data_fingerprint=saved.data_fingerprint))
    table = pipeline.read(timed) if data is None else data
    if data is not None:
        pipeline.report_notes(timed, data)
    plan = with_data(plan, table)
    if saved is not None:
        check_same(run.directory.root, saved, plan)
    bundle = _existing_model(timed) if saved is not None else None
    if bundle is None:
        part = pipeline.split(timed, table)
        plan = with_order(plan, part)
        if saved is None:
            set_aside(run.directory, model=True)
        plan.save(run.directory)
        bundle = _learn(evolve(timed, config=plan.learned_config), part)
    plan = after_training(plan, bundle, run.config, run.registry)
    plan.save(run.directory)
    return Trained(bundle=bundle, plan=plan, table=table, seconds=times.seconds)


def _existing_model(run: Run) -> Bundle | None:
    """The model that was trained before the run was interrupted; None if training did not end."""
    if not result_files.has_model(run.directory):
        return None
    bundle = load_bundle(run.bundle_directory, run.context())
    run.directory.discard(CHECKPOINT_FOLDER)
    run.reporter.note("training has finished already; its model is used")
    return bundle


def _learn(run: Run, part: TrainingPart) -> Bundle:
    try:
        return pipeline.learn(run, part)
    except (KeyboardInterrupt, RunDirectoryError) as error:
        if run.directory.exists(CHECKPOINT_FOLDER):
            error.add_note(f"{run.directory.root} holds the state of the training; go on with --resume.")
        raise
