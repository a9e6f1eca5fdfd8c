"""The contract of a generation backend: four methods, and two more that it may have.

Lifecycle: ``initialize`` → ``prepare_params`` → ``generate`` (any number of times) → ``teardown``.
Most backends need not write these: implement ``Engine`` and let ``EngineBackend`` do the rest.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.config import RunConfig
    from rowsmith.generation.actions import DataActionsFn
    from rowsmith.generation.journal import GenerationJournal
    from rowsmith.generation.requests import AllowedValues
    from rowsmith.generation.results import GenerateJobResults
    from rowsmith.interruption import StopRequest
    from rowsmith.storage.run_directory import Workdir

__all__ = ["GeneratorBackend"]


class GeneratorBackend(abc.ABC):
    """Abstract base class of generation backends.

    Attributes:
        gen_method: Callable that makes completions; None until there is one.
        gen_results: Results of the latest ``generate``.
        config: The run's configuration.
        model_metadata: Prompt layout, special tokens and context length of the model.
        remote: Whether the model runs behind a network endpoint.
        elapsed_time: Seconds that the latest ``generate`` took.
        workdir: Directory of the model and of the run.
    """

    gen_method: Callable[..., Any] | None = None
    gen_results: GenerateJobResults
    config: RunConfig
    model_metadata: ModelMetadata
    remote: bool
    elapsed_time: float
    workdir: Workdir

    def use_journal(self, journal: GenerationJournal) -> None:  # noqa: B027
        """Write finished batches to a journal and resume from those that it holds, in the next ``generate``.

        Optional. The run calls it before ``initialize``. A backend without it begins again when its run is resumed.

        Args:
            journal: Its batches are read before the first one is added.
        """

    def use_stop_request(self, stop: StopRequest) -> None:  # noqa: B027
        """End ``generate`` with the rows so far once the run is requested to end.

        Optional. The run calls it before ``initialize``. A backend without it is interrupted wherever it is by a
        ``KeyboardInterrupt``.

        Args:
            stop: Whether the run is requested to end; it lets no interrupt into a block that must not be cut off.
        """

    def use_conditions(self, allowed: AllowedValues) -> None:  # noqa: B027
        """Restrict the records of each ``generate`` to those that can meet conditions.

        Optional. The run calls it before ``initialize``, and rejects rows that do not meet the conditions in any case.
        Without it, rows are only rejected.

        Args:
            allowed: Values that the conditions leave.
        """

    @abc.abstractmethod
    def initialize(self) -> None:
        """Load the model and whatever is needed to run it.

        Called once before the first ``generate``. Afterwards the backend takes ``prepare_params`` and
        ``generate``.
        """

    @abc.abstractmethod
    def prepare_params(self, **kwargs: Any) -> None:
        """Check sampling parameters, and store them in the form that the engine takes.

        Called after ``initialize`` and before ``generate``; each later ``generate`` uses them.

        Args:
            **kwargs: Sampling parameters, such as ``temperature``, ``top_p``, ``max_new_tokens`` and
                ``repetition_penalty``, and options of the backend.
        """

    @abc.abstractmethod
    def generate(self, data_actions_fn: DataActionsFn | None = None) -> GenerateJobResults:
        """Request completions batch by batch until the target is met or a stopping rule ends the job.

        Args:
            data_actions_fn: Applied to the valid records of each batch: undoes the transforms of
                training and rejects rows that break the user's constraints.

        Returns:
            The rows, how valid the output was, and how long it took.
        """

    @abc.abstractmethod
    def teardown(self) -> None:
        """Release everything; safe to call at any time, any number of times.

        One failing step must not prevent the next from running. Callers put ``generate`` in ``try`` and
        this in ``finally``.
        """
