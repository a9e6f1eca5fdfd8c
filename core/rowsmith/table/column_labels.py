"""Records of column labels that are not text."""

from __future__ import annotations

from typing import Any

from attrs import frozen

__all__ = ["ColumnLabel", "ColumnLabels", "LabelPart", "name_of"]


def name_of(label: Any) -> str:
    """The name of a column, by its label.

    Args:
        label: Text, which is its own name; or a label of another kind, such as ``0`` or a tuple.
    """
    if not isinstance(label, tuple):
        return str(label)
    parts = [repr(str(part)) if isinstance(part, str) else name_of(part) for part in label]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


@frozen(kw_only=True)
class LabelPart:
    """A value of a column label, spelled as a cell of a column of Python objects.

    Attributes:
        text: The spelled value; None for null.
        element: As in ``Storage``.
        null: As in ``Storage``.
        zone: As in ``Storage``.
        unit: As in ``Storage``.
    """

    text: str | None
    element: str
    null: str = "None"
    zone: str = ""
    unit: str = ""


@frozen(kw_only=True)
class ColumnLabel:
    """The label of a column that is not text, or one of several kinds.

    Attributes:
        parts: Its values; one but for tuples.
        scalar: Whether it is the value itself, and no tuple.
    """

    parts: tuple[LabelPart, ...]
    scalar: bool = True


@frozen(kw_only=True)
class ColumnLabels:
    """The labels of a frame's columns.

    Attributes:
        labels: One for each column.
        names: Names of the levels of the labels.
        levels: Whether labels have several levels.
        dtype: The dtype of the labels, or ``range``; empty if they have levels.
        categories: The categories of labels that are categories; None for others.
        ordered: Whether these are ordered.
    """

    labels: tuple[ColumnLabel, ...]
    names: tuple[ColumnLabel, ...]
    levels: bool = False
    dtype: str = ""
    categories: tuple[ColumnLabel, ...] | None = None
    ordered: bool = False
