"""Engine of the backend ``vllm``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, evolve, frozen

from rowsmith.errors import GenerationError, ParameterError
from rowsmith.generation.requests import (
    REPETITION_PENALTY,
    CompletionBlock,
    CompletionRequest,
    Engine,
    SamplingParams,
)
from rowsmith_backends.grammar.completion_regex import completion_regex
from rowsmith_backends.sampling.batch_sampler import BatchRequest
from rowsmith_backends.sampling.bundle_tokens import BundleTokens
from rowsmith_backends.scratch.decoding.batch_sampler import StartStates
from rowsmith_backends.vllm.answers import OrderedCompletions
from rowsmith_backends.vllm.grammar import GRAMMAR_PATH, PROCESSOR, REQUEST_KEY, GrammarFile
from rowsmith_backends.vllm.messages import Job, Prompt, Setup
from rowsmith_backends.vllm.options import VllmOptions
from rowsmith_backends.vllm.process import VllmProcess

if TYPE_CHECKING:
    from rowsmith.table.schema import ModelSchema
    from rowsmith_backends.grammar.record_grammar import RecordGrammar

__all__ = ["VllmEngine", "VllmModel"]

_SMALL_MODEL_SEQUENCES = 1_024
_SEQUENCES = 256
_RUNNING_PER_SEQUENCE = 2
_PROMPTS_PER_SEQUENCE = 16
# Adapter ranks that vLLM supports.
_SUPPORTED_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


@frozen(kw_only=True)
class VllmModel:
    """Files that vLLM loads.

    Attributes:
        folder: Folder of a whole checkpoint.
        tokenizer: Folder of its tokenizer.
        adapter: Folder of a LoRA adapter on it; None for none.
        rank: Rank of the adapter.
        overrides: Values that replace those of its configuration.
    """

    folder: Path
    tokenizer: Path
    adapter: Path | None = None
    rank: int = 0
    overrides: dict[str, Any] | None = None


class VllmEngine(Engine):
    """Completes prompts with vLLM, in a process of its own.

    Args:
        model: The files to load.
        tokens: The model's tokens.
        schema: The columns of a record.
        bos_id: The token before the first record.
        eos_id: The token after the last one.
        context: The most tokens of prompt and completion.
        options: Options of the backend.
        log: Log file of vLLM; None for a temporary one.
    """

    capabilities = frozenset({"seed", "constrained", "forced-tokens", "log-probs"})
    sampling_options = frozenset({REPETITION_PENALTY})

    def __init__(
        self,
        model: VllmModel,
        tokens: BundleTokens,
        schema: ModelSchema,
        *,
        bos_id: int,
        eos_id: int,
        context: int,
        options: VllmOptions | None = None,
        log: Path | None = None,
    ) -> None:
        self.options = options or VllmOptions()
        self.vocabulary = tokens.vocabulary
        default = _SEQUENCES if self.vocabulary is None else _SMALL_MODEL_SEQUENCES
        self.max_num_seqs = self.options.max_num_seqs or default
        self.max_num_prompts = max(1_000, _PROMPTS_PER_SEQUENCE * self.max_num_seqs)
        self._model = model
        self._tokens = tokens
        self._schema = schema
        self._bos_id, self._eos_id, self._context = bos_id, eos_id, context
        self._log = log
        self._start_states = None if self.vocabulary is None else StartStates(self.vocabulary)
        self._regex = lru_cache(maxsize=1_024)(self._make_regex)
        self._process: VllmProcess | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> None:
        """Start vLLM and load the model; does nothing when it is started.

        Raises:
            GenerationError: vLLM did not start.
        """
        if self._process is not None:
            return
        self._scratch = tempfile.TemporaryDirectory(prefix="rowsmith-vllm-", ignore_cleanup_errors=True)
        folder = Path(self._scratch.name)
        setup = Setup(
            engine=self._engine_arguments(folder),
            adapter=None if self._model.adapter is None else str(self._model.adapter),
        )
        process = VllmProcess(setup, self._log or folder / "vllm.log", self.options.timeout)
        process.start(self.options.start_timeout)
        self._process = process

    def _engine_arguments(self, folder: Path) -> dict[str, Any]:
        options = self.options
        arguments: dict[str, Any] = {
            "model": str(self._model.folder),
            "tokenizer": str(self._model.tokenizer),
            "dtype": None if options.dtype == "auto" else options.dtype,
            "max_model_len": self._context,
            "max_num_seqs": self.max_num_seqs,
            "tensor_parallel_size": options.tensor_parallel_size,
            "gpu_memory_utilization": options.gpu_memory_utilization,
            "kv_cache_memory_bytes": int(options.cpu_cache_gib * 2**30),
            "enforce_eager": options.enforce_eager,
            "enable_prefix_caching": True,
            "trust_remote_code": False,
            "load_format": "safetensors",
            "generation_config": "vllm",
            "disable_log_stats": True,
            "hf_overrides": self._model.overrides or {},
            "logits_processors": [PROCESSOR],
            # The logits processor needs the tokens of the step before.
            "async_scheduling": False,
        }
        if self._model.adapter is not None:
            arguments |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": _supported_rank(self._model.rank)}
        if self._own_grammar:
            arguments["additional_config"] = {GRAMMAR_PATH: str(self._saved_grammar(folder))}
        else:
            arguments["structured_outputs_config"] = {"backend": options.grammar}
        return arguments | ({} if self.vocabulary is None else {"skip_tokenizer_init": True})

    @property
    def _own_grammar(self) -> bool:
        """Whether our logits processor enforces the grammar, and not vLLM's structured outputs."""
        return self.vocabulary is not None or self.options.grammar == "auto"

    def _saved_grammar(self, folder: Path) -> Path:
        saved = GrammarFile(
            schema=self._schema,
            pieces=None if self.vocabulary is None else self.vocabulary.state(),
            tokenizer=str(self._model.tokenizer),
            bos_id=self._bos_id,
            eos_id=self._eos_id,
        )
        saved.save(folder / "grammar.json")
        return folder / "grammar.json"

    def complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        """Complete every request once.

        Args:
            requests: The requests.
            params: Parameters of sampling.

        Yields:
            Blocks in the order of the requests, each row as soon as it and those before it are done, so that a
            consumer that stops early gets the same rows every time, and not the short ones first.

        Raises:
            GenerationError: The engine has not been started, it died or hangs, or forced ids break the grammar.
        """
        if self._process is None:
            raise GenerationError("the engine has not been started: call initialize() first")
        if params.log_probs and params.constrained and not self._own_grammar:
            raise ParameterError(
                "vLLM weighs the log-probabilities of its structured outputs by the grammar: set "
                "backend.options.grammar to auto, or do without log_probs"
            )
        requests = [evolve(each, max_tokens=self._limit(each, params)) for each in requests]
        completions = OrderedCompletions(requests, self._tokens.decode, self._eos_id, includes_forced=params.log_probs)
        prompted = [index for index, each in enumerate(requests) if params.log_probs or not self._is_complete(each)]
        job = Job(
            prompts=[self._prompt(requests[index], params) for index in prompted],
            max_running=_RUNNING_PER_SEQUENCE * self.max_num_seqs,
        )
        for index in sorted(set(range(len(requests))) - set(prompted)):
            completions.add_forced(index)
        if prompted:
            try:
                for finished in self._process.complete(job):
                    if finished is not None:
                        completions.add(finished, prompted)
                    yield from completions.ready()
            except GenerationError:
                # Finished completions are not lost, even if earlier ones are missing.
                yield from completions.flush()
                raise
        yield from completions.ready()

    def _limit(self, request: CompletionRequest, params: SamplingParams) -> int:
        available = self._context - len(request.prompt_ids)
        return min(request.max_tokens or params.max_new_tokens or available, available)

    def _prompt(self, request: CompletionRequest, params: SamplingParams) -> Prompt:
        # vLLM's log-probabilities of prompts ignore adapters, so forced ids are written as part of the completion.
        given = request.forced_ids if params.log_probs else ()
        forced = () if params.log_probs else request.forced_ids
        ids, limit = [*request.prompt_ids, *forced], request.max_tokens or 0
        if not ids:
            raise GenerationError("vLLM completes no empty prompt: give at least one token id")
        if params.constrained:
            self._check_forced(request)
        parameters = BatchRequest(
            request_id=request.request_id,
            seed=params.seed,
            forced=len(forced),
            given=given,
            max_tokens=limit,
            max_records=request.max_records,
            temperature=params.temperature,
            top_p=params.top_p,
            constrained=params.constrained,
            repetition_penalty=params.repetition_penalty,
        )
        arguments = {
            "temperature": 0.0,
            "extra_args": {REQUEST_KEY: asdict(parameters)},
            "max_tokens": limit - len(forced),
            "stop_token_ids": [self._eos_id],
            "logprobs": 0 if params.log_probs else None,
        }
        regex = self._request_regex(request) if params.constrained and not self._own_grammar else None
        return Prompt(ids=ids, params=arguments, regex=regex)

    def _request_regex(self, request: CompletionRequest) -> str:
        text = self._tokens.decode(request.forced_ids) if request.forced_ids else ""
        count, text = text.count("\n"), text.rpartition("\n")[2]
        max_records = None if request.max_records is None else request.max_records - count
        regex = self._regex(text, count > 0 or request.prompt_ids[-1:] != (self._bos_id,), max_records)
        return f"(?:{regex})?" if count and not text else regex

    def _check_forced(self, request: CompletionRequest) -> None:
        """Reject forced ids that would crash the engine.

        Raises:
            GenerationError: The forced ids break the grammar.
        """
        if self._start_states is not None:
            self._start_states.after([*request.prompt_ids, *request.forced_ids])
        elif self._own_grammar and request.forced_ids:
            self._grammar.matcher(request.forced_ids, follows=self._follows(request), most_records=request.max_records)

    def _follows(self, request: CompletionRequest) -> bool:
        return self._schema.step is not None and request.prompt_ids[-1:] != (self._bos_id,)

    @cached_property
    def _grammar(self) -> RecordGrammar:
        from rowsmith_backends.grammar.record_grammar import RecordGrammar

        tokenizer = self._tokens.tokenizer
        return RecordGrammar(
            schema=self._schema, tokenizer=tokenizer, vocabulary_size=len(tokenizer), eos_id=self._eos_id
        )

    def _is_complete(self, request: CompletionRequest) -> bool:
        """Whether the forced ids are the whole completion."""
        if not request.forced_ids:
            return False
        records = 0 if request.max_records is None else self._tokens.decode(request.forced_ids).count("\n")
        has_all_records = request.max_records is not None and records >= request.max_records
        return has_all_records or len(request.forced_ids) >= (request.max_tokens or 0)

    def _make_regex(self, text: str, follows: bool, most_records: int | None) -> str:
        return completion_regex(self._schema, begun=text, follows=follows, most_records=most_records)

    def stop(self) -> None:
        """Stop vLLM with all its processes, which frees its memory."""
        process, scratch = self._process, self._scratch
        self._process = self._scratch = None
        try:
            if process is not None:
                process.stop()
        finally:
            if scratch is not None:
                scratch.cleanup()

    def count_tokens(self, text: str) -> int:
        """Number of tokens that ``text`` takes."""
        return self._tokens.count(text)


def _supported_rank(rank: int) -> int:
    return next((each for each in _SUPPORTED_RANKS if each >= rank), _SUPPORTED_RANKS[-1])
