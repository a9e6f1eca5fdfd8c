"""Engine of fine-tuned pretrained models, which have a tokenizer of their own, in this process."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rowsmith.errors import GenerationError
from rowsmith.generation.requests import (
    REPETITION_PENALTY,
    CompletionBlock,
    CompletionRequest,
    Engine,
    FinishReason,
    SamplingParams,
)
from rowsmith.storage.malloc import retain_freed_memory
from rowsmith_backends.grammar.record_grammar import RecordGrammar
from rowsmith_backends.sampling.decoded import Decoded
from rowsmith_backends.sampling.device import on_device
from rowsmith_backends.sampling.precision import chosen_dtype
from rowsmith_backends.sampling.scoring import completion_log_probs
from rowsmith_backends.timeseries.codec import codec_of_tokenizer
from rowsmith_backends.transformers.batches import CausalBatch, batches_of
from rowsmith_backends.transformers.decoding import CausalDecoder
from rowsmith_backends.transformers.kv_cache import token_bytes

if TYPE_CHECKING:
    from rowsmith.assembly.metadata import LLMPromptConfig
    from rowsmith.model import Bundle
    from rowsmith.table.schema import ModelSchema

__all__ = ["CausalEngine"]

# KV cache of one batch: bytes on a CPU; on a GPU, one part in so many of its memory.
_CACHE_BYTES = 2 << 30
_CACHE_PART = 4
_WARN_BELOW = 0.5

_logger = logging.getLogger(__name__)


class CausalEngine(Engine):
    """Completes prompts with any causal language model of transformers.

    Args:
        load: Loads the model, given the precision of its weights.
        load_tokenizer: Loads its tokenizer.
        schema: The columns of a record.
        prompt_config: Layout of prompts: the ids that begin and end a sequence of records.
        context: The most tokens of prompt and completion.
        batch_size: The most completions in one step of the model.
        batch_tokens: The most tokens of a batch, prompts and longest completions together; None for as many as
            fit into a KV cache of 2 GiB, or of a quarter of a GPU's memory.
        dtype: Precision, as torch names it; ``auto`` goes by the device.
        device: A torch device; ``auto`` takes a GPU when there is one.
    """

    capabilities = frozenset({"seed", "constrained", "forced-tokens", "log-probs"})
    sampling_options = frozenset({REPETITION_PENALTY})

    def __init__(
        self,
        load: Callable[[torch.dtype], Any],
        load_tokenizer: Callable[[], Any],
        schema: ModelSchema,
        prompt_config: LLMPromptConfig,
        *,
        context: int,
        batch_size: int = 2_048,
        batch_tokens: int | None = None,
        dtype: str = "auto",
        device: str = "auto",
    ) -> None:
        self.schema = schema
        self.prompt_config = prompt_config
        self.context = context
        self.batch_size = batch_size
        self.batch_tokens = batch_tokens
        self.dtype = dtype
        self.device = device
        self._load = load
        self._load_tokenizer = load_tokenizer
        self._model: Any = None
        self._tokenizer: Any = None
        self._decode: Any = None
        self._grammar: RecordGrammar | None = None
        self._warned = False

    @classmethod
    def of_bundle(cls, bundle: Bundle, *, merge: bool = True, **options: Any) -> CausalEngine:
        """The engine of a trained model.

        Args:
            bundle: The trained model.
            merge: Whether an adapter becomes part of its base model's weights.
            **options: Batch sizes, precision and device.
        """
        from rowsmith_backends.pretrained.loading import load_bundle_model, load_bundle_tokenizer

        return cls(
            lambda dtype: load_bundle_model(bundle, dtype=dtype, merge=merge),
            lambda: load_bundle_tokenizer(bundle),
            bundle.model_schema,
            bundle.metadata.prompt_config,
            context=bundle.metadata.max_seq_length,
            **options,
        )

    def start(self) -> None:
        """Load the model; the grammar is compiled on first use.

        Raises:
            BundleError: The model is damaged, holds more than data, or its base model is missing.
            GenerationError: There is no such device.
        """
        retain_freed_memory()
        self._tokenizer = self._load_tokenizer()
        self._decode = codec_of_tokenizer(self.schema, self._tokenizer).decode
        with on_device(self.device) as device:
            dtype = chosen_dtype(self.dtype, device)
        model = self._load(dtype)
        with on_device(self.device) as device:
            self._model = model.to(device).eval()

    def complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        """Complete every request once; requests with prompts of similar length are decoded together.

        Args:
            requests: The requests.
            params: Parameters of sampling.

        Yields:
            Completions as they finish, those with short prompts first.

        Raises:
            GenerationError: The engine has not been started, a prompt is too long, or forced ids break the grammar.
        """
        if self._model is None:
            raise GenerationError("the engine has not been started: call initialize() first")
        decoder = self._decoder(params.constrained)
        for batch in batches_of(
            requests,
            params,
            context=self.context,
            most_rows=self.batch_size,
            most_tokens=self.batch_tokens or self._max_batch_tokens(),
        ):
            with contextlib.closing(decoder.run(batch, params)) as parts:
                for decoded in parts:
                    yield self._block(batch, decoded, params.log_probs)
        self._report_allowed_shares(decoder.allowed_shares)

    def _decoder(self, constrained: bool) -> CausalDecoder:
        if constrained and self._grammar is None:
            self._grammar = RecordGrammar(
                self.schema,
                self._tokenizer,
                len(self._model.get_output_embeddings().weight),
                self.prompt_config.eos_token_id,
                threads=torch.get_num_threads(),
            )
        return CausalDecoder(
            model=self._model,
            eos_id=self.prompt_config.eos_token_id,
            bos_id=self.prompt_config.bos_token_id,
            decode=self._decode,
            grammar=self._grammar if constrained else None,
        )

    def _max_batch_tokens(self) -> int:
        # Depends on the model and the machine alone, not on free memory, so that batches are reproducible.
        device = self._model.device
        cache_bytes = _CACHE_BYTES
        if device.type == "cuda":
            cache_bytes = torch.cuda.get_device_properties(device).total_memory // _CACHE_PART
        return max(1, cache_bytes // token_bytes(self._model.config, self._model.dtype))

    def _block(self, batch: CausalBatch, decoded: Decoded, scored: bool) -> CompletionBlock:
        prompts = [batch.starts[batch.owners[row]].prompt for row in decoded.rows]
        return CompletionBlock(
            request_ids=batch.request_ids[decoded.rows],
            ids=decoded.ids,
            lengths=decoded.lengths,
            finish_reasons=[FinishReason.STOP if done else FinishReason.LENGTH for done in decoded.finished],
            decode=self._decode,
            log_probs=completion_log_probs(self._model, prompts, decoded.ids, decoded.lengths) if scored else None,
        )

    def _report_allowed_shares(self, allowed_shares: Sequence[float]) -> None:
        """Log the share of the model's probability that the grammar left; warn once if it is small."""
        if not allowed_shares:
            return
        share = float(np.mean(allowed_shares))
        _logger.debug("the grammar left %.3f of the model's probability", share)
        if share < _WARN_BELOW and not self._warned:
            self._warned = True
            _logger.warning(
                "the grammar left only %.0f %% of the model's probability: it has hardly learned to write records, and "
                "what it writes follows the grammar more than the table; train longer",
                100 * share,
            )

    def stop(self) -> None:
        """Unload the model."""
        self._model = self._tokenizer = self._decode = self._grammar = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def count_tokens(self, text: str) -> int:
        """Number of tokens that ``text`` takes."""
        if self._tokenizer is None:
            raise GenerationError("the engine has not been started: call initialize() first")
        return len(self._tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False).input_ids)
