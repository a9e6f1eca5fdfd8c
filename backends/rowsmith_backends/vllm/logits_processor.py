"""Logits processor that samples tokens inside vLLM, around ``batch_sampler``.

vLLM imports it in the processes that run the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from vllm.v1.sample.logits_processor import LogitsProcessor, MoveDirectionality

from rowsmith_backends.sampling.batch_sampler import BatchRequest, BatchSampler
from rowsmith_backends.scratch.decoding.batch_sampler import AutomatonBatchSampler
from rowsmith_backends.vllm.grammar import GRAMMAR_PATH, REQUEST_KEY, GrammarFile

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.v1.sample.logits_processor import BatchUpdate

__all__ = ["DrawingProcessor"]


class DrawingProcessor(LogitsProcessor):
    """Samples the next token of every request with sampling parameters of ours, and masks all others.

    Args:
        vllm_config: The engine's configuration.
        device: Device of the logits.
        is_pin_memory: Unused.
    """

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self._sampler = _batch_sampler(vllm_config, device)

    def is_argmax_invariant(self) -> bool:
        """Always False: the processor changes the likeliest token."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow requests that enter, leave or move in the batch."""
        if batch_update is None:
            return
        for row in batch_update.removed:
            self._sampler.remove(row)
        for row, params, prompt, written in batch_update.added:
            parameters = (params.extra_args or {}).get(REQUEST_KEY)
            if parameters is None or prompt is None:
                self._sampler.remove(row)
            else:
                self._sampler.add(row, BatchRequest(**parameters), prompt, written)
        for first, second, direction in batch_update.moved:
            self._sampler.swap(first, second)
            if direction == MoveDirectionality.UNIDIRECTIONAL:
                self._sampler.remove(first)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Sample the next tokens."""
        return self._sampler.sample(logits)


def _batch_sampler(vllm_config: VllmConfig, device: torch.device) -> BatchSampler:
    max_requests, path = vllm_config.scheduler_config.max_num_seqs, vllm_config.additional_config.get(GRAMMAR_PATH)
    if path is None:
        return BatchSampler(max_requests)
    grammar_file = GrammarFile.load(Path(path))
    vocabulary = grammar_file.vocabulary
    if vocabulary is not None:
        return AutomatonBatchSampler(vocabulary, max_requests, device)
    from rowsmith_backends.grammar.batch_sampler import GrammarBatchSampler
    from rowsmith_backends.grammar.record_grammar import RecordGrammar
    from rowsmith_backends.pretrained.loading import load_tokenizer

    grammar = RecordGrammar(
        schema=grammar_file.schema,
        tokenizer=load_tokenizer(Path(grammar_file.tokenizer)),
        vocabulary_size=vllm_config.model_config.get_vocab_size(),
        eos_id=grammar_file.eos_id,
        threads=torch.get_num_threads(),
    )
    return GrammarBatchSampler(max_requests, grammar, grammar_file.bos_id)
