"""The assembler of time series: examples of consecutive records of one series."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from attrs import evolve, frozen

from rowsmith.assembly import PSEUDO_GROUP_COLUMN, Statistics, TrainingExampleAssembler, TrainingExamples, as_dataset
from rowsmith.assembly.ranges import ExampleRanges, Rows
from rowsmith.assembly.token_store import Ints, TokenStore
from rowsmith.errors import ParameterError
from rowsmith.randomness.seeds import Seeds
from rowsmith.storage.memory_map import spooled
from rowsmith_assemblers.building import group_arguments, required_inputs, shared_arguments
from rowsmith_assemblers.groups import available_columns, column_names, find_groups, given_groups, group_values, select
from rowsmith_assemblers.options import SequentialOptions
from rowsmith_assemblers.series import Segments, cut, find_segments, passes, split
from rowsmith_assemblers.source import RecordSource, check_policy

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizer

    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.context import BuildContext
    from rowsmith.table.schema import ModelSchema

__all__ = ["PSEUDO_GROUP_COLUMN", "SequentialExampleAssembler", "build"]


@frozen(eq=False)
class _Prepared:
    """Sorted records, ends of groups, both splits, and the numbers of skipped records."""

    order: Rows
    ends: Ints
    train: Segments
    validation: Segments
    skipped: Rows


class SequentialExampleAssembler(TrainingExampleAssembler):
    """Assembler for time series and other ordered records.

    Records of a group are never shuffled. An example is one sequence, ``prompt BOS records EOS``, of records
    that are consecutive in one group; the next example continues where it ends. An example ends where its
    group does, where the next record would exceed its budget of tokens, or where it holds
    ``metadata.max_sequences_per_example`` records. The budget of each training example is drawn
    between .7 and 1 of the room that the context leaves, so that the end of an example does not coincide
    with the same record in every pass; validation examples fill the room. EOS is trained on only where a group ends, so
    the end of an example is not learned as the end of a series.

    Validation takes whole groups; of a single series, its end.

    Args:
        dataset: A ``datasets.Dataset`` of scalar columns, or a spelled ``pyarrow.Table``. The group columns
            are moved to the front, the order column next; and so in records, unless
            ``metadata.model_schema`` says how they are written.
        tokenizer: Tokenizer of the records.
        metadata: Prompt layout, special tokens, context length.
        group_training_examples_by: The column, or columns, whose values make a group.
            ``PSEUDO_GROUP_COLUMN`` means one series without such a column: it is added to a dataset
            that does not have it, and is neither in the prompt nor in the records.
        order_training_examples_by: The column that orders the records of a group: numbers as numbers,
            date-times as times, records without a value last; None keeps the order of the dataset.
        keep_columns: Columns that must be available after tokenizing, beside those of groups and order.
        test_size: Validation records, rounded to whole groups: a float below 1 is a share, an integer a
            count.
        cache_file_path: Folder where tokenized records may be cached for other runs.
        seed: Seed of split, budgets and samples; None for a random one.
        overlong: For records that do not fit the context: ``error`` names them, ``skip`` leaves them out;
            an example ends where one was left out.
        token_store: The records tokenized already, row for row. If it has groups, records are sorted; else
            groups and order are found by value.
        timestamp_format: Format of the order column's date-times if they are text, in
            ``strftime`` terms; None detects it.
        keep_prefill: Whether the first records of every training group are saved in
            ``metadata.initial_prefill`` when examples are assembled. They are real records.
        prefill_records: How many of them.
        groups: The number of each record's group, int64 ``[records]``, of sorted records; None takes those of
            ``token_store``.
        group_values: The group columns for the prefill, row for row; None takes those of the
            dataset.

    Raises:
        ParameterError: A column is missing, ``overlong`` is unknown, ``prefill_records`` is below 1, or
            ``token_store`` has another number of records than the dataset.
    """

    def __init__(
        self,
        dataset: Dataset | pa.Table,
        tokenizer: PreTrainedTokenizer,
        metadata: ModelMetadata,
        *,
        group_training_examples_by: str | Sequence[str],
        order_training_examples_by: str | None,
        keep_columns: Sequence[str] | None = None,
        test_size: float | None = None,
        cache_file_path: str | Path | None = None,
        seed: int | None = None,
        overlong: Literal["error", "skip"] = "error",
        token_store: TokenStore | None = None,
        timestamp_format: str | None = None,
        keep_prefill: bool = False,
        prefill_records: int = 3,
        groups: Ints | None = None,
        group_values: pa.Table | None = None,
    ) -> None:
        names = column_names(group_training_examples_by, "group_training_examples_by")
        if names == (PSEUDO_GROUP_COLUMN,) and PSEUDO_GROUP_COLUMN not in dataset.column_names:
            dataset = _with_pseudo_group(dataset)
        named = dict.fromkeys(names, "group_training_examples_by")
        if order_training_examples_by is not None:
            named.setdefault(order_training_examples_by, "order_training_examples_by")
        numbers = given_groups(groups, token_store, len(dataset))
        first = available_columns(dataset, numbers, metadata.model_schema, named)
        dataset = _selected(dataset, [*first, *(name for name in dataset.column_names if name not in first)])
        available = list(dict.fromkeys([*first, *(keep_columns or ())]))
        super().__init__(dataset, tokenizer, metadata, available, test_size, cache_file_path, seed)
        self.group_by_column = group_training_examples_by
        self.order_by_column = order_training_examples_by
        self.overlong = overlong
        self.token_store = token_store
        self.groups = numbers
        self.timestamp_format = timestamp_format
        self.keep_prefill = keep_prefill
        self.prefill_records = prefill_records
        self.group_values = group_values
        self._group_columns = names
        self._seeds = Seeds(secrets.randbits(63) if seed is None else seed)
        self._source = RecordSource(
            dataset=_selected(dataset, [name for name in dataset.column_names if name != PSEUDO_GROUP_COLUMN]),
            tokenizer=tokenizer,
            metadata=metadata,
            schema=_visible(metadata.model_schema),
            store=token_store,
            cache=self.cache_file_path,
        )
        check_policy(overlong, ("error", "skip"))
        if prefill_records < 1:
            raise ParameterError(f"prefill_records is {prefill_records}; give a whole number of at least 1")

    @property
    def schema_prompt(self) -> str:
        """The text of the prompt, which names the columns of a record and not the pseudo group."""
        return self._source.schema_prompt

    @property
    def num_records_train(self) -> int:
        """Number of records in the training split; skipped ones are not counted."""
        return self._prepared.train.count

    @property
    def num_records_validation(self) -> int:
        """Number of records in the validation split; skipped ones are not counted."""
        return self._prepared.validation.count

    @property
    def num_records_skipped(self) -> int:
        """Number of records left out because they do not fit the context."""
        return len(self._prepared.skipped)

    @property
    def num_groups_train(self) -> int:
        """Number of groups in the training split."""
        return len(np.unique(self._prepared.train.groups))

    @property
    def num_groups_validation(self) -> int:
        """Number of groups in the validation split; the end of a single series counts as one."""
        return len(np.unique(self._prepared.validation.groups))

    def assemble_training_examples(self, data_fraction: float = 1.0) -> TrainingExamples:
        """Build examples of records in order.

        Args:
            data_fraction: Passes over the training split, each cut differently: below 1 exactly that
                share of the records, rounded up: random groups, and of the last of them, or of a single series, a
                random segment; above 1 whole passes and such a part. Validation is always one pass.

        Returns:
            Examples, group after group; ``stats`` has ``tokens_per_record``, ``tokens_per_example``,
            ``records_per_example`` and ``examples_per_group`` of the training split and, if records were
            skipped, their ``tokens_per_skipped_record``.

        Raises:
            DataError: A group value is missing, or the order column cannot be ordered.
            ParameterError: ``data_fraction`` or ``test_size`` is out of range.
            OverlongRecordError: A record does not fit the context, and ``overlong`` is ``error``.
            AssemblyError: There is no record, or the prompt leaves no room for one.
        """
        prepared = self._prepared
        random = self._seeds.generator("assembly.train")
        train = self._ranges(passes(prepared.train, data_fraction, random), random)
        test = as_dataset(self._ranges([prepared.validation], None)) if prepared.validation.count else None
        if self.keep_prefill:
            self.metadata.initial_prefill = self._prefill()
        return TrainingExamples(train=as_dataset(train), stats=self._statistics(train), test=test)

    @cached_property
    def _prepared(self) -> _Prepared:
        source = self._source
        fits = source.tokens.lengths <= source.room
        skipped = np.flatnonzero(~fits)
        if len(skipped):
            self._source.raise_or_skip(skipped, self.overlong)
        known = (self.dataset, self.groups, self.metadata.model_schema)
        groups = find_groups(*known, self._group_columns, self.order_by_column, self.timestamp_format)
        order, whole = find_segments(groups, fits)
        train, validation = split(whole, self.test_size, self._seeds.generator("assembly.split"))
        return _Prepared(order, whole.ends, train, validation, skipped)

    def _ranges(self, parts: Sequence[Segments], random: np.random.Generator | None) -> ExampleRanges:
        prepared, cap = self._prepared, self.metadata.max_sequences_per_example
        lengths = self._source.tokens.lengths[prepared.order]
        bounds = [cut(lengths, part, self._source.room, cap, random) for part in parts]
        starts, stops = (spooled(np.concatenate([each[side] for each in bounds])) for side in (0, 1))
        return self._source.ranges(prepared.order, starts, stops, ends=prepared.ends)

    def _statistics(self, train: ExampleRanges) -> dict[str, Statistics]:
        prepared, lengths = self._prepared, self._source.tokens.lengths
        stretch = np.searchsorted(prepared.train.begins, train.starts, side="right") - 1
        examples = np.bincount(prepared.train.groups[stretch])
        stats = {
            "tokens_per_record": Statistics.of(lengths[prepared.order[prepared.train.indices]]),
            "tokens_per_example": Statistics.of(train.lengths),
            "records_per_example": Statistics.of(train.num_records),
            "examples_per_group": Statistics.of(examples[examples > 0]),
        }
        if len(prepared.skipped):
            stats["tokens_per_skipped_record"] = Statistics.of(lengths[prepared.skipped])
        return stats

    def _prefill(self) -> dict[str, str]:
        """The first records of each training group as text, by group."""
        train, order = self._prepared.train, self._prepared.order
        groups, first = np.unique(train.groups, return_index=True)
        begins = train.begins[first]
        counts = np.minimum(train.stops[first] - begins, self.prefill_records)
        rows = [order[begin : begin + count] for begin, count in zip(begins, counts, strict=True)]
        lines = iter(self._source.lines(select(self._source.dataset, np.concatenate(rows))))
        named = self.dataset if self.group_values is None else self.group_values
        labels = [", ".join(map(str, each)) for each in group_values(named, self._group_columns, order[begins])]
        return {
            label or str(group): "".join(next(lines) for _ in range(count))
            for label, group, count in zip(labels, groups, counts, strict=True)
        }


def _selected(dataset: Any, names: list[str]) -> Any:
    if list(dataset.column_names) == names:
        return dataset
    return dataset.select_columns(names) if hasattr(dataset, "select_columns") else dataset.select(names)


def _visible(schema: ModelSchema | None) -> ModelSchema | None:
    """The columns of a record: without the pseudo group."""
    if schema is None:
        return None
    return evolve(schema, columns=tuple(column for column in schema if column.name != PSEUDO_GROUP_COLUMN))


def _group_by(columns: tuple[str, ...]) -> str | tuple[str, ...]:
    """The constructor's argument for the configured columns: one is a name, and none is one series."""
    return tuple(columns) if len(columns) > 1 else next(iter(columns), PSEUDO_GROUP_COLUMN)


