"""Peak learning rate of a pretrained model, from its hidden size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

__all__ = ["learning_rate_for"]

# Over many Llama and Qwen models the best rate of a LoRA adapter was ten times that of full fine-tuning, and fell
# with the hidden size (J. Schulman and Thinking Machines Lab, "LoRA Without Regret", 2025).
_FULL, _ADAPTER = 5e-5, 5e-4
_WIDTH, _POWER = 2_000, 0.78
# Upper bound for narrower models, which were not measured there.
_HIGHEST = 4


def learning_rate_for(config: PreTrainedConfig, *, full: bool) -> float:
    """The peak rate of AdamW.

    Args:
        config: The model's configuration.
        full: Whether all weights are trained, and not an adapter alone.
    """
    width: int = getattr(config.get_text_config(), "hidden_size", None) or _WIDTH
    wider: float = (_WIDTH / width) ** _POWER
    return (_FULL if full else _ADAPTER) * min(_HIGHEST, wider)
