"""The backend that any engine gets: lifecycle and the shared loop around ``Engine.complete``."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from attrs import evolve

from rowsmith.errors import GenerationError, ParameterError, PluginContractError, RowsmithError
from rowsmith.generation.actions import DataActionsFn
from rowsmith.generation.backend import GeneratorBackend
from rowsmith.generation.batches import sizing
from rowsmith.generation.batches.accounting import BatchFinished
from rowsmith.generation.batches.accumulator import GenerationBatches
from rowsmith.generation.batches.columns import ColumnReader
from rowsmith.generation.batches.stopping_rules import groups_cut_off
from rowsmith.generation.batches.tokens import TokenCounter
from rowsmith.generation.candidates import CandidateTally
from rowsmith.generation.journal import GenerationJournal
from rowsmith.generation.loop import Loop
from rowsmith.generation.processors import Processor
from rowsmith.generation.requests import AllowedValues, CompletionBlock, CompletionRequest, Engine, SamplingParams
from rowsmith.generation.results import GenerateJobResults, GenerationFailure
from rowsmith.generation.sampling import resolve_sampling
from rowsmith.generation.stopping import StoppingPolicy
from rowsmith.interruption import Interrupted, StopRequest
from rowsmith.randomness.seeds import Seeds
from rowsmith.vocabulary import Vocabulary

if TYPE_CHECKING:
    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.config import RunConfig
    from rowsmith.storage.run_directory import Workdir

__all__ = ["SAMPLING_STAGE", "EngineBackend"]

SAMPLING_STAGE = "generation.sampling"
"""Stage whose seed the draws of an engine get."""

_logger = logging.getLogger(__name__)


class EngineBackend(GeneratorBackend):
    """Generates records with an engine.

    Request ids count up over the life of the backend, and draws are keyed by them: a second
    ``generate`` makes new records, and a new backend with the same seed makes the first ones again.

    Args:
        config: The run's configuration.
        model_metadata: Prompt layout, special tokens and context length; None when the engine knows
            its own limits.
        engine: Completes prompts.
        processor: Turns completions into records.
        prompt_ids: Token ids that every completion continues.
        columns: Columns of the output, in order.
        policy: Makes the stopping policy of each ``generate``; None for the rules that always hold.
        seeds: Randomness; None takes the configuration's seed.
        workdir: Directory of the run; None for a run that leaves nothing behind.
        forced_ids: Token ids that every completion begins with.
        batch_finished: Called after each batch; what it raises is logged.
        remote: Whether the engine runs behind a network endpoint.
        longest_completion: Tokens of the longest sequence of records in training, by which completions are cut
            that run on; None cuts them where the context ends.
        clock: Seconds.

    Attributes:
        journal: Where the first ``generate`` writes its batches and resumes from; None for no journal.
        stop: Whether the run that it works for is requested to end.
        candidates: How well the candidates served, where there are conditions.
    """

    journal: GenerationJournal | None = None

    def __init__(
        self,
        config: RunConfig,
        model_metadata: ModelMetadata | None,
        *,
        engine: Engine,
        processor: Processor,
        prompt_ids: Sequence[int],
        columns: Sequence[str],
        policy: Callable[[], StoppingPolicy | None] | None = None,
        seeds: Seeds | None = None,
        workdir: Workdir | None = None,
        forced_ids: Sequence[int] = (),
        batch_finished: Callable[[BatchFinished], None] | None = None,
        remote: bool = False,
        longest_completion: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.engine = engine
        self.remote = remote
        self.elapsed_time = 0.0
        self.batch_finished = batch_finished
        if model_metadata is not None:
            self.model_metadata = model_metadata
        if workdir is not None:
            self.workdir = workdir
        self._longest = None if model_metadata is None else model_metadata.max_seq_length - len(prompt_ids)
        self._usual = sizing.longest_completion(longest_completion, self._longest)
        self._processor = processor
        self._grouped = bool(getattr(processor, "grouped", False))
        self._prompt_ids = tuple(prompt_ids)
        self._columns = list(columns)
        self._policy = policy
        self._seeds = seeds or Seeds(config.seed)
        self._forced_ids = tuple(forced_ids)
        self._clock = clock
        self._request_ids = count()
        self._cancelled = threading.Event()
        self.stop = StopRequest()
        self._allowed: AllowedValues | None = None
        self.candidates = CandidateTally()
        self._params: SamplingParams | None = None
        self._started = False
        self._stopped = True

    @property
    def prompt_ids(self) -> tuple[int, ...]:
        """Token ids that every completion continues."""
        return self._prompt_ids

    def use_journal(self, journal: GenerationJournal) -> None:
        """See the base class."""
        self.journal = journal

    def use_stop_request(self, stop: StopRequest) -> None:
        """See the base class."""
        self.stop = stop

    def use_conditions(self, allowed: AllowedValues) -> None:
        """See the base class; only for engines that can do it."""
        self._allowed = allowed if "conditions" in self.engine.capabilities else None
        self.candidates = CandidateTally()

    def initialize(self) -> None:
        """Start the engine; does nothing when it is started.

        Raises:
            ParameterError: The prompt leaves no room for a completion; or the processor reads records
                without groups, and groups are wanted or the model writes groups.
        """
        if self._started:
            return
        if not self._grouped:
            self._check_alone()
        if self._longest is not None and self._longest < 1:
            raise ParameterError(
                f"the prompt takes {len(self._prompt_ids)} tokens and fills the model's context; "
                "use fewer columns, or a model with a longer context"
            )
        self._stopped = False
        try:
            self.engine.start()
        except BaseException:
            self.teardown()
            raise
        self._started = True
        self.gen_method = self.engine.complete if self._allowed is None else self._complete

    def prepare_params(self, **kwargs: Any) -> None:
        """Check sampling parameters and store them for the calls of ``generate`` that follow.

        Args:
            **kwargs: ``temperature``, ``top_p``, ``max_new_tokens``, ``constrained``, ``seed``,
                ``do_sample``, ``repetition_penalty`` where the engine takes it, and the options that the engine
                names. What is left out, or None, comes from the configuration.

        Raises:
            GenerationError: The backend is not initialized.
            ParameterError: A parameter is unknown, out of range, or contradicts another.
        """
        if not self._started:
            raise GenerationError("prepare_params was called before initialize; call initialize first")
        params = resolve_sampling(
            kwargs,
            self.config.generation,
            self._seeds.integer(SAMPLING_STAGE),
            self._longest,
            self.engine.sampling_options,
            self._usual,
            f"the engine {type(self.engine).__qualname__}",
        )
        self._params = evolve(params, allowed=self._allowed)

    def generate(self, data_actions_fn: DataActionsFn | None = None) -> GenerateJobResults:
        """Make records until the target is met, or a stopping rule ends the job.

        The target is ``generation.num_groups`` groups or ``generation.num_records`` records, of grouped tables
        in whole groups.

        An interrupt or a ``cancel`` ends it with what there is, as incomplete.

        Args:
            data_actions_fn: Applied to the valid records of each batch.

        Returns:
            The rows, never more than requested except for the last group, and how the job went; also stored in
            ``gen_results``.

        Raises:
            GenerationError: The backend is not ready. Or the job failed midway: then it is a
                ``GenerationFailure``, whose ``results`` hold the rows made before.
        """
        params, batches = self._ready_params(), self._new_batches(data_actions_fn)
        return self._made(lambda: self._new_loop(params).run(batches), lambda: self._results(batches))

    def complete_given(
        self, given: Sequence[tuple[tuple[str, str | None], ...]], candidates: int
    ) -> Iterator[CompletionBlock]:
        """Complete records of which some values are given, with an engine that can ``conditions``.

        Args:
            given: For each record, column and value of the closed columns that are known.
            candidates: Weighted candidates of each record, of which one is chosen.

        Yields:
            Blocks; request ids count up in the order of the records.

        Raises:
            GenerationError: The backend is not ready.
        """
        params = evolve(self._ready_params(), allowed=AllowedValues(columns={}, candidates=candidates))
        requests = [
            evolve(self._request(request_id), given=values)
            for request_id, values in zip(self._request_ids, given, strict=False)
        ]
        yield from self.engine.complete(requests, params)

    def cancel(self) -> None:
        """End the ``generate`` that is under way, if there is one; safe to call from any thread.

        It returns what there is as soon as the engine has given the block that it works on.
        """
        self._cancelled.set()

    def teardown(self) -> None:
        """Stop the engine; safe to call at any time, any number of times."""
        self._started = False
        self._params = None
        self.gen_method = None
        if self._stopped:
            return
        self._stopped = True
        try:
            self.engine.stop()
        except Exception:
            _logger.warning("the engine failed while it was stopped", exc_info=True)

    def _ready_params(self) -> SamplingParams:
        """The sampling parameters, once everything is there to generate with."""
        if not self._started or self._params is None:
            missing = "prepare_params" if self._started else "initialize and prepare_params"
            raise GenerationError(f"generate was called too early; call {missing} first")
        return self._params

    def _made(self, run: Callable[[], None], results: Callable[[], GenerateJobResults]) -> GenerateJobResults:
        """Run a job and return its results; a job that fails raises them."""
        self._cancelled.clear()
        started = self._clock()
        failure: Exception | None = None
        try:
            run()
        except Exception as error:
            failure = error
        self.elapsed_time = self._clock() - started
        self.gen_results = results()
        if failure is not None:
            raise _failure_of(failure, self.gen_results) from failure
        return self.gen_results

    def _results(self, batches: GenerationBatches) -> GenerateJobResults:
        batches.job_complete()
        if batches.target.grouped and batches.num_length_truncated_completions:
            _logger.warning(groups_cut_off(batches.num_length_truncated_completions, batches.num_prompts))
        most = batches.target_num_records
        return GenerateJobResults.from_batches(batches, most, self._columns, self.elapsed_time)

    def _complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        """Complete requests with the engine, and count what it says of candidates."""
        return self.candidates.counted(self.engine.complete(requests, params))

    def _check_stop(self) -> None:
        self.stop.check()
        if self._cancelled.is_set():
            raise Interrupted

    def _check_alone(self) -> None:
        vocabulary = self.engine.vocabulary
        if isinstance(vocabulary, Vocabulary) and vocabulary.schema.step is not None:
            raise ParameterError(
                f"the model writes groups of records, and the processor {type(self._processor).__qualname__} reads "
                "independent records; set processor to auto or grouped, or to one whose attribute grouped is True"
            )
        if self.config.generation.num_groups is not None:
            raise ParameterError(
                "generation.num_groups is given, but the processor reads independent records; give "
                "generation.num_records, or train on groups with data.group_training_examples_by"
            )

    def _new_batches(self, data_actions_fn: DataActionsFn | None) -> GenerationBatches:
        wanted = self.config.generation
        return GenerationBatches(
            target_num_records=wanted.num_records if wanted.num_groups is None else None,
            target_num_groups=wanted.num_groups,
            grouped=self._grouped,
            max_num_prompts_per_batch=self.engine.max_num_prompts,
            data_actions_fn=data_actions_fn,
            policy=self._policy() if self._policy is not None else None,
            columns=self._columns,
            clock=self._clock,
        )

    def _new_loop(self, params: SamplingParams) -> Loop:
        journal, self.journal = self.journal, None
        return Loop(
            engine=self.engine,
            processor=self._processor,
            params=params,
            request_ids=self._request_ids,
            make_request=self._request,
            counter=TokenCounter(self.engine.count_tokens),
            reader=_reader(self._processor, self.engine),
            batch_finished=self.batch_finished,
            journal=journal,
            stop=self.stop,
            check=self._check_stop,
            complete=self.gen_method,
        )

    def _request(self, request_id: int) -> CompletionRequest:
        return CompletionRequest(request_id, self._prompt_ids, forced_ids=self._forced_ids)


def _reader(processor: Processor, engine: Engine) -> ColumnReader | None:
    """What reads token ids without making text of them; None where engine or processor has no way to."""
    make = getattr(processor, "column_reader", None)  # a processor need not inherit from ours
    if make is None or not isinstance(engine.vocabulary, Vocabulary):
        return None
    reader = make(engine.vocabulary)
    if reader is not None and not isinstance(reader, ColumnReader):
        name = type(processor).__qualname__
        raise PluginContractError(
            f"column_reader of processor {name} gave a {type(reader).__name__}; it must give a ColumnReader or None"
        )
    return reader


def _failure_of(error: Exception, results: GenerateJobResults) -> GenerationFailure:
    """The error of a job that failed midway, with what it made before."""
    kind = "" if isinstance(error, RowsmithError) else f"{type(error).__name__}: "
    rows = results.num_rows
    where = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    failure = GenerationFailure(
        f"generation broke off after {rows} rows, which are retained: {kind}{error}{where}", results
    )
    if isinstance(error, RowsmithError):
        failure.exit_code = type(error).exit_code  # type: ignore[misc]
    return failure
