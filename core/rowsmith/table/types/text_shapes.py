"""Shapes of short texts.

The shape of a text has ``9`` for an ASCII digit, ``a`` and ``A`` for ASCII letters, and everything else as it is:
``AB1 2CD`` has the shape ``AA9 9AA``. A column of codes has few shapes; of sentences nearly every one has its own.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["characters_of", "frequent_shapes", "shape_of", "whole_shapes"]

_KINDS = {"9": string.digits, "a": string.ascii_lowercase, "A": string.ascii_uppercase}
_TO_SHAPE = str.maketrans({char: kind for kind, chars in _KINDS.items() for char in chars})
_LONGEST = 40
_MOST = 64
_WITH_DIGIT = 0.9


def shape_of(text: str) -> str:
    """The shape of a text."""
    return text.translate(_TO_SHAPE)


def characters_of(symbol: str, alphabet: str) -> str:
    """The characters of an alphabet that a symbol of a shape allows."""
    kind = _KINDS.get(symbol)
    return symbol if kind is None else "".join(char for char in alphabet if char in kind)


def frequent_shapes(
    values: Sequence[str], counts: npt.NDArray[np.int64], *, k: int, share: float
) -> tuple[str, ...] | None:
    """The frequent shapes of a column of codes: short texts with digits, or of one length.

    Args:
        values: Distinct texts.
        counts: The rows of each.
        k: Minimum rows of a shape.
        share: Minimum share of rows with one of these shapes.

    Returns:
        The shapes, in alphabetical order; None if it is not a column of codes.
    """
    if not values or max(map(len, values)) > _LONGEST or not _are_codes(values, counts):
        return None
    rows: dict[str, int] = {}
    for value, count in zip(values, counts.tolist(), strict=True):
        shape = shape_of(value)
        rows[shape] = rows.get(shape, 0) + count
    frequent = tuple(sorted(shape for shape, count in rows.items() if count >= k))
    enough = sum(rows[shape] for shape in frequent) >= share * int(counts.sum())
    return frequent if enough and 0 < len(frequent) <= _MOST else None


def whole_shapes(values: Sequence[str], counts: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """All shapes of a column of codes in which none is singular; none for other columns."""
    return frequent_shapes(values, counts, k=2, share=1.0) or ()


def _are_codes(values: Iterable[str], counts: npt.NDArray[np.int64]) -> bool:
    with_digit = sum(
        count
        for value, count in zip(values, counts.tolist(), strict=True)
        if any(char in string.digits for char in value)
    )
    return with_digit >= _WITH_DIGIT * int(counts.sum()) or len({len(value) for value in values}) == 1
