"""The model ``pretrained``: a causal language model of any kind, fine-tuned on one table.

Prompt layout, special tokens, context and learning rate come from the model's own configuration and
tokenizer, whatever it is called. Records are plain text in the record dialect, after a prompt that names the
columns; an example holds as many of them as there is room for.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from attrs import evolve

from rowsmith.assembly.metadata import ModelMetadata, RopeScaling
from rowsmith.assembly.prompts import prompt_ids, schema_prompt
from rowsmith.assembly.token_store import Ints, TokenStore, tokenize_text
from rowsmith.dialect import RecordDialect
from rowsmith.errors import BundleError, DataError
from rowsmith.model import PreparedModel, TableModel, TrainingJob, TrainingReport
from rowsmith.model.settings import check_model_settings
from rowsmith.table.columns import distinct
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema, TableSchema
from rowsmith.vocabulary import model_schema_of
from rowsmith_backends.pretrained.loading import base_model, load_config, load_tokenizer, resolve_base, unusable_base
from rowsmith_backends.pretrained.options import PretrainedOptions
from rowsmith_backends.pretrained.rope import ROPE_LOCATION, YARN, stretch
from rowsmith_backends.pretrained.tokenizer_layout import plain_tokenizer, prompt_config_of
from rowsmith_backends.training.sequence_lengths import longest_sequence

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast

    from rowsmith.context import BuildContext

__all__ = ["PretrainedModel", "build"]

_BLOCK_ROWS = 1 << 14
# Longer examples cost memory, and records are independent of each other.
_ENOUGH_CONTEXT = 2_048
_ROUND = 64
# A held-out loss of fewer records is too noisy for early stopping.
_VALIDATION_ROWS = 200


class PretrainedModel(TableModel):
    """A pretrained model and how it is fine-tuned.

    Args:
        options: The model, and what is trained of it.
        groups: The number of each record's group, int64 ``[records]``; None where records are independent.
        windows: Whether an example is a window of a series and not whole records or groups.
    """

    several_processes = True
    decides_by_rows = True

    def __init__(self, options: PretrainedOptions, *, groups: Ints | None = None, windows: bool = False) -> None:
        self.options = options
        self.groups = groups
        self.windows = windows
        self._folder: Path | None = None

    def prepare(self, columns: pa.Table, schema: TableSchema) -> PreparedModel:
        """Lay out the prompt for the model, and tokenize the records of a transformed table.

        Args:
            columns: The spelled training table after all transforms.
            schema: Its schema.

        Returns:
            The prepared model.

        Raises:
            ConfigError: The base model cannot be used.
            DataError: No column is left to learn.
        """
        if not len(schema) or not columns.num_rows:
            raise DataError(
                "there is nothing to learn: every column is constant or a key. Add a column that varies, or "
                "say what a column is with data.types."
            )
        options = self.options
        folder = self._folder = resolve_base(options.base, options.revision)
        config, original = load_config(folder, unusable_base), load_tokenizer(folder, unusable_base)
        if options.full:
            _check_savable(folder, config)
        tokenizer, model_schema = plain_tokenizer(original), _with_open_text(columns, schema, options.max_values)
        store = _tokenized(columns, model_schema, tokenizer)
        metadata = ModelMetadata(
            model_name_or_path=options.base,
            prompt_config=prompt_config_of(original, options.template),
            max_sequences_per_example=options.max_sequences_per_example,
            instruction=options.instruction,
            is_adapter=not options.full,
            model_schema=model_schema,
            pad_token_id=tokenizer.pad_token_id,
            rope_scaling=_scaling(config, options),
            rope_parameters_location=ROPE_LOCATION,
        )
        longest = longest_sequence(store.lengths, None if self.windows else self.groups)
        context = _context(config, options, _needed_context(metadata, tokenizer, longest))
        return PreparedModel(
            model_schema=model_schema,
            metadata=evolve(metadata, base_max_seq_length=context),
            tokenizer=tokenizer,
            token_store=store,
            validation_rows=_VALIDATION_ROWS,
            base=None if options.full else base_model(options.base, options.revision, folder),
        )

    def train(self, prepared: PreparedModel, job: TrainingJob) -> TrainingReport:
        """Fine-tune and save the adapter, or the whole model.

        Args:
            prepared: What ``prepare`` returned.
            job: Examples, budget and target directory.

        Returns:
            Report of the training.

        Raises:
            TrainingError: The loss is not finite, or memory does not suffice.
        """
        from rowsmith_backends.pretrained.training import train_pretrained

        # A branch of the hub may have changed since.
        folder = self._folder or resolve_base(self.options.base, self.options.revision)
        return train_pretrained(prepared, job, self.options, folder)


def _check_savable(folder: Path, config: PreTrainedConfig) -> None:
    """Refuse, before training, a model whose configuration could not be read back from a saved model."""
    try:
        check_model_settings(folder / "config.json", json.loads(config.to_json_string()))
    except BundleError as error:
        raise unusable_base(f"it cannot be trained as a whole ({error}); train an adapter") from error


def _with_open_text(columns: pa.Table, schema: TableSchema, max_values: int) -> ModelSchema:
    """The model schema; text columns of too many values are open, since the model can spell."""
    found = model_schema_of(columns, schema, max_values)
    return ModelSchema(columns=tuple(_open(columns, column) for column in found))


def _open(columns: pa.Table, column: ModelColumn) -> ModelColumn:
    if not column.other or column.timing is not None or column.kind is not JsonKind.STRING:
        return column
    values = distinct(columns, column.name)[0]
    alphabet = "".join(sorted(set().union(*values)))
    return evolve(column, values=None, other=False, alphabet=alphabet, shortest=int("" not in values))


def _tokenized(columns: pa.Table, schema: ModelSchema, tokenizer: PreTrainedTokenizerFast) -> TokenStore:
    dialect = RecordDialect(schema)

    def lines() -> Iterator[str]:
        for start in range(0, columns.num_rows, _BLOCK_ROWS):
            yield from dialect.encode(columns.slice(start, _BLOCK_ROWS))

    return tokenize_text(lines(), tokenizer)


def _needed_context(metadata: ModelMetadata, tokenizer: PreTrainedTokenizerFast, longest: int) -> int:
    """A context that holds the longest sequence, and one that is a quarter longer than any seen."""
    config = metadata.prompt_config
    assert metadata.model_schema is not None
    prompt = schema_prompt(metadata.model_schema.names, metadata.instruction, config.template)
    needed = len(prompt_ids(prompt, tokenizer, config)) + longest * 5 // 4 + 2
    return max(_ENOUGH_CONTEXT, math.ceil(needed / _ROUND) * _ROUND)


def _scaling(config: PreTrainedConfig, options: PretrainedOptions) -> RopeScaling | None:
    if options.rope_scaling_factor == 1:
        return None
    scaling = RopeScaling(rope_type=YARN, factor=options.rope_scaling_factor)
    stretch(copy.deepcopy(config), scaling)
    return scaling


def _context(config: PreTrainedConfig, options: PretrainedOptions, needed_context: int) -> int:
    """The most tokens of an example, before RoPE scaling."""
    own = getattr(config.get_text_config(), "max_position_embeddings", None)
    most = own if isinstance(own, int) and own > 0 else None
    if options.context is None:
        needed = math.ceil(needed_context / options.rope_scaling_factor)
        return needed if most is None else min(most, needed)
    if most is not None and options.context > most:
        raise unusable_base(
            f"the model reads {most} tokens, and context is {options.context}: lower it, or stretch the context with "
            "rope_scaling_factor",
            "context",
        )
    return options.context


def build(context: BuildContext, options: PretrainedOptions) -> PretrainedModel:
    """Build the component."""
    return PretrainedModel(options, groups=context.groups, windows=context.config.time_series.is_timeseries)
