"""A table: its spelled columns and its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from attrs import frozen

from rowsmith.table.columns import take_rows
from rowsmith.table.schema import TableSchema

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Table"]


@frozen
class Table:
    """Spelled columns with their schema.

    Attributes:
        columns: The spelled table; its columns are in the schema's order.
        schema: Types and storage of the columns.
        notes: Notes to the user on how it was read, such as unusual cells; a line each.
    """

    columns: pa.Table
    schema: TableSchema
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def take(self, rows: object) -> Table:
        """Select rows of the table.

        Args:
            rows: Row numbers from 0, as an integer array.
        """
        return Table(take_rows(self.columns, np.asarray(rows)), self.schema)

    def to_frame(self) -> pd.DataFrame:
        """Convert the table to a DataFrame of the user's dtypes."""
        from rowsmith.table.frames import to_frame

        return to_frame(self.columns, self.schema)
