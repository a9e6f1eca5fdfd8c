"""Number ranges of new keys, so that different generations of one model never make the same key.

A generation has a *first number*: the index of its first row among all rows that the model may ever generate. Numbers
come in blocks of a million. The first block, and blocks from 1,000 on, belong to generations with the seed of the run,
as the run directory counts them (see ``generations``). Blocks 1 to 999 belong to generations with another
seed, chosen by that seed.
"""

from __future__ import annotations

from attrs import define

__all__ = ["BLOCK", "FURTHER_BLOCK", "Numbering", "first_of_seed", "place_of"]

BLOCK = 1_000_000
_SEEDED = 999
FURTHER_BLOCK = BLOCK * (_SEEDED + 1)
"""The first number after the first block is full, for generations with the seed of the run."""
_GOLDEN = 0x9E3779B97F4A7C15


@define
class Numbering:
    """The first number of a generation, and how many numbers it has used.

    Attributes:
        first: Its first number.
        rows: Number of rows numbered so far.
    """

    first: int = 0
    rows: int = 0


def first_of_seed(seed: int, own: int) -> int:
    """The first number of a generation with a seed.

    Args:
        seed: Its seed.
        own: The seed of the run.

    Returns:
        0 for the run's own seed; else the start of a block. Seeds that differ by less than 999 have different blocks.
    """
    return 0 if seed == own else BLOCK * (1 + (seed - own - 1) % _SEEDED)


def place_of(first: int, size: int | None, stride: int = 1) -> int:
    """The index of the first key of a generation among all possible keys.

    If the blocks do not all fit, their starts are as far apart as possible.

    Args:
        first: Its first number.
        size: Number of possible keys; None if unlimited.
        stride: Number of keys reserved for each row.

    Returns:
        An index from 0 to ``size - 1``.
    """
    block, rest = divmod(first, BLOCK)
    if size is None:
        return first * stride
    begin = block * BLOCK * stride
    if begin + BLOCK * stride > size or size < FURTHER_BLOCK * stride:
        begin = ((block * _GOLDEN) % 2**64 * size) >> 64
    return (begin + rest * stride) % size
