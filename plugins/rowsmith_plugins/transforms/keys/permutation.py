"""A fixed order of all texts of a layout that looks like chance: the n-th is found without the others.

Positions are numbers, and a keyed Feistel network over the least even number of bits that holds them all permutes
these; a result that is too large is permuted again, until it is none (cycle walking).
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt

from rowsmith_plugins.transforms.keys.patterns import Layout, texts_of

__all__ = ["LARGEST", "permuted", "size_of", "texts_at"]

Numbers = npt.NDArray[np.uint64]

LARGEST = 2**60
"""Of more texts than this, no two draws are alike, so that they need no order."""
_ROUNDS = 4
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def size_of(layout: Layout) -> int:
    """How many texts a layout has."""
    return math.prod(len(alphabet) for alphabet in layout.alphabets)


def texts_at(layout: Layout, positions: Numbers, key: str) -> list[str]:
    """The texts at some positions of a layout's order.

    Args:
        layout: The layout, of at most ``LARGEST`` texts.
        positions: ``uint64[n]`` below ``size_of(layout)``; different positions give different texts.
        key: What the order depends on.
    """
    numbers = permuted(positions, size_of(layout), key)
    codes = np.empty((len(numbers), len(layout.alphabets)), dtype=np.int64)
    for position in range(len(layout.alphabets) - 1, -1, -1):
        size = np.uint64(len(layout.alphabets[position]))
        codes[:, position] = numbers % size
        numbers = numbers // size
    return texts_of(layout, codes)


def permuted(indices: Numbers, size: int, key: str) -> Numbers:
    """Indices in an order that looks like chance.

    Args:
        indices: ``uint64[n]`` below ``size``; different ones give different results.
        size: How many indices there are, at most 2^64.
        key: What the order depends on.

    Returns:
        ``uint64[n]`` below ``size``.
    """
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    digest = hashlib.blake2b(f"{key}/{size}".encode(), digest_size=8 * _ROUNDS).digest()
    keys = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
    numbers = _rounds(indices.astype(np.uint64), half, keys)
    outside = np.flatnonzero(numbers >= size)
    while outside.size:
        numbers[outside] = _rounds(numbers[outside], half, keys)
        outside = outside[numbers[outside] >= size]
    return numbers


def _rounds(numbers: Numbers, half: np.uint64, keys: Numbers) -> Numbers:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = numbers >> half, numbers & mask
    for key in keys:
        mixed = right ^ key
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        left, right = right, left ^ ((mixed ^ (mixed >> np.uint64(31))) & mask)
    return np.asarray((left << half) | right, dtype=np.uint64)
