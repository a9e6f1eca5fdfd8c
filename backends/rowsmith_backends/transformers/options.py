"""Options of the backend ``transformers``; importing them imports nothing heavy."""

from __future__ import annotations

from attrs import field, frozen, validators

from rowsmith.config.sections import between

__all__ = ["TransformersOptions"]


@frozen(kw_only=True)
class TransformersOptions:
    """Options of the backend ``transformers``.

    Attributes:
        batch_size: The most distinct prefixes of records in one forward step; with pretrained models, the most
            completions.
        batch_tokens: With pretrained models, the most tokens of a batch, prompts and longest completions together; by
            default as many as fit into a KV cache of 2 GiB, or of a quarter of a GPU's memory.
        merge_adapter: Whether an adapter becomes part of its base model's weights, which is faster; in bfloat16 it
            rounds them once more.
        dtype: Precision of matrix products: ``auto`` takes bfloat16 where the hardware multiplies it.
        device: Where to generate: ``auto`` takes a GPU when there is one.
    """

    batch_size: int = field(default=2_048, validator=between(1, 1_000_000))
    batch_tokens: int | None = field(default=None, validator=between(1, 1_000_000_000))
    merge_adapter: bool = True
    dtype: str = field(default="auto", validator=validators.in_(("auto", "float32", "bfloat16")))
    device: str = field(default="auto", validator=validators.matches_re(r"[a-z]+(:[0-9]{1,3})?"))
