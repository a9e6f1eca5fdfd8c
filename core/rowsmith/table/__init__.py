"""Tables: their schemas, files and frames.

Names are imported on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.table.files import read_table, write_table
    from rowsmith.table.frames import from_frame, to_frame
    from rowsmith.table.table import Table

__all__ = ["Table", "from_frame", "read_table", "to_frame", "write_table"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.table.files": ["read_table", "write_table"],
        "rowsmith.table.frames": ["from_frame", "to_frame"],
        "rowsmith.table.table": ["Table"],
    },
)