def _with_pseudo_group(dataset: Any) -> Any:
    """The records with a column that has the same value everywhere."""
    zeros = spooled(np.zeros(len(dataset), dtype=np.int8))
    if isinstance(dataset, pa.Table):
        return dataset.append_column(PSEUDO_GROUP_COLUMN, pa.array(zeros))
    return dataset.add_column(PSEUDO_GROUP_COLUMN, zeros)


def build(context: BuildContext, options: SequentialOptions | None) -> SequentialExampleAssembler:
    """Build the component from ``context.assembly``.

    Args:
        context: Carries the assembly inputs.
        options: Options from the configuration; arguments given in code override them.

    Raises:
        ParameterError: The context has no assembly inputs, or an argument is unknown or out of range.
    """
    inputs = required_inputs(context)
    chosen, config = options or SequentialOptions(), inputs.config
    arguments = {
        "group_training_examples_by": _group_by(config.data.group_columns),
        "order_training_examples_by": config.order_column,
        "timestamp_format": config.time_series.timestamp_format,
        "overlong": chosen.overlong,
        "keep_prefill": chosen.keep_prefill,
        "prefill_records": chosen.prefill_records,
        **inputs.extra,
    }
    return SequentialExampleAssembler(**shared_arguments(inputs), **group_arguments(inputs), **arguments)
