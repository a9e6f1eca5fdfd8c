"""Text of many rows at once, joined from a fragment for each distinct value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import field, frozen

from rowsmith.table.columns import Codes

__all__ = ["CountedFragments", "Fragments", "joined_rows", "write_rows"]

_BLOCK_ROWS = 65_536


@frozen(eq=False)
class Fragments:
    """The fragments of one column.

    Attributes:
        texts: A fragment for each distinct value; the last one is for null.
        codes: The code of each row, -1 for null.
    """

    texts: list[str]
    codes: Codes
    array: pa.StringArray = field(init=False)

    @array.default
    def _make_array(self) -> pa.StringArray:
        return pa.array(self.texts, type=pa.large_string())

    def __len__(self) -> int:
        return len(self.codes)

    def rows(self, start: int, stop: int) -> pa.StringArray:
        """The fragments of some rows."""
        codes = self.codes[start:stop]
        return self.array.take(pa.array(np.where(codes < 0, len(self.texts) - 1, codes)))


@frozen
class CountedFragments:
    """Row numbers as a column of fragments.

    Attributes:
        first: The number of the first row.
        count: Number of rows.
        end: Text after each number.
    """

    first: int
    count: int
    end: str

    def __len__(self) -> int:
        return self.count

    def rows(self, start: int, stop: int) -> pa.StringArray:
        """The fragments of some rows."""
        numbers = pa.array(np.arange(start, stop, dtype=np.int64) + self.first).cast(pa.large_string())
        end, nothing = (pa.scalar(text, type=pa.large_string()) for text in (self.end, ""))
        return pc.binary_join_element_wise(numbers, end, nothing)


def joined_rows(columns: Sequence[Fragments | CountedFragments]) -> Iterator[pa.Array]:
    """Join the columns' fragments row by row.

    Args:
        columns: At least one column; all have as many rows.

    Yields:
        Arrays of ``large_string``, one text for each row, in order, a block of rows at a time.
    """
    rows = len(columns[0])
    for start in range(0, rows, _BLOCK_ROWS):
        parts = [column.rows(start, min(start + _BLOCK_ROWS, rows)) for column in columns]
        yield pc.binary_join_element_wise(*parts, pa.scalar("", type=pa.large_string()))


def write_rows(blocks: Iterable[pa.Array], file: IO[bytes]) -> None:
    """Write the rows that ``joined_rows`` gives, as UTF-8.

    Args:
        blocks: Arrays of ``large_string`` without nulls.
        file: An open binary file.
    """
    for block in blocks:
        _, offsets, text = block.buffers()
        bounds = np.frombuffer(offsets, dtype=np.int64)[[block.offset, block.offset + len(block)]]
        if text is not None:
            file.write(memoryview(text)[int(bounds[0]) : int(bounds[1])])
