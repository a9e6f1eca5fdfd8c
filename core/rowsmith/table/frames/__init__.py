"""Tables from pandas DataFrames and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.table.frames.conversion import build_table, from_frame, misfits, named_frame, to_frame

__all__ = ["build_table", "from_frame", "misfits", "named_frame", "to_frame"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.table.frames.conversion": ["build_table", "from_frame", "misfits", "named_frame", "to_frame"],
    },
)
