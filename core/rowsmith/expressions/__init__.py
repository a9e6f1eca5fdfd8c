"""Statements about the columns of a row, such as ``gross = net + vat``: read, and evaluated on tables.

The grammar knows names of columns, numbers, ``+ - * /``, ``round``, ``floor``, comparisons and dependencies; nothing
in a statement is ever run as code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.expressions.evaluation import held_by
    from rowsmith.expressions.parsing import parse_statement
    from rowsmith.expressions.statements import Comparison, Dependency, Refusal, Statement

__all__ = ["Comparison", "Dependency", "Refusal", "Statement", "held_by", "parse_statement"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.expressions.statements": ["Comparison", "Dependency", "Refusal", "Statement"],
        "rowsmith.expressions.parsing": ["parse_statement"],
        "rowsmith.expressions.evaluation": ["held_by"],
    },
)
