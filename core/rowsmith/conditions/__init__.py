"""Conditions on generated rows: values, ranges or null of some columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.conditions.condition import Condition, rows_meeting
    from rowsmith.conditions.reading import read_conditions

__all__ = ["Condition", "read_conditions", "rows_meeting"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.conditions.condition": ["Condition", "rows_meeting"],
        "rowsmith.conditions.reading": ["read_conditions"],
    },
)
