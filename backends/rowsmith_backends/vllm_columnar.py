"""What samples columnar models inside vLLM: a logits processor around ``columnar_steering``.

Imported by vLLM in the processes that run the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vllm.v1.sample.logits_processor import LogitsProcessor, MoveDirectionality

from rowsmith_backends.columnar_steering import SteeredRequest, Steering
from rowsmith_backends.vllm_vocabulary import VOCABULARY_PATH, WISHES, load_vocabulary

if TYPE_CHECKING:
    import torch
    from vllm.config import VllmConfig
    from vllm.v1.sample.logits_processor import BatchUpdate

__all__ = ["ColumnarProcessor"]


class ColumnarProcessor(LogitsProcessor):
    """Draws the next token of every request that says what it wants, and refuses all others.

    Args:
        vllm_config: The engine's configuration.
        device: Where the logits are.
        is_pin_memory: Not needed here.
    """

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        path = vllm_config.additional_config[VOCABULARY_PATH]
        self._steering = Steering(load_vocabulary(Path(path)), vllm_config.scheduler_config.max_num_seqs, device)

    def is_argmax_invariant(self) -> bool:
        """It decides what the likeliest token is."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow the requests to their new places in the batch."""
        if batch_update is None:
            return
        for slot in batch_update.removed:
            self._steering.leave(slot)
        for slot, params, prompt, written in batch_update.added:
            wishes = (params.extra_args or {}).get(WISHES)
            if wishes is None or prompt is None:
                self._steering.leave(slot)
            else:
                self._steering.enter(slot, SteeredRequest(**wishes), prompt, written)
        for first, second, way in batch_update.moved:
            self._steering.swap(first, second)
            if way == MoveDirectionality.UNIDIRECTIONAL:
                self._steering.leave(first)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Choose the next tokens."""
        return self._steering.steer(logits)
