"""Options of the backend ``vllm``; importing them imports nothing heavy."""

from __future__ import annotations

from attrs import field, frozen, validators

from rowsmith.config.sections import between

__all__ = ["VllmOptions"]

_seconds = between(0, 86_400, above=True)


@frozen(kw_only=True)
class VllmOptions:
    """Options of the backend ``vllm``.

    Attributes:
        dtype: Precision: ``auto`` takes bfloat16 on a GPU, and on a CPU the precision of the weights, or float32.
        tensor_parallel_size: GPUs over which the layers of the model are spread.
        gpu_memory_utilization: Share of a GPU's memory that vLLM may take.
        cpu_cache_gib: Size of the KV cache on a CPU, in GiB.
        max_model_len: The most tokens of prompt and completion; by default what the model was trained with.
        max_num_seqs: Running requests at the same time; by default 256, and 1024 for small models trained from
            scratch.
        enforce_eager: Whether the model runs as it is written; by default it is compiled on a GPU, and not on a CPU.
        grammar: How a pretrained model is constrained to the record grammar: ``auto`` is llguidance in the logits
            processor, the others are backends of vLLM's structured outputs.
        timeout: Seconds without a step after which the engine counts as hung.
        start_timeout: Seconds that the start may take.
    """

    dtype: str = field(default="auto", validator=validators.in_(("auto", "float32", "bfloat16", "float16")))
    tensor_parallel_size: int = field(default=1, validator=between(1, 1_024))
    gpu_memory_utilization: float = field(default=0.9, validator=between(0, 1, above=True))
    cpu_cache_gib: float = field(default=2.0, validator=between(0, 65_536, above=True))
    max_model_len: int | None = field(default=None, validator=between(2, 10_000_000))
    max_num_seqs: int | None = field(default=None, validator=between(1, 65_536))
    enforce_eager: bool | None = None
    grammar: str = field(
        default="auto",
        validator=validators.in_(("auto", "xgrammar", "guidance", "outlines", "lm-format-enforcer")),
    )
    timeout: float = field(default=300.0, validator=_seconds)
    start_timeout: float = field(default=1_800.0, validator=_seconds)
