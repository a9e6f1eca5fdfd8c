"""Training examples as a dataset on an Arrow table whose rows are laid out when they are read.

Such a dataset behaves like any other: it has columns and can be indexed, shuffled, mapped, formatted and saved. Only
the tokens are lazy: single rows are gathered from the token store when they are read, and whole
columns are written once, block by block, to a mapped temporary file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve

from rowsmith.assembly.ranges import ExampleRanges
from rowsmith.assembly.token_store import Ints
from rowsmith.storage.memory_map import BlockWriter

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["SCHEMA", "ExampleTable", "as_dataset", "example_table", "ranges_of"]

_TYPES: dict[str, type[np.signedinteger[Any]]] = {"input_ids": np.int32, "attention_mask": np.int8, "labels": np.int64}

SCHEMA = pa.schema([(name, pa.list_(pa.from_numpy_dtype(kind))) for name, kind in _TYPES.items()])
"""The columns; with the types that Datasets gives to lists of these names."""

_CELLS = 1 << 20
"""Tokens per block, including padding."""


def as_dataset(ranges: ExampleRanges) -> Dataset:
    """A Dataset of examples, which are laid out when they are read.

    Args:
        ranges: The examples.

    Returns:
        The dataset; its columns are the lists ``input_ids``, ``attention_mask`` and ``labels``.
    """
    from datasets import Dataset

    # A fingerprint of its own: Datasets would read the whole table to make one.
    return Dataset(example_table(ranges), fingerprint=uuid4().hex[:16])


def ranges_of(dataset: Dataset) -> ExampleRanges | None:
    """The ranges behind a dataset made by ``as_dataset``, so that a trainer can gather arrays itself.

    Args:
        dataset: Such a dataset, or one shuffled or selected from it.

    Returns:
        Its examples in its order; None for other datasets, or if rows are transformed.
    """
    table = dataset.data
    if not isinstance(table, ExampleTable) or dataset.format["type"] == "custom":
        return None
    # Datasets keeps the selection only in this private attribute.
    if dataset._indices is None:
        return table.ranges
    rows = dataset._indices.column(0).to_numpy()
    return evolve(table.ranges, starts=table.ranges.starts[rows], stops=table.ranges.stops[rows])


def example_table(ranges: ExampleRanges, schema: pa.Schema = SCHEMA) -> ExampleTable:
    """The table of some examples, as a ``datasets.table.Table``.

    Args:
        ranges: The examples.
        schema: ``SCHEMA``, with metadata if there are any.
    """
    made: ExampleTable = _table_class()(ranges, schema)
    return made


@cache
def _table_class() -> Any:
    """``ExampleTable`` as a subclass of the table of Datasets, whose import is heavy."""
    from datasets.table import InMemoryTable

    return type("DatasetExampleTable", (ExampleTable, InMemoryTable), {})


class ExampleTable:
    """The columns ``input_ids``, ``attention_mask`` and ``labels`` of examples.

    Everything else is inherited from ``datasets.table.InMemoryTable``, which reads ``table``.

    Args:
        ranges: The examples.
        schema: ``SCHEMA``, with metadata if there are any.
    """

    def __init__(self, ranges: ExampleRanges, schema: pa.Schema = SCHEMA) -> None:
        self.ranges = ranges
        self._schema = schema

    def __deepcopy__(self, memo: dict[int, Any]) -> ExampleTable:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return example_table, (self.ranges, self._schema)

    def __len__(self) -> int:
        return len(self.ranges)

    @cached_property
    def table(self) -> pa.Table:
        """All columns, written out."""
        total = int(self.ranges.lengths.sum())
        writers = {name: BlockWriter(total, kind) for name, kind in _TYPES.items()}
        offsets = []
        for block in self._blocks():
            for name, writer in writers.items():
                writer.append(block.column(name).values.to_numpy())
            offsets.append(block.column(0).offsets.to_numpy())
        columns = [_chunked(offsets, writer.array()) for writer in writers.values()]
        arrays = [pa.chunked_array(each, field.type) for each, field in zip(columns, self._schema, strict=True)]
        return pa.table(arrays, schema=self._schema)

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return self._schema

    @property
    def num_rows(self) -> int:
        """How many examples there are."""
        return len(self.ranges)

    @property
    def num_columns(self) -> int:
        """How many columns there are."""
        return len(self._schema)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.num_rows, self.num_columns

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""
        return list(self._schema.names)

    @property
    def nbytes(self) -> int:
        """Bytes of the columns, written out."""
        token = sum(np.dtype(kind).itemsize for kind in _TYPES.values())
        offsets = len(_TYPES) * np.dtype(np.int32).itemsize * len(self.ranges)
        return int(self.ranges.lengths.sum()) * token + offsets

    def fast_gather(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> pa.Table:
        """Some examples.

        Args:
            indices: Their numbers.
        """
        numbers = np.asarray(indices, dtype=np.int64)
        return self._laid_out(self.ranges.starts[numbers], self.ranges.stops[numbers])

    def fast_slice(self, offset: int = 0, length: int | None = None) -> pa.Table:
        """Consecutive examples.

        Args:
            offset: The first.
            length: The most examples; None for all that follow.
        """
        part = self._part(offset, length)
        return self._laid_out(part.starts, part.stops)

    def slice(self, offset: int = 0, length: int | None = None) -> ExampleTable:
        """Like ``fast_slice``, but lazy."""
        return example_table(self._part(offset, length), self._schema)

    def to_reader(self, max_chunksize: int | None = None) -> pa.RecordBatchReader:
        """All examples, block by block.

        Args:
            max_chunksize: The most examples of a batch; None for the size of a block.
        """
        return pa.RecordBatchReader.from_batches(self._schema, self._batches_of(max_chunksize))

    def to_batches(self, max_chunksize: int | None = None) -> list[pa.RecordBatch]:
        """All examples as batches."""
        batches: list[pa.RecordBatch] = self.table.to_batches(max_chunksize=max_chunksize)
        return batches

    def cast(self, target_schema: pa.Schema, *args: Any, **kwargs: Any) -> Any:
        """The same columns in other types; columns that have the type already are not written.

        Args:
            target_schema: Names and types.
            *args: As ``pyarrow.Table.cast`` takes them.
            **kwargs: As ``pyarrow.Table.cast`` takes them.
        """
        if target_schema.equals(self._schema):
            return example_table(self.ranges, self._schema.with_metadata(target_schema.metadata))
        from datasets.table import InMemoryTable

        return InMemoryTable(self.table).cast(target_schema, *args, **kwargs)

    def replace_schema_metadata(self, metadata: dict[bytes, bytes] | None = None) -> ExampleTable:
        """The same columns with other schema metadata.

        Args:
            metadata: The metadata of the schema.
        """
        return example_table(self.ranges, self._schema.with_metadata(metadata))

    def _part(self, offset: int, length: int | None) -> ExampleRanges:
        if offset < 0:
            raise IndexError("Offset must be non-negative")
        stop = None if length is None else offset + max(length, 0)
        return evolve(self.ranges, starts=self.ranges.starts[offset:stop], stops=self.ranges.stops[offset:stop])

    def _laid_out(self, starts: Ints, stops: Ints) -> pa.Table:
        return pa.Table.from_batches([self._block(starts, stops)], schema=self._schema)

    def _batches_of(self, most: int | None) -> Iterator[pa.RecordBatch]:
        for block in self._blocks():
            size = most or max(1, block.num_rows)
            yield from (block.slice(start, size) for start in range(0, block.num_rows, size))

    def _blocks(self) -> Iterator[pa.RecordBatch]:
        starts, stops = self.ranges.starts, self.ranges.stops
        size = max(1, _CELLS // int(self.ranges.lengths.max(initial=1)))
        for first in range(0, len(starts), size):
            yield self._block(starts[first : first + size], stops[first : first + size])

    def _block(self, starts: Ints, stops: Ints) -> pa.RecordBatch:
        batch = self.ranges.gather(starts, stops)
        used = batch["attention_mask"].astype(bool)
        offsets = pa.array(np.append(0, np.cumsum(used.sum(axis=1))).astype(np.int32))
        arrays = [pa.ListArray.from_arrays(offsets, batch[name][used].astype(kind)) for name, kind in _TYPES.items()]
        return pa.record_batch(arrays, schema=self._schema)


def _chunked(offsets: Sequence[npt.NDArray[np.int32]], values: npt.NDArray[Any]) -> list[pa.ListArray]:
    """The lists of each block, on one array of values."""
    begins = np.cumsum([0, *(int(each[-1]) for each in offsets)])
    return [
        pa.ListArray.from_arrays(each, values[begin : begin + each[-1]])
        for each, begin in zip(offsets, begins, strict=False)
    ]
