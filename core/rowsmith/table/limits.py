"""Limits on the size of table files."""

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
        record: Most bytes of a row of text.
        ratio: How many times its own size a file may unpack to.
        unpacked: Bytes that any file may unpack to, however small it is.
    """

    rows: int = 100_000_000
    columns: int = 10_000
    cells: int = 2_000_000_000
    size: int = 8 * 2**30
    record: int = 64 * 2**20
    ratio: int = 200
    unpacked: int = 256 * 2**20

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
                raise DataError(f"{where} has {count:,} {word}, more than the limit of {limit:,}; use a part of it")

    def check_unpacked(self, where: str, size: int, packed: int) -> None:
        """Refuse a small file that unpacks to very much.

        Args:
            where: The file, for the message.
            size: Its bytes, once decompressed.
            packed: Its bytes as they are.

        Raises:
            DataError: It is too large.
        """
        self.check_size(where, size)
        if size > max(self.unpacked, self.ratio * packed):
            raise DataError(
                f"{where} has {packed:,} bytes and unpacks to {size:,} or more, over {self.ratio} times as many; if "
                "that is intended, unpack the table first, or use a part of it"
            )

    def check_record(self, where: str, size: int) -> None:
        """Refuse a row of too many bytes.

        Args:
            where: The file and the row, for the message.
            size: The bytes of the row, or of what was read of it.

        Raises:
            DataError: It is too large.
        """
        if size > self.record:
            raise DataError(
                f"{where} has a row of more than the limit of {self.record:,} bytes; perhaps a quote is opened and "
                "never closed, or the line ends are unusual"
            )

    def check_size(self, where: str, size: int) -> None:
        """Refuse a table of too many bytes.

        Args:
            where: The file, for the message.
            size: Its bytes.

        Raises:
            DataError: It is too large.
        """
        if size > self.size:
            raise DataError(f"{where} holds more than the limit of {self.size:,} bytes; use a part of it")
