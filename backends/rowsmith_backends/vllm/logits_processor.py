"""What draws tokens inside vLLM: a logits processor around ``slot_draws``.

Imported by vLLM in the processes that run the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from vllm.v1.sample.logits_processor import LogitsProcessor, MoveDirectionality

from rowsmith_backends.sampling.slot_draws import SlotDraws, SlotRequest
from rowsmith_backends.scratch.decoding.slot_sampling import Steering
from rowsmith_backends.vllm.grammar import GRAMMAR_PATH, WISHES, GrammarFile

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.v1.sample.logits_processor import BatchUpdate

__all__ = ["DrawingProcessor"]


class DrawingProcessor(LogitsProcessor):
    """Draws the next token of every request that says what it wants, and refuses all others.

    Args:
        vllm_config: The engine's configuration.
        device: Where the logits are.
        is_pin_memory: Not needed here.
    """

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self._draws = _draws(vllm_config, device)

    def is_argmax_invariant(self) -> bool:
        """It decides what the likeliest token is."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow the requests to their new places in the batch."""
        if batch_update is None:
            return
        for slot in batch_update.removed:
            self._draws.leave(slot)
        for slot, params, prompt, written in batch_update.added:
            wishes = (params.extra_args or {}).get(WISHES)
            if wishes is None or prompt is None:
                self._draws.leave(slot)
            else:
                self._draws.enter(slot, SlotRequest(**wishes), prompt, written)
        for first, second, way in batch_update.moved:
            self._draws.swap(first, second)
            if way == MoveDirectionality.UNIDIRECTIONAL:
                self._draws.leave(first)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Choose the next tokens."""
        return self._draws.steer(logits)


def _draws(vllm_config: VllmConfig, device: torch.device) -> SlotDraws:
    slots, path = vllm_config.scheduler_config.max_num_seqs, vllm_config.additional_config.get(GRAMMAR_PATH)
    if path is None:
        return SlotDraws(slots)
    found = GrammarFile.load(Path(path))
    vocabulary = found.vocabulary
    if vocabulary is not None:
        return Steering(vocabulary, slots, device)
    from rowsmith_backends.grammar.record_grammar import RecordGrammar
    from rowsmith_backends.grammar.slot_sampling import GrammarDraws
    from rowsmith_backends.pretrained.loading import load_tokenizer

    grammar = RecordGrammar(
        schema=found.schema,
        tokenizer=load_tokenizer(Path(found.tokenizer)),
        vocabulary_size=vllm_config.model_config.get_vocab_size(),
        eos_id=found.eos_id,
        threads=torch.get_num_threads(),
    )
    return GrammarDraws(slots, grammar, found.bos_id)
