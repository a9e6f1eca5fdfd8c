"""Assemblers that come with Rowsmith; each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowsmith.assembly import PSEUDO_GROUP_COLUMN
    from rowsmith_assemblers.grouped import GroupedDataExampleAssembler
    from rowsmith_assemblers.sequential import SequentialExampleAssembler
    from rowsmith_assemblers.tabular import TabularDataExampleAssembler

__all__ = [
    "PSEUDO_GROUP_COLUMN",
    "GroupedDataExampleAssembler",
    "SequentialExampleAssembler",
    "TabularDataExampleAssembler",
]

_HOMES = {
    "GroupedDataExampleAssembler": "rowsmith_assemblers.grouped",
    "PSEUDO_GROUP_COLUMN": "rowsmith.assembly",
    "SequentialExampleAssembler": "rowsmith_assemblers.sequential",
    "TabularDataExampleAssembler": "rowsmith_assemblers.tabular",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
