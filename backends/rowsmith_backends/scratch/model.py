"""The model ``scratch``: a small Llama made for one table and trained from random weights.

Records of a plain table are independent, so an example is one record and there is no prompt. The
checkpoint is an ordinary Llama one with an ordinary fast tokenizer: transformers and vLLM load it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from attrs import frozen

from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith.assembly.token_store import Ints, TokenStore
from rowsmith.errors import DataError
from rowsmith.model import PreparedModel, TableModel, TrainingJob, TrainingReport
from rowsmith.table.schema import TableSchema
from rowsmith.vocabulary import BOS, EOS, Vocabulary, model_schema_of
from rowsmith_backends.scratch.encoder import encode_table
from rowsmith_backends.scratch.options import ScratchOptions
from rowsmith_backends.scratch.tokenizer import build_tokenizer, learn_vocabulary
from rowsmith_backends.training.sequence_lengths import longest_sequence

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedTokenizerFast

    from rowsmith.context import BuildContext

__all__ = ["ScratchModel", "build", "llama_config"]

# Below this many rows a validation set is too small to decide when to stop, and training needs all rows.
CROSS_VALIDATED_ROWS = 2_000

# One cell of a megabyte must not set the memory of the whole run; the assembler reports longer records.
_MOST_TOKENS = 16_384
# Eager attention is faster for short records; its memory grows with the square of their length.
_LONG_RECORD = 256
# Time series of up to this many tokens are trained and generated whole; longer ones in windows.
_LONGEST_WHOLE = 4_096
_WINDOW = 1_024


@frozen(kw_only=True)
class Size:
    """The shape of a Llama model."""

    width: int
    layers: int
    heads: int
    mlp: int


def size_for(rows: int, options: ScratchOptions) -> Size:
    """The shape of the model for a table.

    Args:
        rows: Training rows.
        options: Explicit sizes win.

    Returns:
        The shape; the heads are all of one, even size.
    """
    small = rows < CROSS_VALIDATED_ROWS
    heads = options.heads or 1
    width = options.width or -(-(64 if small else 128) // (2 * heads)) * 2 * heads
    layers = options.layers or (2 if small else 3)
    heads = options.heads or max(count for count in range(1, max(1, width // 32) + 1) if width % (2 * count) == 0)
    return Size(width=width, layers=layers, heads=heads, mlp=options.mlp or width * 5 // 2)


def llama_config(vocabulary: Vocabulary, size: Size, max_length: int) -> LlamaConfig:
    """The configuration of the checkpoint."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        intermediate_size=size.mlp,
        max_position_embeddings=max_length,
        tie_word_embeddings=False,
        bos_token_id=vocabulary.bos_id,
        eos_token_id=vocabulary.eos_id,
        pad_token_id=vocabulary.pad_id,
        attn_implementation="eager" if max_length <= _LONG_RECORD else "sdpa",
    )


def _metadata(schema_length: int, vocabulary: Vocabulary, windows: bool) -> ModelMetadata:
    return ModelMetadata(
        model_name_or_path="scratch",
        prompt_config=LLMPromptConfig(
            template="",
            add_bos_token_to_prompt=False,
            add_eos_token_to_prompt=False,
            bos_token=BOS,
            bos_token_id=vocabulary.bos_id,
            eos_token=EOS,
            eos_token_id=vocabulary.eos_id,
        ),
        base_max_seq_length=schema_length,
        max_sequences_per_example=None if windows else 1,
        instruction="",
        is_adapter=False,
        model_schema=vocabulary.schema,
        pad_token_id=vocabulary.pad_id,
    )


class ScratchModel(TableModel):
    """A small Llama trained from scratch on one table.

    Args:
        options: Sizes and rates; None values are chosen from the table.
        groups: The number of each record's group, int64 ``[records]``; None where records are independent.
        windows: Whether an example is a window of a series and not one record, or one group.
    """

    decides_by_rows = True

    def __init__(
        self, options: ScratchOptions | None = None, *, groups: Ints | None = None, windows: bool = False
    ) -> None:
        self.options = options or ScratchOptions()
        self.groups = groups
        self.windows = windows

    def prepare(self, columns: pa.Table, schema: TableSchema) -> PreparedModel:
        """Build the vocabulary, the tokenizer and the token store of a transformed table.

        Args:
            columns: The spelled training table after all transforms.
            schema: Its schema.

        Returns:
            The prepared model.

        Raises:
            DataError: No column is left to learn.
        """
        if not len(schema):
            raise DataError(
                "there is nothing to learn: every column is constant or a key. Add a column that varies, or "
                "say what a column is with data.types."
            )
        model_schema = model_schema_of(columns, schema, self.options.max_values)
        vocabulary = learn_vocabulary(columns, model_schema, max_pieces=self.options.max_pieces)
        tokenizer = build_tokenizer(vocabulary)
        store = encode_table(columns, vocabulary, lambda texts: _encode(tokenizer, texts))
        max_length = self.options.context or _context(store, self.groups, vocabulary, self.windows)
        tokenizer.model_max_length = max_length
        return PreparedModel(
            model_schema=model_schema,
            metadata=_metadata(max_length, vocabulary, self.windows),
            tokenizer=tokenizer,
            vocabulary=vocabulary,
            token_store=store,
            cross_validated=columns.num_rows < CROSS_VALIDATED_ROWS,
        )

    def train(self, prepared: PreparedModel, job: TrainingJob) -> TrainingReport:
        """Train from random weights and save the checkpoint.

        Args:
            prepared: What ``prepare`` returned.
            job: Examples, budget and target directory.

        Returns:
            What training did.

        Raises:
            TrainingError: The loss is not finite.
        """
        from rowsmith_backends.scratch.training.recipe import train_scratch

        assert prepared.vocabulary is not None
        size = size_for(len(job.examples.train), self.options)
        config = llama_config(prepared.vocabulary, size, prepared.metadata.max_seq_length)
        return train_scratch(config, prepared, job, self.options)


def _context(store: TokenStore, groups: Ints | None, vocabulary: Vocabulary, windows: bool) -> int:
    """The most tokens of an example."""
    if groups is None:
        longest = int(store.lengths.max())
        # Text may be longer than any text seen; a column of one token never is.
        return min(longest if vocabulary.closed else longest * 5 // 4, _MOST_TOKENS) + 2
    # A group may be longer than any group seen.
    longest = longest_sequence(store.lengths, groups) * 5 // 4
    if windows and longest > _LONGEST_WHOLE:
        return max(_WINDOW, 2 * int(store.lengths.max())) + 2
    return min(longest, _MOST_TOKENS) + 2


def _encode(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[list[int]]:
    backend = tokenizer.backend_tokenizer
    return [encoding.ids for encoding in backend.encode_batch_fast(list(texts), add_special_tokens=False)]


def build(context: BuildContext, options: ScratchOptions | None) -> ScratchModel:
    """Build the component."""
    return ScratchModel(options, groups=context.groups, windows=context.config.time_series.is_timeseries)
