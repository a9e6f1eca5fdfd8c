"""The library in one object: learn a table, draw rows like it, save and load what was learned.

Nothing is printed, no signal is handled, and the random state of the process stays as it is; progress goes to the
reporter that is given.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from attrs import evolve

from rowsmith.config import RunConfig, to_mapping
from rowsmith.config.defaults import resolved
from rowsmith.config.layering import merge
from rowsmith.plugins.permissions import factories_in
from rowsmith.runs.arguments import (
    PathLike,
    caller_of,
    load_settings,
    no_rows,
    sequence_settings,
    shortfall,
    table_of,
    target,
    whole,
    with_labels,
)
from rowsmith.runs.learned_state import LearnedState
from rowsmith.runs.plan.saved_settings import saved_model_settings
from rowsmith.runs.validation import registry_for
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table.column_labels import name_of

if TYPE_CHECKING:
    import pandas as pd

    from rowsmith.evaluation.outcome import EvaluationOutcome
    from rowsmith.generation.results import GenerateJobResults
    from rowsmith.model import TrainingReport
    from rowsmith.plugins import Registry
    from rowsmith.runs.evaluation.foreign_tables import Evaluations
    from rowsmith.runs.reporting import Reporter

__all__ = ["Synthesizer"]


class Synthesizer(LearnedState):
    """Learns a table and draws rows like it.

    It can be pickled and copied; one that has learned something takes the files of its model with it.

    Example::

        synthesizer = Synthesizer(max_train_time="60s").fit(df)
        synthetic = synthesizer.sample(10_000)

    Args:
        group_by: The column whose equal values make rows a group, or several such columns; by the labels of the
            frame, text or not. A label that is itself a tuple is given in a list.
        order_by: The column that orders the rows of a group: numbers or date-times.
        time_column: The column of times, when the table is a time series, or several that ``group_by`` distinguishes.
        config: A configuration, plain data in its shape, or a YAML file.
        seed: The seed of everything random; by default the configuration's, which is 0.
        max_train_time: Training time in seconds, or text such as ``2m``; by default the
            configuration's, which is 120 seconds.
        run_directory: Where the model is stored; by default a temporary folder that is removed with the object.
        overwrite: Whether ``fit`` may replace a model that is already in the run directory.
        resume: Whether the first ``fit`` resumes an interrupted one in the run directory.
        reporter: Receives progress.
        registry: Where components are found; the installed plugins by default.
        **sections: Further settings, such as ``training={"max_steps": 100}`` or ``backend="vllm"``.

    Raises:
        ConfigError: A setting is wrong, with every problem.
    """

    def __init__(
        self,
        *,
        group_by: Hashable | Sequence[Hashable] | None = None,
        order_by: Hashable | None = None,
        time_column: Hashable | None = None,
        config: RunConfig | Mapping[str, Any] | PathLike | None = None,
        seed: int | None = None,
        max_train_time: float | str | None = None,
        run_directory: PathLike | None = None,
        overwrite: bool = False,
        resume: bool = False,
        reporter: Reporter | None = None,
        registry: Registry | None = None,
        **sections: Any,
    ) -> None:
        given = {} if seed is None else {"seed": seed}
        training = {} if max_train_time is None else {"training": {"max_time": max_train_time}}
        sequences = sequence_settings(group_by, order_by, time_column)
        settings = merge(sections, {**sequences, **training, **given})
        loaded = load_settings(config, settings)
        super().__init__(
            loaded,
            # Code may come from a configuration file that is named here; where a key goes may not.
            evolve(caller_of(config, settings), factories=factories_in(to_mapping(loaded))),
            registry=registry,
            reporter=reporter,
            run_directory=run_directory,
            overwrite=overwrite,
            resume=resume,
        )

    def __repr__(self) -> str:
        state = "not fitted" if self._model is None else f"fitted to {self._model.bundle.train_rows:,} rows"
        return f"<Synthesizer, {state}>"

    @property
    def config(self) -> RunConfig:
        """The configuration."""
        return self._config

    @property
    def report(self) -> TrainingReport:
        """What training did.

        Raises:
            GenerationError: Nothing has been learned yet.
        """
        return self._fitted().report

    @property
    def results(self) -> GenerateJobResults | None:
        """How the last ``sample`` went; None before the first."""
        return self._results

    def fit(self, data: pd.DataFrame | PathLike) -> Self:
        """Learn a table.

        Args:
            data: A DataFrame, which is not changed and whose index is ignored; or a CSV, JSON lines or
                Parquet file.

        Returns:
            The object itself.

        Raises:
            DataError: The table cannot be used.
            PluginError: A component is missing.
            TrainingError: Training cannot go on.
        """
        from rowsmith.runs.jobs import train_job
        from rowsmith.runs.learned_model import LearnedModel

        source, table = table_of(data, self._config)
        config = evolve(self._config, data=evolve(self._config.data, source=source))
        directory = self._new_directory()
        run = evolve(self._run(config, directory), resume=self._resume)
        with self._stoppable(run):
            trained = train_job(run, table, force=self._overwrite or self._has_written)
        self._model = LearnedModel.of(directory, trained.bundle, trained.plan, self._reporter.note)
        self._config, self._results, self._real = config, None, trained.table
        # A model that this object wrote may be replaced by it.
        self._has_written, self._resume = True, False
        return self

    def sample(
        self,
        n: int | None = None,
        *,
        groups: int | Sequence[str] | None = None,
        seed: int | None = None,
        given: Mapping[Hashable, Any] | None = None,
        constraints: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Draw rows; of grouped tables and time series, whole groups.

        Each call without a seed draws further rows, with keys of their own; the first call uses the run's seed.
        Such calls are counted in the run directory, or the folder that was loaded, together with those of other
        processes and of ``rowsmith generate``; where that cannot be written, they are counted by this object.
        Calls with the same seed draw the same rows.

        Args:
            n: How many rows; by default ``generation.num_groups`` groups when that is set, and else
                ``generation.num_records`` rows, which are 1000. Groups are made until there are as many rows,
                so there can be a few more. Time series are counted in groups alone.
            groups: How many groups, instead of ``n``; of time series, by default as many as were learned.
            seed: The seed of the draws.
            given: Conditions on rows, by column: a value, a list of values, a range as ``{"min": …, "max": …}``, or
                None for null; by default ``generation.given``. Only for tables without groups.
            constraints: Comparisons that hold in every row, such as ``"ordered <= shipped"``; by default
                ``generation.constraints``. Rows and groups that break one are rejected and made again.

        Returns:
            Rows with the columns, their labels and order, and the dtypes of the table that was fitted. They can be
            fewer than requested when many are invalid; a warning says so.

        Raises:
            ParameterError: ``n``, ``groups`` or ``seed`` is out of range, both of the first two are given, or
                ``n`` rows of time series are asked for.
            ConfigError: Groups are asked for, and the table has none.
            GenerationError: Nothing has been learned yet, or generation cannot go on.
        """
        from rowsmith.runs.stages import generate

        bundle, model = self._fitted(), self._learned_model()
        requested = evolve(self._config, generation=target(self._config, n, groups, given, constraints))
        config = resolved(requested, bundle.model_schema)
        chosen = None if seed is None else whole("seed", seed, 0)
        with model.generation(config, self._config.seed, chosen) as (seed_, numbering):
            run = evolve(self._run(evolve(config, seed=seed_), model.directory), numbering=numbering)
            with self._stoppable(run):
                self._results = results = generate(run, bundle)
        results.df = with_labels(results.df, bundle)
        short = shortfall(results, config.generation)
        if short is not None:
            warnings.warn(short, RuntimeWarning, stacklevel=2)
        return results.df if len(results.df) else no_rows(bundle)

    def impute(
        self, data: pd.DataFrame, *, columns: Sequence[Hashable] | None = None, seed: int | None = None
    ) -> pd.DataFrame:
        """Fill missing cells with values drawn from the model, given the other cells of their row.

        Args:
            data: Rows with some or all of the table's columns, not changed; columns that it lacks are filled whole.
            columns: The columns to fill; by default all.
            seed: The seed of the draws, by default the run's; another seed gives other draws.

        Returns:
            The rows with all columns of the table; cells with a value are as they were.

        Raises:
            DataError: A value does not fit its column, or no row of the model has the known cells.
            ParameterError: A column is unknown, the table has groups, or the backend cannot complete rows.
            GenerationError: Nothing has been learned yet.
        """
        from rowsmith.runs.known_cells import imputed_frame

        names = None if columns is None else [name_of(label) for label in columns]
        return imputed_frame(self._own_run(seed), self._fitted(), data, names)

    def log_prob(self, data: pd.DataFrame) -> pd.Series[float]:
        """Natural logarithm of the probability of each row under the model; of some of its cells, if it lacks columns.

        Of numbers it is the probability of the bin that the model writes; free text is summed over.

        Args:
            data: Rows with some or all of the table's columns.

        Raises:
            DataError: A value does not fit its column, or no row of the model has these cells.
            ParameterError: The table has groups, or the backend cannot complete rows.
            GenerationError: Nothing has been learned yet.
        """
        from rowsmith.runs.known_cells import log_probabilities

        return log_probabilities(self._own_run(None), self._fitted(), data)

    def predict_proba(self, data: pd.DataFrame, column: Hashable) -> pd.DataFrame:
        """Probability of each value of a column in each row, given its other cells.

        Args:
            data: Rows with some or all of the other columns.
            column: A column of categories.

        Returns:
            A column for each value, as text; rows indexed like the data, which add up to 1.

        Raises:
            DataError: A value does not fit its column, or no row of the model has these cells.
            ParameterError: The column is not one of categories, the table has groups, or the backend cannot
                complete rows.
            GenerationError: Nothing has been learned yet.
        """
        from rowsmith.runs.known_cells import class_probabilities

        return class_probabilities(self._own_run(None), self._fitted(), data, name_of(column))

    def evaluate(
        self,
        synthetic: pd.DataFrame | PathLike,
        holdout: pd.DataFrame | PathLike | None = None,
        *,
        real: pd.DataFrame | PathLike | None = None,
        evaluation: Evaluations = "full",
    ) -> EvaluationOutcome:
        """Judge rows beside the table that was learned, and beside the rows that were held out of it.

        Args:
            synthetic: Rows that ``sample`` drew, or a file of them.
            holdout: Real rows that were never learned from, in place of those that ``fit`` held out.
            real: The table that was fitted; needed after ``load`` of a model that was fitted to a DataFrame.
            evaluation: ``full``, ``quick``, or names of evaluations.

        Returns:
            What was found: the verdict in words, ``findings``, ``frame()``, ``as_dict()``.

        Raises:
            GenerationError: Nothing has been learned yet.
            DataError: ``real`` is not the table that was fitted, or the rows lack columns.
            RunDirectoryError: Nothing says where the real table is; give ``real``.
            ConfigError: ``evaluation`` is wrong.
            PluginError: An evaluation is missing, or a package that it needs.
        """
        from rowsmith.runs.evaluation.foreign_tables import chosen_evaluations
        from rowsmith.runs.evaluation.of_run import evaluate_frame

        model = self._learned_model()
        run = self._run(chosen_evaluations(model.plan.config, evaluation), model.directory)
        identifier = None if self._results is None else self._results.identifier
        with self._stoppable(run):
            return evaluate_frame(
                run,
                model.plan,
                model.bundle,
                synthetic,
                holdout=holdout,
                real=real,
                at_hand=self._real,
                identifier=identifier,
            )

    def cancel(self) -> None:
        """End the ``fit`` or ``sample`` that runs in another thread, soon and in order; nothing runs otherwise.

        ``sample`` returns the rows made so far, with a warning; ``fit`` raises ``Interrupted``. The object
        can be used again.
        """
        stop = self._stop
        if stop is not None:
            stop.requested = True

    def save(self, path: PathLike, *, overwrite: bool = False) -> None:
        """Save what was learned as a folder; ``rowsmith generate --run-dir`` reads it as well.

        Args:
            path: The folder.
            overwrite: Whether a model that is there may be replaced.

        Raises:
            RunDirectoryError: There is a model already, or the folder cannot be written.
            GenerationError: Nothing has been learned yet.
        """
        self._learned_model().save(path, overwrite=overwrite)

    @classmethod
    def load(
        cls,
        path: PathLike,
        *,
        reporter: Reporter | None = None,
        registry: Registry | None = None,
        allow_factory: Sequence[str] = (),
        fetch_base: bool = False,
        **sections: Any,
    ) -> Self:
        """Load what ``save`` wrote, or the model of any run directory.

        A saved model is data, wherever it comes from: it runs no code of its own, and no server that it names is
        contacted.

        Args:
            path: The folder; it is read in place, so it must stay there.
            reporter: Receives progress.
            registry: Where components are found; the installed plugins by default.
            allow_factory: Code of no plugin that the model may run, each as ``package.module:name``. It must be
                installed: it is never imported from the working folder, the model's folder, or Python's library.
            fetch_base: Whether the pretrained model that a saved adapter was trained on may be fetched from the hub,
                where it is not in the cache.
            **sections: Settings laid over those that were saved, such as
                ``backend={"name": "remote", "options": {"url": "http://localhost:8000/v1"}}``.

        Raises:
            RunDirectoryError: There is no model.
            BundleError: The model is damaged or of another version.
            PluginLoadError: The model names code that is not allowed.
            ConfigError: A setting is wrong, or the model was made with a server that ``sections`` do not name.
        """
        from rowsmith.runs.jobs import saved_plan

        directory = RunDirectory(path)
        saved = saved_plan(directory).config
        settings = saved_model_settings(
            saved,
            directory.root,
            lambda config: load_settings(config, sections),
            caller=evolve(caller_of(None, sections), fetch_base=fetch_base),
            registry=registry or registry_for(saved),
            allow_factory=allow_factory,
        )
        loaded = cls(config=settings.config, reporter=reporter, registry=registry)
        loaded._caller, loaded._registry = settings.caller, settings.registry
        loaded._open(directory)
        return loaded
