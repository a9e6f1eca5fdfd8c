"""The assembler of grouped tables: an example holds one or more whole groups."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from attrs import frozen

from rowsmith.assembly import Statistics, TrainingExampleAssembler, TrainingExamples, as_dataset, context_advice
from rowsmith.assembly.ranges import ExampleRanges
from rowsmith.assembly.token_store import Ints, TokenStore
from rowsmith.errors import AssemblyError, OverlongGroupError, OverlongRecordError, ParameterError
from rowsmith.randomness.seeds import Seeds
from rowsmith_assemblers.building import group_arguments, required_inputs, shared_arguments
from rowsmith_assemblers.group_sequences import GroupSequences, joined
from rowsmith_assemblers.groups import available_columns, column_names, find_groups, given_groups, group_values
from rowsmith_assemblers.options import GroupedOptions
from rowsmith_assemblers.sampling import group_passes, split_groups
from rowsmith_assemblers.source import RecordSource, check_policy, listed

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset
    from transformers import PreTrainedTokenizer

    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.context import BuildContext

__all__ = ["GroupedDataExampleAssembler", "build"]

_logger = logging.getLogger(__name__)
_SHOWN = 5


@frozen(eq=False)
class _Prepared:
    """Groups as sequences, and the group numbers of each use."""

    sequences: GroupSequences
    train: Ints
    validation: Ints
    overlong: Ints


class GroupedDataExampleAssembler(TrainingExampleAssembler):
    """Assembler for tables whose rows form groups.

    Every group is a sequence of its own, ``BOS records EOS``, its records in order. Groups are shuffled and
    packed: an example is filled until the next group would not fit the context, or until it holds
    ``metadata.max_sequences_per_example`` groups. Validation takes whole groups.

    Groups are those of ``groups`` or ``token_store``, whose records then are sorted, or else are found by value in
    ``dataset``, in any order.

    Args:
        group_training_examples_by: The column, or columns, whose values make a group.
        order_training_examples_by: The column that orders the records of a group: numbers as numbers,
            date-times as times, records without a value last; None keeps the order of the dataset.
        dataset: A ``datasets.Dataset`` of scalar columns, or a spelled ``pyarrow.Table``.
        tokenizer: Tokenizer of the records.
        metadata: Prompt layout, special tokens, context length; its ``model_schema`` says how records
            are written, else the dataset's Arrow types do.
        test_size: Validation records, rounded to whole groups: a float below 1 is a share, an integer a
            count. A single group is used for training.
        cache_file_path: Folder where tokenized records may be cached for other runs.
        seed: Seed of split and shuffles; None for a random one.
        keep_columns: Columns that must be available after tokenizing, beside those of groups and order.
        overlong: For groups that do not fit the context: ``error`` names them, ``skip`` leaves them out,
            ``split`` splits each into several sequences.
        token_store: The records tokenized already, row for row; their text is then never written.
        groups: The number of each record's group, int64 ``[records]``; None takes those of ``token_store``.
        group_values: The group columns for messages, row for row; None takes the dataset's.

    Raises:
        ParameterError: A column is missing, ``overlong`` is unknown, or ``token_store`` has another
            number of records than the dataset.
    """

    def __init__(
        self,
        group_training_examples_by: str | Sequence[str],
        order_training_examples_by: str | None,
        dataset: Dataset | pa.Table,
        tokenizer: PreTrainedTokenizer,
        metadata: ModelMetadata,
        test_size: float | None = None,
        cache_file_path: str | Path | None = None,
        seed: int | None = None,
        keep_columns: Sequence[str] | None = None,
        *,
        overlong: Literal["error", "skip", "split"] = "error",
        token_store: TokenStore | None = None,
        groups: Ints | None = None,
        group_values: pa.Table | None = None,
    ) -> None:
        self.group_by_columns = column_names(group_training_examples_by, "group_training_examples_by")
        self.order_by_column = order_training_examples_by
        named = dict.fromkeys(self.group_by_columns, "group_training_examples_by")
        if order_training_examples_by is not None:
            named.setdefault(order_training_examples_by, "order_training_examples_by")
        numbers = given_groups(groups, token_store, len(dataset))
        group_columns = available_columns(dataset, numbers, metadata.model_schema, named)
        fitting = list(dict.fromkeys([*group_columns, *(keep_columns or ())]))
        super().__init__(dataset, tokenizer, metadata, fitting, test_size, cache_file_path, seed)
        self.overlong = overlong
        self.token_store = token_store
        self.groups = numbers
        self.group_values = group_values
        self._seeds = Seeds(secrets.randbits(63) if seed is None else seed)
        self._source = RecordSource(
            dataset=dataset,
            tokenizer=tokenizer,
            metadata=metadata,
            schema=metadata.model_schema,
            store=token_store,
            cache=self.cache_file_path,
        )
        check_policy(overlong, ("error", "skip", "split"))

    @property
    def schema_prompt(self) -> str:
        """The text of the prompt, which names the columns of a record."""
        return self._source.schema_prompt

    @property
    def num_records_train(self) -> int:
        """Number of records in the training groups; those of skipped groups are not counted."""
        return int(self._prepared.sequences.groups.sizes[self._prepared.train].sum())

    @property
    def num_records_validation(self) -> int:
        """Number of records in the validation groups; those of skipped groups are not counted."""
        return int(self._prepared.sequences.groups.sizes[self._prepared.validation].sum())

    @property
    def num_groups_train(self) -> int:
        """Number of groups in the training split; skipped ones are not counted."""
        return len(self._prepared.train)

    @property
    def num_groups_validation(self) -> int:
        """Number of groups in the validation split; skipped ones are not counted."""
        return len(self._prepared.validation)

    @property
    def num_groups_skipped(self) -> int:
        """Number of groups left out because they do not fit the context."""
        return len(self._prepared.overlong) if self.overlong == "skip" else 0

    @property
    def num_groups_split(self) -> int:
        """Number of groups split into several sequences because they do not fit the context."""
        return len(self._prepared.overlong) if self.overlong == "split" else 0

    def assemble_training_examples(self, data_fraction: float = 1.0) -> TrainingExamples:
        """Build examples of whole groups: groups in random order, their records sorted.

        Args:
            data_fraction: Passes over the training groups: below 1 random whole groups that hold about that
                share of the records, less than twice as many unless every group is larger; above 1 whole passes,
                each in its own order, and a share. Validation is always one pass.

        Returns:
            Examples; ``stats`` has ``tokens_per_record``, ``tokens_per_group``, ``records_per_group``,
            ``tokens_per_example``, ``records_per_example`` and ``groups_per_example`` of the training
            split (a sequence of a group that was split counts as a group of its example) and
            ``tokens_per_skipped_group`` or ``tokens_per_split_group`` if there are such groups.

        Raises:
            DataError: A group value is missing, or the order column cannot be ordered.
            ParameterError: ``data_fraction`` or ``test_size`` is out of range.
            OverlongGroupError: A group does not fit the context, and ``overlong`` is ``error``.
            OverlongRecordError: A single record does not fit, and ``overlong`` is ``split``.
            AssemblyError: There is no record, or the prompt leaves no room for one.
        """
        prepared = self._prepared
        sizes = prepared.sequences.groups.sizes[prepared.train]
        orders = group_passes(prepared.train, sizes, data_fraction, self._seeds.generator("assembly.train"))
        train = self._ranges(orders)
        test = as_dataset(self._ranges([prepared.validation])) if len(prepared.validation) else None
        return TrainingExamples(train=as_dataset(train), stats=self._statistics(train), test=test)

    @cached_property
    def _prepared(self) -> _Prepared:
        source, schema = self._source, self.metadata.model_schema
        lengths = source.tokens.lengths
        groups = find_groups(self.dataset, self.groups, schema, self.group_by_columns, self.order_by_column)
        sequences = GroupSequences.of(groups, lengths, source.room)
        long = sequences.tokens > source.room
        if long.any():
            self._report_overlong(sequences, np.flatnonzero(long))
        fitting = np.arange(len(groups)) if self.overlong == "split" else np.flatnonzero(~long)
        train, validation = split_groups(groups.sizes[fitting], self.test_size, self._seeds.generator("assembly.split"))
        if self.test_size and not len(validation):
            _logger.warning("there is only one group, so there is no validation split")
        return _Prepared(sequences, fitting[train], fitting[validation], np.flatnonzero(long))

    def _report_overlong(self, sequences: GroupSequences, overlong: Ints) -> None:
        count = len(sequences.groups)
        shown = listed(self._names(sequences, overlong[:_SHOWN]), len(overlong))
        what = (
            f"{len(overlong)} of {count} groups are longer than the {self._source.room} tokens that a context of "
            f"{self.metadata.max_seq_length} leaves for a group: {shown}"
        )
        advice = context_advice(self.metadata)
        if self.overlong == "error":
            raise OverlongGroupError(
                f"{what}. Set the assembler's option overlong to 'split' to split such groups into several sequences "
                "(assembler: {name: grouped, options: {overlong: split}}), or to 'skip' to leave them out. "
                f"{advice}"
            )
        if self.overlong == "skip" and len(overlong) == count:
            raise AssemblyError(f"{what}; skipping them leaves no group. {advice}")
        records = np.flatnonzero(self._source.tokens.lengths > self._source.room)
        if self.overlong == "split" and len(records):
            raise OverlongRecordError(
                f"{self._source.overlong(records)}, and a record cannot be split. Set the assembler's option "
                f"overlong to 'skip' to leave their groups out. {advice}"
            )
        _logger.warning("%s; they are %s", what, "skipped" if self.overlong == "skip" else "split")

    def _names(self, sequences: GroupSequences, numbers: Ints) -> list[str]:
        groups = sequences.groups
        named = self.dataset if self.group_values is None else self.group_values
        values = group_values(named, self.group_by_columns, groups.order[groups.bounds[numbers]])
        sizes = zip(values, numbers, groups.sizes[numbers], sequences.tokens[numbers], strict=True)
        return [
            f"{', '.join(map(repr, value)) or f'group {number + 1}'} ({size} records, {tokens} tokens)"
            for value, number, size, tokens in sizes
        ]

    def _ranges(self, orders: Sequence[Ints]) -> ExampleRanges:
        source, cap = self._source, self.metadata.max_sequences_per_example
        lengths = source.tokens.lengths
        return source.ranges(*joined([self._prepared.sequences.packed(o, lengths, source.room, cap) for o in orders]))

    def _statistics(self, train: ExampleRanges) -> dict[str, Statistics]:
        prepared, sequences = self._prepared, self._prepared.sequences
        stats = {
            "tokens_per_record": Statistics.of(self._source.tokens.lengths[sequences.groups.rows(prepared.train)]),
            "tokens_per_group": Statistics.of(sequences.tokens[prepared.train]),
            "records_per_group": Statistics.of(sequences.groups.sizes[prepared.train]),
            "tokens_per_example": Statistics.of(train.lengths),
            "records_per_example": Statistics.of(train.num_records),
            "groups_per_example": Statistics.of(train.num_sequences),
        }
        if len(prepared.overlong):
            done = "skipped" if self.overlong == "skip" else "split"
            stats[f"tokens_per_{done}_group"] = Statistics.of(sequences.tokens[prepared.overlong])
        return stats


def build(context: BuildContext, options: GroupedOptions | None) -> GroupedDataExampleAssembler:
    """Build the component from ``context.assembly``.

    Args:
        context: Carries the assembly inputs.
        options: Options from the configuration; arguments given in code override them.

    Raises:
        ParameterError: The context has no assembly inputs, no group column is configured, or an argument
            is unknown or out of range.
    """
    inputs = required_inputs(context)
    arguments = {
        "group_training_examples_by": inputs.config.data.group_columns,
        "order_training_examples_by": inputs.config.order_column,
        "overlong": (options or GroupedOptions()).overlong,
        **inputs.extra,
    }
    if not arguments["group_training_examples_by"]:
        raise ParameterError(
            "the assembler grouped needs to know what makes a group; set data.group_training_examples_by to a column"
        )
    return GroupedDataExampleAssembler(**shared_arguments(inputs), **group_arguments(inputs), **arguments)
