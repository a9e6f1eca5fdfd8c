"""How large a table file may be before it is refused."""

from __future__ import annotations

from attrs import frozen

from rowsmith.errors import DataError

__all__ = ["Limits"]


@frozen(kw_only=True)
class Limits:
    """Bounds on a table file, checked before its content is loaded where the format allows.

    Attributes:
        rows: Most rows.
        columns: Most columns.
        cells: Most rows times columns.
        size: Most bytes, once decompressed.
    """

    rows: int = 100_000_000
    columns: int = 10_000
    cells: int = 2_000_000_000
    size: int = 8 * 2**30

    def check_shape(self, where: str, rows: int, columns: int) -> None:
        """Refuse a table of too many rows or columns.

        Args:
            where: The file, for the message.
            rows: Its rows.
            columns: Its columns.

        Raises:
            DataError: It is too large.
        """
        for count, limit, word in (
            (columns, self.columns, "columns"),
            (rows, self.rows, "rows"),
            (rows * columns, self.cells, "cells"),
        ):
            if count > limit:
                raise DataError(f"{where} has {count:,} {word}, more than the limit of {limit:,}; take a part of it")

    def check_size(self, where: str, size: int) -> None:
        """Refuse a table of too many bytes.

        Args:
            where: The file, for the message.
            size: Its bytes.

        Raises:
            DataError: It is too large.
        """
        if size > self.size:
            raise DataError(f"{where} holds more than the limit of {self.size:,} bytes; take a part of it")
