"""What a ``Synthesizer`` holds from call to call; it is copied and pickled with the files of its model."""

from __future__ import annotations

import copy
import pickle
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from attrs import evolve

from rowsmith.config.defaults import resolved
from rowsmith.errors import GenerationError, ParameterError
from rowsmith.runs.arguments import whole
from rowsmith.runs.reporting import Reporter
from rowsmith.runs.validation import registry_for
from rowsmith.storage.folder_content import read_folder, write_folder
from rowsmith.storage.run_directory import RunDirectory

if TYPE_CHECKING:
    from rowsmith.config import RunConfig
    from rowsmith.generation.results import GenerateJobResults
    from rowsmith.interruption import StopRequest
    from rowsmith.model import Bundle
    from rowsmith.plugins import Registry
    from rowsmith.plugins.permissions import Caller
    from rowsmith.runs.arguments import PathLike
    from rowsmith.runs.learned_model import LearnedModel
    from rowsmith.runs.stages import Run
    from rowsmith.table import Table

__all__ = ["LearnedState"]

_MODEL = "model"
_NOT_PICKLED = frozenset({"_registry", "_model", "_stop", "_real"})
_INSTEAD = "save what it has learned with save(path), and load it with Synthesizer.load(path"


class LearnedState:
    """Settings, components, and the model once there is one.

    Args:
        config: The configuration.
        caller: Settings and permissions given with the call.
        registry: Where components are found; the installed plugins by default.
        reporter: Receives progress.
        run_directory: Where the model is stored; by default a temporary folder that is removed with the object.
        overwrite: Whether a model that is already in the run directory may be replaced.
        resume: Whether an interrupted training in the run directory is resumed.
    """

    def __init__(
        self,
        config: RunConfig,
        caller: Caller,
        *,
        registry: Registry | None,
        reporter: Reporter | None,
        run_directory: PathLike | None,
        overwrite: bool,
        resume: bool,
    ) -> None:
        self._config = config
        self._caller = caller
        self._given_registry = registry
        self._registry = self._own_registry()
        self._reporter = reporter or Reporter()
        self._given_directory = run_directory
        self._overwrite, self._has_written = overwrite, False
        self._resume = resume
        self._model: LearnedModel | None = None
        self._real: Table | None = None
        self._results: GenerateJobResults | None = None
        self._stop: StopRequest | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What ``pickle`` stores.

        Raises:
            ParameterError: The registry or the reporter that was given cannot be pickled.
        """
        if self._given_registry is not None:
            raise ParameterError(f"a Synthesizer with a registry of its own cannot be pickled; {_INSTEAD}, registry=…)")
        try:
            pickle.dumps(self._reporter)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ParameterError(f"the reporter cannot be pickled ({error}); {_INSTEAD}, reporter=…)") from error
        return self._state()

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        files = state.pop(_MODEL)
        vars(self).update(state)
        self._registry = self._own_registry()
        self._stop = self._model = self._real = None
        # A copy may not replace what the original wrote.
        self._has_written = False
        if files is not None:
            path = self._temporary_folder()
            write_folder(files, Path(path))
            self._open(RunDirectory(path))

    def __copy__(self) -> Self:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        shared = {id(each): each for each in (self._given_registry, self._reporter)}
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__setstate__(copy.deepcopy(self._state(), {**memo, **shared}))
        return made

    def _state(self) -> dict[str, Any]:
        """The attributes to pickle, with the files of the model."""
        state = {name: value for name, value in vars(self).items() if name not in _NOT_PICKLED}
        if self._model is None:
            return {**state, _MODEL: None}
        with tempfile.TemporaryDirectory(prefix="rowsmith-") as folder:
            self._model.save(folder, overwrite=False)
            return {**state, _MODEL: read_folder(Path(folder))}

    def _learned_model(self) -> LearnedModel:
        if self._model is None:
            raise GenerationError("this Synthesizer has learned nothing yet; call fit first")
        return self._model

    def _fitted(self) -> Bundle:
        return self._learned_model().bundle

    def _open(self, directory: RunDirectory) -> None:
        """Load the model of a run directory."""
        from rowsmith.runs.learned_model import LearnedModel

        self._model = LearnedModel.load(self._run(self._config, directory))

    @contextmanager
    def _stoppable(self, run: Run) -> Iterator[None]:
        self._stop = run.stop
        try:
            yield
        finally:
            self._stop = None

    def _own_run(self, seed: int | None) -> Run:
        """A run of the fitted model, with the configuration that fits it."""
        config = resolved(self._config, self._fitted().model_schema)
        config = config if seed is None else evolve(config, seed=whole("seed", seed, 0))
        return self._run(config, self._learned_model().directory)

    def _run(self, config: RunConfig, directory: RunDirectory) -> Run:
        from rowsmith.runs.stages import Run

        return Run(
            config=config,
            registry=self._registry,
            directory=directory,
            reporter=self._reporter,
            caller=self._caller,
        )

    def _own_registry(self) -> Registry:
        return (self._given_registry or registry_for(self._config)).with_allowed_factories(self._caller.factories)

    def _new_directory(self) -> RunDirectory:
        if self._given_directory is not None:
            return RunDirectory(self._given_directory)
        return RunDirectory(self._temporary_folder())

    def _temporary_folder(self) -> str:
        """A folder that is removed with the object."""
        path = tempfile.mkdtemp(prefix="rowsmith-")
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return path
