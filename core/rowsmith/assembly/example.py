"""One training example, laid out the slow and obvious way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith.assembly.metadata import MAX_ROPE_SCALING_FACTOR
from rowsmith.assembly.prompts import prompt_ids
from rowsmith.assembly.ranges import IGNORED
from rowsmith.errors import GenerationError, ParameterError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizer

    from rowsmith.assembly.metadata import ModelMetadata

__all__ = ["Example", "context_advice"]


def context_advice(metadata: ModelMetadata) -> str:
    """What to do if something does not fit the context, as the end of a message."""
    factor = metadata.rope_scaling.factor if metadata.rope_scaling is not None else 1
    shorten = "leave columns out, shorten their names or values"
    if factor >= MAX_ROPE_SCALING_FACTOR:
        return f"To fit: {shorten} (rope_scaling.factor is already at its largest, {factor:g})."
    return (
        f"To fit: {shorten}, choose a model of a longer context (base_max_seq_length is "
        f"{metadata.base_max_seq_length}), or raise rope_scaling.factor (now {factor:g}, at most "
        f"{MAX_ROPE_SCALING_FACTOR})."
    )


class Example:
    """A single training example: a prompt and sequences of records.

    The prompt is masked with label -100. Each sequence is usually enclosed by BOS and EOS, which are
    trained on like the records.

    Args:
        prompt: Schema prompt in front of every example; may be empty.
        tokenizer: Tokenizer that encodes the prompt.
        metadata: Special tokens, where they are added, and the context length.
    """

    def __init__(self, prompt: str, tokenizer: PreTrainedTokenizer, metadata: ModelMetadata) -> None:
        self.metadata = metadata
        self.input_ids = prompt_ids(prompt, tokenizer, metadata.prompt_config)
        self.attention_mask = [1] * len(self.input_ids)
        self.labels = [IGNORED] * len(self.input_ids)
        self.num_sequences = 0

    @property
    def num_tokens(self) -> int:
        """Tokens of the prompt and all sequences."""
        return len(self.input_ids)

    def add_sequence(self, seq: dict[str, list[int]], add_special_tokens: bool = True) -> None:
        """Add a sequence of records; the example is unchanged if it would become too long.

        Args:
            seq: ``input_ids`` and ``attention_mask`` of the sequence, of one length.
            add_special_tokens: Whether to enclose the sequence by BOS and EOS.

        Raises:
            GenerationError: The example would be longer than the context.
            ParameterError: The two lists differ in length.
        """
        ids, mask = list(seq["input_ids"]), list(seq["attention_mask"])
        if len(ids) != len(mask):
            raise ParameterError(f"a sequence has {len(ids)} input_ids and {len(mask)} attention_mask entries")
        if add_special_tokens:
            config = self.metadata.prompt_config
            ids, mask = [config.bos_token_id, *ids, config.eos_token_id], [1, *mask, 1]
        self._check_room(len(ids))
        self.input_ids += ids
        self.attention_mask += mask
        self.labels += ids
        self.num_sequences += 1

    def to_dict(self) -> dict[str, list[int]]:
        """The example in the form that training needs.

        Returns:
            ``input_ids``, ``attention_mask`` and ``labels``, of one length.
        """
        return {
            "input_ids": list(self.input_ids),
            "attention_mask": list(self.attention_mask),
            "labels": list(self.labels),
        }

    def _check_room(self, added: int) -> None:
        limit = self.metadata.max_seq_length
        if self.num_tokens + added > limit:
            raise GenerationError(
                f"an example of {self.num_tokens} tokens cannot take a sequence of {added}: that makes "
                f"{self.num_tokens + added}, and the context holds {limit}. {context_advice(self.metadata)}"
            )
