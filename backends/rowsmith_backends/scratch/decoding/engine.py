"""Engine of columnar checkpoints for the backend ``transformers``: decoding in large batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from attrs import evolve

from rowsmith.errors import BundleError, GenerationError
from rowsmith.generation.requests import (
    REPETITION_PENALTY,
    AllowedValues,
    CompletionBlock,
    CompletionRequest,
    Engine,
    FinishReason,
    SamplingParams,
)
from rowsmith.model.bundle_safety import check_checkpoint
from rowsmith.randomness.draws import Draws
from rowsmith.storage.malloc import retain_freed_memory
from rowsmith.vocabulary import ClosedField, OpenField, Vocabulary
from rowsmith_backends.sampling.conditions import choose, effective_sizes
from rowsmith_backends.sampling.decoded import Decoded, joined
from rowsmith_backends.sampling.device import on_device
from rowsmith_backends.sampling.precision import chosen_dtype
from rowsmith_backends.sampling.scoring import completion_log_probs
from rowsmith_backends.scratch.decoding.automaton import TokenAutomaton, build_automaton
from rowsmith_backends.scratch.decoding.forward_step import ForwardStep, forward_step_for
from rowsmith_backends.scratch.decoding.group_positions import PositionDecoder
from rowsmith_backends.scratch.decoding.sampler import CompletionStart, SamplingSettings, decode_records
from rowsmith_backends.training.progress_bars import no_progress_bars

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["ColumnarEngine"]

# Rows with a common prefix share work, so large calls are cheaper; a call allocates nothing but their ids.
MAX_ROWS = 50_000
_MAX_IDS = 16_000_000


class ColumnarEngine(Engine):
    """Completes prompts with a checkpoint in this process.

    Args:
        directory: An ordinary checkpoint with its tokenizer.
        vocabulary: The columnar vocabulary it was trained with.
        batch_size: The most distinct prefixes in one forward step.
        dtype: Precision of matrix products, as torch names it; ``auto`` goes by the device.
        device: A torch device; ``auto`` takes a GPU when there is one.
    """

    capabilities = frozenset({"seed", "constrained", "forced-tokens", "log-probs", "conditions"})
    sampling_options = frozenset({REPETITION_PENALTY})
    vocabulary: Vocabulary

    def __init__(
        self,
        directory: Path,
        vocabulary: Vocabulary,
        *,
        batch_size: int = 2_048,
        dtype: str = "auto",
        device: str = "auto",
    ) -> None:
        self.directory = directory
        self.vocabulary = vocabulary
        self.batch_size = batch_size
        self.dtype = dtype
        self.device = device
        self.max_num_prompts = MAX_ROWS
        self._forward_step: ForwardStep | None = None
        self._model: PreTrainedModel | None = None
        self._longest = 0
        self._tokenizer: PreTrainedTokenizerBase | None = None
        self._automaton: TokenAutomaton | None = None
        self._position_decoder: PositionDecoder | None = None

    def start(self) -> None:
        """Load the checkpoint and build the record grammar.

        Raises:
            BundleError: The checkpoint is damaged, or holds more than data.
            GenerationError: There is no such device.
        """
        check_checkpoint(self.directory)
        retain_freed_memory()
        loaded, self._tokenizer = self._loaded()
        with on_device(self.device) as device:
            self._model = model = loaded.to(device).eval()
        self._longest = model.config.max_position_embeddings
        self._forward_step = forward_step_for(model, chosen_dtype(self.dtype, model.device), self._longest)
        self.max_num_prompts = max(1, min(MAX_ROWS, _MAX_IDS // self._longest))
        self._automaton = build_automaton(self.vocabulary)
        self._position_decoder = PositionDecoder.of(self.vocabulary)

    @no_progress_bars()
    def _loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from rowsmith_backends.pretrained.loading import check_all_loaded

        try:
            model, info = AutoModelForCausalLM.from_pretrained(
                self.directory,
                dtype=torch.float32,
                attn_implementation="eager",
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(self.directory, trust_remote_code=False, local_files_only=True)
        except Exception as error:
            # Loaders raise errors of every kind, some of them plain exceptions.
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise BundleError(
                f"{self.directory} cannot be loaded ({reason}). Train again, or restore the files."
            ) from error
        check_all_loaded(self.directory, info)
        return model, tokenizer

    def complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        """Complete every request once; requests of prompts of one length are decoded together.

        Args:
            requests: What to complete.
            params: How to draw.

        Yields:
            Blocks in the order of their prompts' lengths.

        Raises:
            GenerationError: The engine has not been started, or forced ids break the grammar.
        """
        if self._forward_step is None or self._automaton is None:
            raise GenerationError("the engine has not been started: call initialize() first")
        if params.allowed is not None:
            yield from self._complete_under(params.allowed, requests, params)
            return
        for ids, decoded, prompts in self._decoded(requests, params):
            yield self._block(ids, decoded, prompts if params.log_probs else None)

    def _decoded(
        self, requests: Sequence[CompletionRequest], params: SamplingParams
    ) -> Iterator[tuple[npt.NDArray[np.int64], Decoded, list[tuple[int, ...]]]]:
        """Completions with the request id and the prompt of each row, as they finish."""
        assert self._forward_step is not None and self._automaton is not None
        for shape, requests_alike in sorted(_by_shape(requests).items()):
            sampling = self._sampling(params, shape)
            for members in _portions(requests_alike, self.batch_size):
                starts = sorted(members)
                ids = np.array([request_id for each in starts for request_id in members[each]], dtype=np.int64)
                prefixes = np.repeat(np.arange(len(starts)), [len(members[each]) for each in starts])
                for decoded in decode_records(
                    self._forward_step,
                    self._automaton,
                    [self._start(prompt, forced) for prompt, forced in starts],
                    prefixes,
                    Draws(params.seed, ids),
                    evolve(sampling, given=self._given(requests_alike, ids)),
                    eos=self.vocabulary.eos_id,
                    pad=self.vocabulary.pad_id,
                    position_decoder=self._position_decoder,
                ):
                    yield ids[decoded.rows], decoded, [starts[prefix][0] for prefix in prefixes[decoded.rows]]

    def _complete_under(
        self, allowed: AllowedValues, requests: Sequence[CompletionRequest], params: SamplingParams
    ) -> Iterator[CompletionBlock]:
        """Complete each request several times, and choose one of the candidates by its weight."""
        number, portion = allowed.candidates, max(1, self.max_num_prompts or MAX_ROWS) // allowed.candidates
        for start in range(0, len(requests), max(1, portion)):
            own = requests[start : start + max(1, portion)]
            chances = [evolve(each, request_id=each.request_id * number + n) for each in own for n in range(number)]
            found = list(self._decoded(chances, params))
            order = np.argsort(np.concatenate([ids for ids, _, _ in found]), kind="stable")
            log_weights = np.concatenate([each.log_weights for _, each, _ in found])[order].reshape(-1, number)
            own_ids = np.array(sorted(each.request_id for each in own), dtype=np.int64)
            chosen = choose(log_weights, Draws(params.seed, own_ids).uniform("conditions"))
            rows = order.reshape(-1, number)[np.arange(len(chosen)), chosen]
            decoded = joined([each for _, each, _ in found], rows, self.vocabulary.pad_id)
            decoded.lengths[chosen < 0] = 0
            prompts = [prompt for *_, some in found for prompt in some]
            block = self._block(own_ids, decoded, [prompts[row] for row in rows] if params.log_probs else None)
            yield evolve(
                block,
                candidates=effective_sizes(log_weights).astype(np.float32),
                log_weights=np.logaddexp.reduce(log_weights, axis=1) - np.log(number),
            )

    def _start(self, prompt: tuple[int, ...], forced: tuple[int, ...]) -> CompletionStart:
        """Start of a completion; the records of a prompt are the ids after the last BOS."""
        bos = self.vocabulary.bos_id
        records = prompt[len(prompt) - prompt[::-1].index(bos) :] if bos in prompt else ()
        return CompletionStart(prompt=prompt, records=records, forced=forced)

    def _sampling(self, params: SamplingParams, shape: _Shape) -> SamplingSettings:
        room = self._longest - shape.prompt
        return SamplingSettings(
            temperature=params.temperature,
            top_p=params.top_p,
            repetition_penalty=params.repetition_penalty,
            max_tokens=min(shape.max_tokens or params.max_new_tokens or room, room),
            max_records=shape.max_records or None,
            constrained=params.constrained,
            max_prefixes=self.batch_size,
            excluded={} if params.allowed is None else self._excluded(params.allowed),
        )

    def _given(self, requests: Sequence[CompletionRequest], ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
        """The token that each request is given for each column, ``[requests, columns]``, -1 for none."""
        given = {request.request_id: request.given for request in requests if request.given}
        if not given:
            return None
        tokens = {item.name: _tokens(item) for item in self.vocabulary.fields}
        columns = {item.name: column for column, item in enumerate(self.vocabulary.fields)}
        found = np.full((len(ids), len(columns)), -1, dtype=np.int64)
        for row, request_id in enumerate(ids.tolist()):
            for name, value in given.get(request_id, ()):
                found[row, columns[name]] = tokens[name].get(value, -1)
        return found

    def _excluded(self, allowed: AllowedValues) -> dict[int, npt.NDArray[np.bool_]]:
        """The ids that a condition excludes, ``[ids]`` by the automaton state on entry to its column."""
        assert self._automaton is not None
        excluded = {}
        for entry, item in zip(self._automaton.entries, self.vocabulary.fields, strict=True):
            if item.name not in allowed.columns:
                continue
            values, mask = allowed.columns[item.name], np.zeros(len(self.vocabulary), dtype=np.bool_)
            if isinstance(item, ClosedField):
                mask[item.start : item.stop] = [value not in values for value in item.values]
            else:
                mask[item.start] = all(value is None for value in values)
                if item.null_id is not None:
                    mask[item.null_id] = None not in values
            excluded[entry] = mask
        return excluded

    def _block(
        self, ids: npt.NDArray[np.int64], decoded: Decoded, prompts: Sequence[Sequence[int]] | None
    ) -> CompletionBlock:
        """Block of completions, with log-probabilities of their tokens if their prompts are given."""
        return CompletionBlock(
            request_ids=ids,
            ids=decoded.ids,
            lengths=decoded.lengths,
            finish_reasons=[FinishReason.STOP if done else FinishReason.LENGTH for done in decoded.finished],
            decode=self.vocabulary.decode,
            log_probs=None
            if prompts is None
            else completion_log_probs(self._model, prompts, decoded.ids, decoded.lengths),
        )

    def stop(self) -> None:
        """Unload the model."""
        self._forward_step = self._model = self._tokenizer = self._automaton = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def count_tokens(self, text: str) -> int:
        """Number of tokens that ``text`` takes."""
        if self._tokenizer is None:
            raise GenerationError("the engine has not been started: call initialize() first")
        return len(self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids)


def _tokens(item: ClosedField | OpenField) -> dict[str | None, int]:
    """The token of each value of a column that is a single token."""
    if isinstance(item, ClosedField):
        return {value: item.start + offset for offset, value in enumerate(item.values[: item.generated])}
    return {} if item.null_id is None else {None: item.null_id}


_Members = dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]]


def _portions(requests: Sequence[CompletionRequest], max_starts: int) -> Iterator[_Members]:
    """Request ids by prompt and forced ids, in portions of at most ``max_starts`` such pairs."""
    members: _Members = {}
    for request in requests:
        start = request.prompt_ids, request.forced_ids
        if start not in members and len(members) == max_starts:
            yield members
            members = {}
        members.setdefault(start, []).append(request.request_id)
    yield members


class _Shape(NamedTuple):
    """Lengths in tokens and limits (0 for none) that requests decoded together share."""

    prompt: int
    forced: int
    max_tokens: int
    max_records: int


def _by_shape(requests: Sequence[CompletionRequest]) -> dict[_Shape, list[CompletionRequest]]:
    requests_alike: dict[_Shape, list[CompletionRequest]] = {}
    for request in requests:
        requests_alike.setdefault(_shape_of(request), []).append(request)
    return requests_alike


def _shape_of(request: CompletionRequest) -> _Shape:
    return _Shape(
        prompt=len(request.prompt_ids),
        forced=len(request.forced_ids),
        max_tokens=request.max_tokens or 0,
        max_records=request.max_records or 0,
    )
