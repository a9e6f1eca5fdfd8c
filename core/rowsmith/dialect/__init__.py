"""The record dialect: the JSON lines that models read and write.

A record is one line of compact JSON ended by a line feed: keys in schema order, raw UTF-8, numbers
in the spelling of their column, null for missing. Training text, prompts, grammar and parser all use
this package. Names are imported on first use, so importing it is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.dialect.records import RecordDialect
    from rowsmith.dialect.text import OTHER, json_string, split_lines

__all__ = ["OTHER", "RecordDialect", "json_string", "split_lines"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.dialect.records": ["RecordDialect"],
        "rowsmith.dialect.text": ["OTHER", "json_string", "split_lines"],
    },
)
