"""The assembler of plain tables: records in random order, packed into examples."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from attrs import frozen

from rowsmith.assembly import Statistics, TrainingExampleAssembler, TrainingExamples, as_dataset
from rowsmith.assembly.ranges import ExampleRanges, Rows
from rowsmith.assembly.token_store import TokenStore
from rowsmith.randomness.seeds import Seeds
from rowsmith.storage.memory_map import spooled
from rowsmith_assemblers.building import required_inputs, shared_arguments
from rowsmith_assemblers.options import TabularOptions
from rowsmith_assemblers.packing import pack
from rowsmith_assemblers.sampling import passes, split
from rowsmith_assemblers.source import RecordSource, check_policy

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset
    from transformers import PreTrainedTokenizer

    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.context import BuildContext

__all__ = ["TabularDataExampleAssembler", "build"]

Array = TypeVar("Array", bound=Rows)


@frozen(eq=False)
class _Records:
    """Tokenized records and the record numbers of each use."""

    store: TokenStore
    train: Rows
    validation: Rows
    skipped: Rows


class TabularDataExampleAssembler(TrainingExampleAssembler):
    """Assembler for tables whose rows are independent of one another.

    Records are shuffled and packed: an example is filled until the next record would not fit the
    context, or until it holds ``metadata.max_sequences_per_example`` records. It is one sequence,
    ``prompt BOS records EOS``. Examples never span two passes over the data, so none holds a record
    twice.

    Args:
        dataset: A ``datasets.Dataset`` of scalar columns, or a spelled ``pyarrow.Table``.
        tokenizer: Tokenizer of the records.
        metadata: Prompt layout, special tokens, context length; its ``model_schema`` says how records
            are written, else the dataset's Arrow types do.
        keep_columns: Columns that must be available after tokenizing.
        test_size: Validation records: a float below 1 is a share, an integer a count.
        cache_file_path: Folder where tokenized records may be cached for other runs.
        seed: Seed of split and shuffles; None for a random one.
        overlong: For records that do not fit the context: ``error`` or ``skip``.
        token_store: The records tokenized already, row for row; their text is then never written.

    Raises:
        ParameterError: A column is missing, ``overlong`` is unknown, or ``token_store`` has another
            number of records than the dataset.
    """

    def __init__(
        self,
        dataset: Dataset | pa.Table,
        tokenizer: PreTrainedTokenizer,
        metadata: ModelMetadata,
        keep_columns: Sequence[str] | None = None,
        test_size: float | None = None,
        cache_file_path: str | Path | None = None,
        seed: int | None = None,
        *,
        overlong: Literal["error", "skip"] = "error",
        token_store: TokenStore | None = None,
    ) -> None:
        super().__init__(dataset, tokenizer, metadata, keep_columns, test_size, cache_file_path, seed)
        self.overlong = overlong
        self.token_store = token_store
        self._seeds = Seeds(secrets.randbits(63) if seed is None else seed)
        self._source = RecordSource(
            dataset=dataset,
            tokenizer=tokenizer,
            metadata=metadata,
            schema=metadata.model_schema,
            store=token_store,
            cache=self.cache_file_path,
        )
        check_policy(overlong, ("error", "skip"))

    @property
    def schema_prompt(self) -> str:
        """The text of the prompt, which names the columns of a record."""
        return self._source.schema_prompt

    @property
    def num_records_train(self) -> int:
        """Number of records in the training split; skipped ones are not counted."""
        return len(self._records.train)

    @property
    def num_records_validation(self) -> int:
        """Number of records in the validation split; skipped ones are not counted."""
        return len(self._records.validation)

    @property
    def num_records_skipped(self) -> int:
        """Number of records left out because they do not fit the context."""
        return len(self._records.skipped)

    def assemble_training_examples(self, data_fraction: float = 1.0) -> TrainingExamples:
        """Build examples of randomly shuffled records.

        Args:
            data_fraction: Passes over the training split: below 1 a random share of it; above 1 whole
                passes, each in its own order, and a share. Validation is always one pass.

        Returns:
            Examples; ``stats`` has ``tokens_per_record``, ``tokens_per_example`` and
            ``records_per_example`` of the training split and, if records were skipped, their
            ``tokens_per_skipped_record``.

        Raises:
            ParameterError: ``data_fraction`` or ``test_size`` is out of range.
            OverlongRecordError: A record does not fit the context, and ``overlong`` is ``error``.
            AssemblyError: There is no record, or the prompt leaves no room for one.
        """
        records = self._records
        train = self._ranges(passes(records.train, data_fraction, self._seeds.generator("assembly.train")))
        test = as_dataset(self._ranges([records.validation])) if len(records.validation) else None
        return TrainingExamples(train=as_dataset(train), stats=_statistics(records, train), test=test)

    @cached_property
    def _records(self) -> _Records:
        store = self._source.tokens
        fits = store.lengths <= self._source.room
        numbers: Rows = np.arange(len(store), dtype=np.int32 if len(store) < 2**31 else np.int64)
        skipped = numbers[~fits]
        if len(skipped):
            self._source.raise_or_skip(skipped, self.overlong)
        fitting = numbers if not len(skipped) else numbers[fits]
        train, validation = split(fitting, self.test_size, self._seeds.generator("assembly.split"))
        return _Records(store, train, validation, skipped)

    def _ranges(self, orders: Sequence[Rows]) -> ExampleRanges:
        lengths = self._records.store.lengths
        room, cap = self._source.room, self.metadata.max_sequences_per_example
        packed = [tuple(map(spooled, pack(lengths[order], room, cap))) for order in orders]
        begins = np.cumsum([0, *map(len, orders)])
        return self._source.ranges(
            spooled(_joined(orders)),
            _joined([spooled(begin + starts) for begin, (starts, _) in zip(begins, packed, strict=False)]),
            _joined([spooled(begin + stops) for begin, (_, stops) in zip(begins, packed, strict=False)]),
        )


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)  # type: ignore[return-value]


def _statistics(records: _Records, train: ExampleRanges) -> dict[str, Statistics]:
    lengths = records.store.lengths
    stats = {
        "tokens_per_record": Statistics.of(lengths[records.train]),
        "tokens_per_example": Statistics.of(train.lengths),
        "records_per_example": Statistics.of(train.num_records),
    }
    if len(records.skipped):
        stats["tokens_per_skipped_record"] = Statistics.of(lengths[records.skipped])
    return stats


def build(context: BuildContext, options: TabularOptions | None) -> TabularDataExampleAssembler:
    """Build the component from ``context.assembly``.

    Args:
        context: Carries the assembly inputs.
        options: Options from the configuration; arguments given in code override them.

    Raises:
        ParameterError: The context has no assembly inputs, or an argument is unknown or out of range.
    """
    inputs = required_inputs(context)
    arguments = {"overlong": (options or TabularOptions()).overlong, **inputs.extra}
    return TabularDataExampleAssembler(**shared_arguments(inputs), **arguments)
