"""Engine of the backend ``remote``: concurrent requests to a completions endpoint."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from functools import lru_cache
from typing import Any, TypeVar

from rowsmith.errors import GenerationError, ParameterError
from rowsmith.generation.requests import (
    REPETITION_PENALTY,
    CompletionBlock,
    CompletionRequest,
    Engine,
    SamplingParams,
)
from rowsmith.table.schema import ModelSchema
from rowsmith.vocabulary import Vocabulary
from rowsmith_backends.grammar.completion_regex import completion_regex
from rowsmith_backends.remote.answers import Completion, completion_block
from rowsmith_backends.remote.completion_requests import CompletionClient
from rowsmith_backends.remote.endpoint import Endpoint
from rowsmith_backends.remote.options import RemoteOptions
from rowsmith_backends.remote.server import ServerCapabilities, ServerProbe
from rowsmith_backends.sampling.bundle_tokens import BundleTokens

__all__ = ["RemoteEngine"]

_CALLS_PER_CONNECTION = 16
_STOP_SECONDS = 5.0

T = TypeVar("T")
_CompletionQueue = queue.SimpleQueue[tuple[int, Completion] | None]

_logger = logging.getLogger(__name__)


class RemoteEngine(Engine):
    """Completes prompts on a server.

    Args:
        tokens: The model's tokens.
        schema: The columns of a record.
        prompt_ids: The usual prompt of completions, used in probe requests.
        bos_id: The token before the first record.
        eos_id: The token after the last record.
        context: The most tokens of prompt and completion.
        most_records: The most records of a completion in training; None for any number.
        scored: Whether log-probabilities of a prompt may be requested.
        options: Options of the backend.
        with_key: Whether the server may be given the API key.
    """

    sampling_options = frozenset({REPETITION_PENALTY})
    vocabulary: Vocabulary | None

    def __init__(
        self,
        tokens: BundleTokens,
        schema: ModelSchema,
        *,
        prompt_ids: Sequence[int],
        bos_id: int,
        eos_id: int,
        context: int,
        most_records: int | None = None,
        scored: bool = True,
        options: RemoteOptions | None = None,
        with_key: bool = True,
    ) -> None:
        self.options = options or RemoteOptions()
        self._with_key = with_key
        self.vocabulary = tokens.vocabulary
        self.max_num_prompts = max(1_000, _CALLS_PER_CONNECTION * self.options.concurrency)
        given = self.options.grammar not in ("auto", "none")
        self._base_capabilities = frozenset({"seed", "forced-tokens", *(["constrained"] if given else [])})
        self.capabilities = self._base_capabilities
        self._tokens = tokens
        self._schema = schema
        self._prompt_ids = tuple(prompt_ids)
        self._bos_id, self._eos_id, self._context = bos_id, eos_id, context
        self._most_records = most_records
        self._scored = scored
        self._regex = lru_cache(maxsize=1_024)(self._make_regex)
        self._prompt_tail = lru_cache(maxsize=1_024)(self._find_prompt_tail)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._endpoint: Endpoint | None = None
        self._server: ServerCapabilities | None = None
        self._probe: ServerProbe | None = None
        self._penalizes: bool | None = None
        self._warned = False

    def start(self) -> None:
        """Connect to the server and find out its capabilities.

        Raises:
            GenerationError: It cannot be reached, rejects the key, lacks the model, or supports no completions.
        """
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rowsmith-remote", daemon=True)
        self._thread.start()
        key = _key(self.options.api_key_env)
        given = key if self._with_key else None
        self._endpoint = Endpoint(self.options, given, withheld=given is not key)
        self._penalizes = None
        self._probe = ServerProbe(
            endpoint=self._endpoint,
            tokens=self._tokens,
            prompt=self._prompt_ids,
            regex=self._regex("", False, self._most_records),
            eos_id=self._eos_id,
        )
        self._server = self._run(self._probe.server())
        self.capabilities = self._base_capabilities | _server_capabilities(self._server, self._scored)
        _logger.info("%s: %s", self._endpoint, self._server)

    def complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        """Complete every request once.

        Args:
            requests: The requests.
            params: Parameters of sampling.

        Yields:
            Blocks in the order of the requests, so that a consumer that stops early gets the same rows every time.

        Raises:
            GenerationError: The engine has not been started, or the server failed permanently.
        """
        if self._server is None or self._endpoint is None or self._loop is None:
            raise GenerationError("the engine has not been started: call initialize() first")
        self._check(self._server, params)
        completions = _CompletionQueue()
        client = CompletionClient(
            server=self._with_penalty(self._server, params.repetition_penalty),
            endpoint=self._endpoint,
            tokens=self._tokens,
            regex=self._request_regex if params.constrained and self._server.grammar is not None else None,
            context=self._context,
            params=params,
        )
        job = asyncio.run_coroutine_threadsafe(_complete_all(client, requests, completions), self._loop)
        job.add_done_callback(lambda _: completions.put(None))
        decode = self._tokens.decode
        try:
            for ready in _in_order(completions):
                yield completion_block(
                    [(requests[index].request_id, completion) for index, completion in ready], decode
                )
            job.result()
        except CancelledError:
            raise GenerationError("the engine was stopped while it was asked") from None
        finally:
            job.cancel()

    def stop(self) -> None:
        """Disconnect from the server; running requests are cancelled."""
        loop, thread, endpoint = self._loop, self._thread, self._endpoint
        self._loop = self._thread = self._endpoint = self._server = None
        if loop is None or thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(_shut_down(endpoint), loop).result(_STOP_SECONDS)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_STOP_SECONDS)
            if not thread.is_alive():
                loop.close()

    def count_tokens(self, text: str) -> int:
        """Number of tokens that ``text`` takes."""
        return self._tokens.count(text)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def _check(self, server: ServerCapabilities, params: SamplingParams) -> None:
        wanted = params.constrained and self.options.grammar != "none"
        if wanted and server.grammar is None and not self._warned:
            self._warned = True
            _logger.warning(
                "%s takes no grammar: records are checked when they are read, and some may be invalid", self._endpoint
            )
        if params.log_probs and not self._scored:
            raise ParameterError(
                "log_probs are not asked of a server of an adapter: vllm serve ends when it is. Use the backend "
                "transformers"
            )
        if params.log_probs and not (server.gives_ids and server.takes_ids):
            raise ParameterError(
                "log_probs needs a server that takes and gives token ids, such as vllm serve; this one does not"
            )

    def _with_penalty(self, server: ServerCapabilities, penalty: float) -> ServerCapabilities:
        """Capabilities of the server with a repetition penalty in every request."""
        if penalty == 1 or self._probe is None:
            return server
        if self._penalizes is None:
            self._penalizes = self._run(self._probe.penalizes(server))
        if not self._penalizes:
            raise ParameterError(
                f"{self._endpoint} takes no {REPETITION_PENALTY}; leave it out, or use a server that takes it, such as "
                "vllm serve, or the backend transformers"
            )
        return server.penalized(penalty)

    def _request_regex(self, request: CompletionRequest) -> str:
        unfinished, follows = self._prompt_tail(request.prompt_ids)
        forced = self._tokens.decode(request.forced_ids) if request.forced_ids else ""
        most = min(filter(None, (request.max_records, self._most_records)), default=None)
        return self._regex(unfinished + forced, follows, most)

    def _find_prompt_tail(self, prompt: tuple[int, ...]) -> tuple[str, bool]:
        """The unfinished record at the end of a prompt, and whether whole records precede it."""
        index = len(prompt) - prompt[::-1].index(self._bos_id) if self._bos_id in prompt else len(prompt)
        _, newline, unfinished = self._tokens.decode(prompt[index:]).rpartition("\n")
        return unfinished, bool(newline)

    def _make_regex(self, unfinished: str, follows: bool, most_records: int | None) -> str:
        return completion_regex(self._schema, begun=unfinished, follows=follows, most_records=most_records)


async def _complete_all(
    client: CompletionClient, requests: Sequence[CompletionRequest], completions: _CompletionQueue
) -> None:
    remaining = iter(enumerate(requests))

    async def work() -> None:
        for index, request in remaining:
            completions.put((index, await client.complete(request)))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(client.endpoint.options.concurrency, len(requests))):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _in_order(completions: _CompletionQueue) -> Iterator[list[tuple[int, Completion]]]:
    """Completions in the order of their requests; after a failure, those behind a gap come last."""
    pending: dict[int, Completion] = {}
    index = 0
    while (item := completions.get()) is not None:
        pending[item[0]] = item[1]
        if not completions.empty():
            continue
        start = index
        while index in pending:
            index += 1
        if index > start:
            yield [(each, pending.pop(each)) for each in range(start, index)]
    if pending:
        yield sorted(pending.items())


def _server_capabilities(server: ServerCapabilities, scored: bool) -> frozenset[str]:
    """Capabilities of the engine that depend on the server."""
    scores = ["log-probs"] if scored and server.takes_ids and server.gives_ids else []
    return frozenset([*scores, *(["constrained"] if server.grammar is not None else [])])


async def _shut_down(endpoint: Endpoint | None) -> None:
    own = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not own]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if endpoint is not None:
        await endpoint.close()
    await asyncio.sleep(0)  # lets connections close


def _key(name: str) -> str | None:
    key = os.environ.get(name, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise GenerationError(f"the environment variable {name} holds no API key: characters that no header may hold")
    return key or None
