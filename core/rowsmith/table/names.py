"""What a column is called whose label is not text."""

from __future__ import annotations

from typing import Any

__all__ = ["name_of"]


def name_of(label: Any) -> str:
    """The name of a column, by its label.

    Args:
        label: Text, which is its own name; or a label of another kind, such as ``0`` or a tuple.
    """
    if not isinstance(label, tuple):
        return str(label)
    parts = [repr(str(part)) if isinstance(part, str) else name_of(part) for part in label]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
