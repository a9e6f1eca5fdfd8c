"""The bundled assemblers; each is imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.assembly": ["PSEUDO_GROUP_COLUMN"],
        "rowsmith_assemblers.grouped": ["GroupedDataExampleAssembler"],
        "rowsmith_assemblers.sequential": ["SequentialExampleAssembler"],
        "rowsmith_assemblers.tabular": ["TabularDataExampleAssembler"],
    },
)
