"""Which records an example holds, told from its ids."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain


def joined(parts: Iterable[list[int]]) -> list[int]:
    """One list of several."""
    return list(chain.from_iterable(parts))


def sequences_of(example: dict[str, list[int]]) -> list[list[int]]:
    """Record numbers of each sequence of an example whose records are ``[10 + number] * length``."""
    ids = [token for token, label in zip(example["input_ids"], example["labels"], strict=True) if label != -100]
    found: list[list[int]] = []
    for token in ids:
        if token == 1:
            found.append([])
        elif token != 2 and (not found[-1] or found[-1][-1] != token - 10):
            found[-1].append(token - 10)
    return found
