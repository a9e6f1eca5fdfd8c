"""The text of ``true`` and ``false`` in a boolean column of a spelled table."""

from __future__ import annotations

from rowsmith.table.schema import ModelColumn
from rowsmith.table.types.inference import BOOLEAN_SPELLINGS

__all__ = ["boolean_spellings"]


def boolean_spellings(column: ModelColumn) -> tuple[str, str]:
    """The text of false and of true in a boolean column.

    Args:
        column: A column of booleans.

    Returns:
        The texts of the column if it names them, else the pair that contains its values.
    """
    if column.spellings is not None:
        return column.spellings
    values = set(column.values or ())
    return next((pair for pair in BOOLEAN_SPELLINGS if values <= set(pair)), ("false", "true"))
