"""Request completions for series, and read them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from attrs import define, evolve, field

from rowsmith.errors import GenerationError
from rowsmith.generation.batches.batch import Batch
from rowsmith.generation.batches.records import check_response
from rowsmith.generation.batches.tokens import TokenCounter
from rowsmith.generation.oom_retry import CompleteFn, RetryingCompleter
from rowsmith.generation.processors import ParsedResponse, Processor
from rowsmith.generation.requests import (
    Completion,
    CompletionBlock,
    CompletionRequest,
    Engine,
    FinishReason,
    SamplingParams,
)
from rowsmith.interruption import StopRequest
from rowsmith_backends.timeseries.continuation import Continuation, check_continuation
from rowsmith_backends.timeseries.group import SeriesGroup, Windows
from rowsmith_backends.timeseries.journal import only_row

__all__ = ["SeriesCompleter"]


class _CheckingProcessor(Processor):
    """Reads completions with the run's processor, and checks that each continues the series that it is for."""

    def __init__(self, processor: Processor, windows: Windows) -> None:
        self._processor = processor
        self._windows = windows
        self.groups: dict[int, SeriesGroup] = {}
        self.continuations: dict[int, Continuation] = {}

    def __call__(self, prompt_number: int, text: str) -> ParsedResponse:
        response = self._processor(prompt_number, text)
        check_response(response, self._processor)
        group = self.groups[prompt_number]
        continuation, counted = check_continuation(group, response, self._windows.codec, self._windows.timing)
        self.continuations[prompt_number] = continuation
        return counted


@define(kw_only=True, eq=False)
class SeriesCompleter:
    """Requests completions for series from an engine, and reads them.

    Attributes:
        engine: Completes prompts; already started.
        processor: Turns completions into records.
        windows: Makes prompts.
        params: How completions are drawn.
        samples: Completions of each prompt.
        counter: Counts tokens.
        stop: Whether the run is requested to end; checked after each block.
        check: Raises when the job is to end.
        for_journal: Whether completions are stored for a journal.
        complete: Completes prompts instead of the engine; None for the engine.
    """

    engine: Engine
    processor: Processor
    windows: Windows
    params: SamplingParams
    samples: int
    counter: TokenCounter
    stop: StopRequest
    check: Callable[[], None]
    for_journal: bool = False
    complete: CompleteFn | None = None
    _completer: RetryingCompleter = field(init=False)
    _checker: _CheckingProcessor = field(init=False)

    @_completer.default
    def _make_completer(self) -> RetryingCompleter:
        return RetryingCompleter(self.complete or self.engine.complete)

    @_checker.default
    def _make_checker(self) -> _CheckingProcessor:
        return _CheckingProcessor(self.processor, self.windows)

    def complete_groups(self, groups: Sequence[SeriesGroup]) -> dict[int, list[Continuation]]:
        """Request completions once for each series; each counts them in a batch of its own.

        Args:
            groups: The series.

        Returns:
            What their completions are worth, by the number of the series.

        Raises:
            GenerationError: The engine answered what it was not asked, or left something out.
        """
        requests = self._begin(groups)
        sent = [self._sent(request) for request in requests.values()]
        with contextlib.closing(self._completer.complete(sent, self.params)) as blocks:
            for block in blocks:
                with self.stop.awaited():
                    self._read(block, requests)
                self.check()
        missing = len(requests.keys() - self._checker.continuations.keys())
        if missing:
            raise GenerationError(f"the engine left {missing} of {len(requests)} requests unanswered")
        return {group.number: self._continuations(group) for group in groups}

    def replay(self, group: SeriesGroup, answers: Mapping[int, CompletionBlock]) -> list[Continuation] | None:
        """Read what an engine answered before, as if it were asked once more.

        Args:
            group: The series.
            answers: Its completions by request.

        Returns:
            What they are worth; None when they are not those of the present prompt.
        """
        requests = self._begin([group])
        if not answers.keys() >= requests.keys():
            return None
        for request_id in requests:
            self._read(answers[request_id], requests)
        return self._continuations(group)

    def _begin(self, groups: Sequence[SeriesGroup]) -> dict[int, CompletionRequest]:
        requests = [request for group in groups for request in self.windows.requests(group, self.samples)]
        self._checker.groups = {group.request_id(sample): group for group in groups for sample in range(self.samples)}
        self._checker.continuations = {}
        return {request.request_id: request for request in requests}

    def _continuations(self, group: SeriesGroup) -> list[Continuation]:
        return [self._checker.continuations[group.request_id(sample)] for sample in range(self.samples)]

    @property
    def _forces(self) -> bool:
        return "forced-tokens" in self.engine.capabilities

    def _sent(self, request: CompletionRequest) -> CompletionRequest:
        """A request as the engine takes it: where it forces no tokens, they are the end of the prompt."""
        if self._forces or not request.forced_ids:
            return request
        limit = None if request.max_tokens is None else max(1, request.max_tokens - len(request.forced_ids))
        prompt = (*request.prompt_ids, *request.forced_ids)
        return evolve(request, prompt_ids=prompt, forced_ids=(), max_tokens=limit)

    def _read(self, block: CompletionBlock, requests: Mapping[int, CompletionRequest]) -> None:
        for row, request_id in enumerate(np.asarray(block.request_ids).tolist()):
            request = requests.get(request_id)
            if request is None or request_id in self._checker.continuations:
                raise GenerationError(f"the engine answered request {request_id} twice, or was not asked it")
            group, completion = self._checker.groups[request_id], self._completed(block.completion(row), request)
            if group.batch is None:
                group.batch = Batch(self._checker, count_tokens=self.counter)
            group.batch.process_completion(request_id, completion)
            if _ended(group, completion):
                self._checker.continuations[request_id] = Continuation(ended=True)
            if self.for_journal:
                group.completions.append(only_row(block, row))

    def _completed(self, completion: Completion, request: CompletionRequest) -> Completion:
        """A completion with the beginning that was in its prompt."""
        if self._forces or not request.forced_ids:
            return completion
        text = self.windows.codec.decode(request.forced_ids) + completion.text
        return evolve(completion, text=text, ids=None, decode=None)


def _ended(group: SeriesGroup, completion: Completion) -> bool:
    """Whether the model has ended a series whose steps it writes itself."""
    learned = group.span.interval is None and bool(group.records)
    return learned and completion.finish_reason is FinishReason.STOP and not completion.text.strip()
