"""Tables: their schemas, files and frames.

Names are imported on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rowsmith.table.files import read_table, write_table
    from rowsmith.table.frames import from_frame, to_frame
    from rowsmith.table.table import Table

__all__ = ["Table", "from_frame", "read_table", "to_frame", "write_table"]

_HOMES = {
    "Table": "rowsmith.table.table",
    "from_frame": "rowsmith.table.frames",
    "read_table": "rowsmith.table.files",
    "to_frame": "rowsmith.table.frames",
    "write_table": "rowsmith.table.files",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
