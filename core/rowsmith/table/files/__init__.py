"""Tables from files and to files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.table.files.formats import FORMATS, Limits, ReadOptions, file_format, read_table, write_table

__all__ = ["FORMATS", "Limits", "ReadOptions", "file_format", "read_table", "write_table"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.table.files.formats": [
            "FORMATS",
            "Limits",
            "ReadOptions",
            "file_format",
            "read_table",
            "write_table",
        ],
    },
)
