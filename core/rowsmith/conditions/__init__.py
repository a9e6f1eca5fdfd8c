"""Conditions on generated rows: values, ranges or null of some columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.conditions.condition import Condition, Constraint, rows_meeting
    from rowsmith.conditions.reading import read_conditions, read_constraints, row_tests

__all__ = ["Condition", "Constraint", "read_conditions", "read_constraints", "row_tests", "rows_meeting"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.conditions.condition": ["Condition", "Constraint", "rows_meeting"],
        "rowsmith.conditions.reading": ["read_conditions", "read_constraints", "row_tests"],
    },
)
