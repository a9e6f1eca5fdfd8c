"""The one dialect in which the model reads and writes records.

A record is one line of compact JSON ended by a line feed: keys in schema order, raw UTF-8, numbers
as the column writes them, null for missing. Training text, prompts, grammar and parser all take it
from here. Names are imported on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rowsmith.dialect.records import RecordDialect
    from rowsmith.dialect.text import OTHER, json_string, split_lines

__all__ = ["OTHER", "RecordDialect", "json_string", "split_lines"]

_HOMES = {
    "OTHER": "rowsmith.dialect.text",
    "RecordDialect": "rowsmith.dialect.records",
    "json_string": "rowsmith.dialect.text",
    "split_lines": "rowsmith.dialect.text",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
