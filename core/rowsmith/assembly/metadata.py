"""Model metadata for assembly and generation: prompt layout, special tokens, context length.

Imports nothing heavy. One ``ModelMetadata`` is written into the bundle at training and read back at
generation, so that both lay a prompt out in the same way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import define, field

from rowsmith.errors import ParameterError
from rowsmith.table.schema import ModelSchema

__all__ = [
    "DEFAULT_BASE_SEQ_LENGTH",
    "DEFAULT_INSTRUCTION",
    "DEFAULT_TEMPLATE",
    "MAX_ROPE_SCALING_FACTOR",
    "LLMPromptConfig",
    "ModelMetadata",
    "RopeScaling",
]

DEFAULT_BASE_SEQ_LENGTH = 2048
MAX_ROPE_SCALING_FACTOR = 6
_LONGEST_CONTEXT = 2**24
DEFAULT_INSTRUCTION = "Write records of a table as JSON, one record on a line, with these columns: "
DEFAULT_TEMPLATE = "{instruction}{schema}\n"


def _at_least_one(instance: object, attribute: Any, value: int | None) -> None:
    if value is not None and value < 1:
        raise ParameterError(f"{attribute.name} is {value}; give a whole number of at least 1")


def _check_length(instance: object, attribute: Any, value: int) -> None:
    if type(value) is not int or not 1 <= value <= _LONGEST_CONTEXT:
        raise ParameterError(f"{attribute.name} is {value!r:.100}; give a whole number from 1 to {_LONGEST_CONTEXT:,}")


def _check_factor(instance: object, attribute: Any, value: float) -> None:
    if not 1 <= value <= MAX_ROPE_SCALING_FACTOR:
        raise ParameterError(f"the rope scaling factor is {value}; give a number from 1 to {MAX_ROPE_SCALING_FACTOR}")


@define
class LLMPromptConfig:
    """How a prompt is written, and the tokens that enclose prompts and sequences of records.

    Attributes:
        template: Text with the fields ``{instruction}``, ``{schema}`` and ``{prefill}``; empty for
            models that take no prompt.
        add_bos_token_to_prompt: Whether a BOS token is added before the prompt.
        add_eos_token_to_prompt: Whether an EOS token is added after the prompt.
        bos_token: Text of the token that begins a sequence of records.
        bos_token_id: Its id.
        eos_token: Text of the token that ends a sequence of records.
        eos_token_id: Its id.
    """

    template: str
    add_bos_token_to_prompt: bool
    add_eos_token_to_prompt: bool
    bos_token: str
    bos_token_id: int
    eos_token: str
    eos_token_id: int


@define
class RopeScaling:
    """How rotary position embeddings are scaled to extend the context.

    Attributes:
        rope_type: The method's name in the model's configuration.
        factor: Factor of the context length, from 1 to 6.
        theta: The base of the rotary frequencies; None for the model's own.

    Raises:
        ParameterError: ``factor`` is out of range.
    """

    rope_type: str = "default"
    factor: float = field(default=1.0, validator=_check_factor)
    theta: float | None = None


@define
class ModelMetadata:
    """Everything about the model that assembly, backends and processors share.

    Attributes:
        model_name_or_path: The model's name or folder.
        prompt_config: Prompt template and special tokens.
        base_max_seq_length: Context length in tokens before scaling.
        rope_scaling: How the context is extended; None for no scaling.
        max_sequences_per_example: The most records (groups, for grouped assembly) in one training
            example; None fills the context.
        workdir: Working directory of the run.
        is_adapter: Whether an adapter on a base model was trained instead of a whole model.
        instruction: The text in front of the schema in a prompt.
        rope_parameters_location: Key of the rotary parameters in the model's configuration.
        initial_prefill: For time series, the text that starts each group, or one text for all groups.
        autoconfig: The model's own configuration object; never saved.
        model_schema: The columns of the model's records; None if only the columns of a dataset are known.
        pad_token_id: The padding id; None if the model has none.

    Raises:
        ParameterError: A length or a cap is below 1.
    """

    model_name_or_path: str
    prompt_config: LLMPromptConfig
    base_max_seq_length: int = field(default=DEFAULT_BASE_SEQ_LENGTH, validator=_check_length)
    rope_scaling: RopeScaling | None = None
    max_sequences_per_example: int | None = field(default=None, validator=_at_least_one)
    workdir: Path | None = None
    is_adapter: bool = False
    instruction: str = DEFAULT_INSTRUCTION
    rope_parameters_location: str | None = None
    initial_prefill: dict[str, str] | str | None = None
    autoconfig: Any = field(default=None, eq=False, repr=False)
    model_schema: ModelSchema | None = field(default=None, kw_only=True)
    pad_token_id: int | None = field(default=None, kw_only=True)

    @property
    def max_seq_length(self) -> int:
        """Context length in tokens, including scaling."""
        factor = self.rope_scaling.factor if self.rope_scaling is not None else 1
        return int(self.base_max_seq_length * factor)
