"""Trials of a training: rows sampled from its current weights, judged by a policy that may end it."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from rowsmith.components import Kind
from rowsmith.config.defaults import backend_for, local_backend_for
from rowsmith.errors import ConfigError, GenerationError, PluginContractError, RowsmithError
from rowsmith.evaluation.bundle_tables import bundle_tables
from rowsmith.evaluation.runner import json_values
from rowsmith.evaluation.training_stopping import TrainingStopping, TrainingTrial
from rowsmith.generation.backend import GeneratorBackend
from rowsmith.generation.status import INTERRUPTED
from rowsmith.model.bundle import MODEL_FOLDER
from rowsmith.model.early_stopping import EarlyStopping, StoppingDecision, TrainingMoment
from rowsmith.plugins.blame import attribute_errors
from rowsmith.randomness.global_state import preserve_random_state
from rowsmith.randomness.seeds import Seeds
from rowsmith.runs.stages.inversion import InverseTransforms
from rowsmith.runs.stages.run import build_component
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table.columns import combined_codes
from rowsmith.table.table import Table

if TYPE_CHECKING:
    from rowsmith.config import RunConfig
    from rowsmith.context import BuildContext
    from rowsmith.model import Bundle
    from rowsmith.runs.stages.run import Run
    from rowsmith.sequences.stopping_rows import StoppingRows

__all__ = ["TrialStopping", "trial_stopping"]

_FIRST_TRIAL = 0.05
"""A training by time is tried first after this share of it; what a trial takes is known then."""

_logger = logging.getLogger(__name__)


@define(eq=False)
class TrialStopping(EarlyStopping):
    """Samples rows from the current weights, and has a policy judge them.

    Attributes:
        policy: The policy.
        run: The run.
        context: What a backend is built with.
        rows: The real rows.
        bundle_at: Makes the bundle of the weights in a folder.
        last_step: The step of the last trial.
        spent: Seconds of all trials.
        latest: Seconds of the last trial; None before the first.
        trials: What was judged and decided, a mapping each.
    """

    policy: TrainingStopping
    run: Run
    context: BuildContext
    rows: StoppingRows
    bundle_at: Callable[[Path], Bundle]
    last_step: int = 0
    spent: float = 0.0
    latest: float | None = None
    trials: list[dict[str, Any]] = field(factory=list)

    def due(self, moment: TrainingMoment) -> bool:
        """See the base class: evenly spread over the steps, and limited in time where the budget is one of time."""
        if moment.is_last:
            return moment.step > self.last_step
        if moment.step - self.last_step < max(1, moment.total_steps // self.policy.trials):
            return False
        training = self.run.config.training
        if training.max_time is None or training.max_steps is not None:
            return True
        if self.latest is None:
            return moment.seconds >= _FIRST_TRIAL * training.max_time
        return self.spent + self.latest <= self.policy.most_time * moment.seconds

    def decide(self, moment: TrainingMoment, write: Callable[[Path], None]) -> StoppingDecision | None:
        """See the base class."""
        began = time.monotonic()
        figures: dict[str, Any]
        decision = None
        with preserve_random_state(), tempfile.TemporaryDirectory(prefix="rowsmith-") as folder:
            try:
                sampled = self._sampled(moment, write, Path(folder))
            except RowsmithError as error:
                # Weights of the first steps may not make a single valid row.
                figures = {"not_judged": f"no rows could be sampled: {error}"}
            else:
                if sampled is None:
                    return None
                trial = TrainingTrial(
                    step=moment.step,
                    total_steps=moment.total_steps,
                    seconds=moment.seconds,
                    tables=bundle_tables(
                        self.run.config,
                        sampled[0],
                        self.rows.trained,
                        sampled[1],
                        self.rows.table,
                        seed=self._seed(moment.step),
                    ),
                )
                with attribute_errors(self.policy):
                    decision = self.policy.decide(trial)
                    figures = _plain({"rows": len(sampled[1]), "best": decision.best, **decision.figures})
        seconds = time.monotonic() - began
        self.last_step, self.spent = moment.step, self.spent + seconds
        self.latest = seconds
        self.trials.append({"step": moment.step, "seconds": round(seconds, 3), **figures})
        _logger.info("trial at step %s of %s: %s", moment.step, moment.total_steps, figures)
        return None if decision is None else StoppingDecision(best=decision.best, stop=decision.stop)

    def _sampled(
        self, moment: TrainingMoment, write: Callable[[Path], None], folder: Path
    ) -> tuple[Bundle, Table] | None:
        """The model and its rows; None if the user asked to end meanwhile."""
        write(folder / MODEL_FOLDER)
        bundle = self.bundle_at(folder)
        config = _sampling_config(self.run.config, self.policy.rows, self.rows, self._seed(moment.step))
        context = self.context.evolve(
            config=config,
            seeds=Seeds(config.seed),
            run_directory=RunDirectory(folder / "work"),
            table_schema=bundle.table_schema,
            bundle=bundle,
        )
        backend = build_component(context, Kind.BACKEND, backend_for(config), GeneratorBackend)  # type: ignore[type-abstract]
        with attribute_errors(backend):
            backend.use_stop_request(self.run.stop)
        try:
            backend.initialize()
            backend.prepare_params(temperature=config.generation.temperature, top_p=config.generation.top_p)
            results = backend.generate(InverseTransforms(bundle, context.seeds.integer("inversion")))
        finally:
            backend.teardown()
        if results.stop_reason == INTERRUPTED or self.run.stop.requested:
            return None
        if not results.num_rows:
            raise GenerationError(f"no record was valid ({results.stop_reason or results.status.value})")
        schema = bundle.table_schema
        if results.columns is not None:
            return bundle, Table(results.columns.select(schema.names), schema)
        from rowsmith.table.frames.respelling import spell_frame

        return bundle, Table(spell_frame(results.df, schema), schema)

    def _seed(self, step: int) -> int:
        return self.run.seeds.integer(f"training-stopping.{step}")

    def state(self) -> dict[str, Any]:
        """See the base class."""
        return {
            "last_step": self.last_step,
            "spent": self.spent,
            "latest": self.latest,
            "trials": list(self.trials),
            "policy": _plain(self.policy.state()),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """See the base class."""
        self.last_step, self.spent, self.latest = state["last_step"], state["spent"], state["latest"]
        self.trials = list(state["trials"])
        self.policy.restore(state["policy"])

    def summary(self, seconds: float) -> dict[str, Any]:
        """What was judged and decided, as plain data.

        Args:
            seconds: Duration of the training.
        """
        ref = self.run.config.training.policy
        return {
            "policy": None if ref is None else ref.name or ref.factory,
            "held_out_rows": len(self.rows.table),
            "seconds": round(self.spent, 3),
            "share_of_time": round(self.spent / seconds, 4) if seconds > 0 else None,
            "trials": list(self.trials),
        }


def trial_stopping(
    run: Run, context: BuildContext, rows: StoppingRows | None, bundle_at: Callable[[Path], Bundle]
) -> TrialStopping | None:
    """What judges the weights of a training; None where the held-out loss decides.

    Args:
        run: The run.
        context: What components are built with.
        rows: The rows that decide.
        bundle_at: Makes the bundle of the weights in a folder.

    Raises:
        ConfigError: Several processes train together.
        PluginError: The policy is missing, or a package that it needs.
    """
    ref = run.config.training.policy
    if ref is None or rows is None:
        return None
    if run.ranks.count > 1:
        raise ConfigError(
            [f"{run.ranks.count} processes cannot judge sampled rows together; start one @ training.stopping"]
        )
    policy = build_component(context, Kind.TRAINING_STOPPING, ref, TrainingStopping)  # type: ignore[type-abstract]
    return TrialStopping(policy, run, context, rows, bundle_at)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a policy as JSON values, without numbers that JSON lacks.

    Raises:
        PluginContractError: Some are none.
    """
    plain: dict[str, Any] = json_values(dict(values))
    try:
        json.dumps(plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PluginContractError(
            f"a policy of training gave figures or a state that JSON cannot hold: {error}"
        ) from error
    return plain


def _sampling_config(config: RunConfig, rows: int, real: StoppingRows, seed: int) -> RunConfig:
    """The configuration by which rows are sampled for a trial."""
    series = config.time_series.is_timeseries
    groups = int(combined_codes(real.table.columns, config.data.group_columns).max()) + 1 if series else None
    generation = evolve(config.generation, num_records=rows, num_groups=groups, group_keys=())
    return evolve(config, generation=generation, backend=local_backend_for(config), seed=seed)
