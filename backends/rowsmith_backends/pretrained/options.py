"""Options of the model ``pretrained``; importing them imports nothing heavy."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen, validators

from rowsmith.assembly.metadata import DEFAULT_INSTRUCTION, DEFAULT_TEMPLATE, MAX_ROPE_SCALING_FACTOR
from rowsmith.config.sections import between

__all__ = ["PretrainedOptions"]

_most = between(1, 1_000_000)
_widest = between(1, 65_536)
_rate = between(0, 10, above=True)


def _given(instance: object, attribute: Any, value: str) -> None:
    if not value.strip():
        raise ValueError("name a folder, or a model of the Hugging Face hub")


def _not_none(instance: object, attribute: Any, value: tuple[str, ...]) -> None:
    if not value or "" in value:
        raise ValueError("name at least one layer, or leave it out for all linear layers")


@frozen(kw_only=True)
class PretrainedOptions:
    """Options of the model ``pretrained``.

    Attributes:
        base: The pretrained model: a folder, or the id of a causal language model on the Hugging Face hub.
        revision: Branch, tag or commit on the hub; by default its main branch.
        full: Whether all weights are trained and saved, and not a LoRA adapter alone.
        rank: Rank of the adapter's matrices.
        alpha: Scale of the adapter; by default the rank.
        rslora: Whether the scale is divided by the root of the rank (rank-stabilised LoRA), not by the rank.
        target_modules: Names of the layers that get an adapter, such as ``q_proj``; by default all linear layers
            but the output layer.
        dropout: Share of an adapter's inputs that a step of training leaves out.
        learning_rate: Peak rate of AdamW; by default chosen from the model's hidden size.
        weight_decay: Decoupled weight decay.
        batch_tokens: Tokens a step, about; by default a fortieth of the table's, from 2048 to 16384.
        gradient_accumulation: In how many parts a step is computed; more take less memory.
        gradient_checkpointing: Whether activations are recomputed instead of stored, which takes less memory and more
            time.
        context: The most tokens of an example, before RoPE scaling; by default what the table needs, at
            least 2048, and at most what the model reads.
        rope_scaling_factor: Factor by which the context of the model is extended.
        max_sequences_per_example: The most records of an example (groups, for grouped tables); by default as
            many as there is room for.
        instruction: The text of the prompt.
        template: Layout of the prompt: text with the placeholders ``{instruction}`` and ``{schema}``.
        max_values: The most values of a column of which only those seen in training can be generated; columns
            of more are open.
        dtype: Precision of training: ``auto`` takes bfloat16 where the hardware multiplies it.
    """

    base: str = field(validator=_given)
    revision: str | None = None
    full: bool = False
    rank: int = field(default=32, validator=between(1, 4_096))
    alpha: float | None = field(default=None, validator=between(0, 65_536, above=True))
    rslora: bool = True
    target_modules: tuple[str, ...] = field(default=("all-linear",), validator=_not_none)
    dropout: float = field(default=0.0, validator=between(0, 0.95))
    learning_rate: float | None = field(default=None, validator=_rate)
    weight_decay: float = field(default=0.01, validator=between(0, 10))
    batch_tokens: int | None = field(default=None, validator=between(1, 100_000_000))
    gradient_accumulation: int = field(default=1, validator=_most)
    gradient_checkpointing: bool = False
    context: int | None = field(default=None, validator=between(8, 10_000_000))
    rope_scaling_factor: float = field(default=1.0, validator=between(1, MAX_ROPE_SCALING_FACTOR))
    max_sequences_per_example: int | None = field(default=None, validator=_most)
    instruction: str = DEFAULT_INSTRUCTION
    template: str = DEFAULT_TEMPLATE
    max_values: int = field(default=2_000, validator=_widest)
    dtype: str = field(default="auto", validator=validators.in_(("auto", "float32", "bfloat16")))
