"""How new keys of different generations of one model stay apart: each begins to count where no other one does.

A generation has a *first number*: the place of its first row among all rows that the model may ever make. Numbers
come in blocks of a million. The first block belongs to generations that follow each other, as the run directory
counts them (see ``generations``), and so do those from block 1,000 on; blocks 1 to 999 belong to generations of a
seed of their own, by the seed.
"""

from __future__ import annotations

from attrs import define

__all__ = ["BLOCK", "FURTHER_BLOCK", "Numbering", "first_of_seed", "place_of"]

BLOCK = 1_000_000
_SEEDED = 999
FURTHER_BLOCK = BLOCK * (_SEEDED + 1)
"""Where generations that follow each other go on when the first block is full."""
_GOLDEN = 0x9E3779B97F4A7C15


@define
class Numbering:
    """Where a generation begins to count, and how far it has come.

    Attributes:
        first: Its first number.
        rows: How many rows it has numbered.
    """

    first: int = 0
    rows: int = 0


def first_of_seed(seed: int, own: int) -> int:
    """The first number of a generation of a seed.

    Args:
        seed: Its seed.
        own: The seed of the run, whose generation is the first of those that follow each other.

    Returns:
        0 for the run's own seed; else the beginning of a block, another one for seeds that differ by less than 999.
    """
    return 0 if seed == own else BLOCK * (1 + (seed - own - 1) % _SEEDED)


def place_of(first: int, size: int | None, stride: int = 1) -> int:
    """Where a generation begins among the values that its keys can take.

    Where there is no room for all blocks, they begin at places as far from each other as can be.

    Args:
        first: Its first number.
        size: How many values there are; None when there is no end of them.
        stride: The values that are set aside for a row.

    Returns:
        A place from 0, below ``size``.
    """
    block, rest = divmod(first, BLOCK)
    if size is None:
        return first * stride
    begin = block * BLOCK * stride
    if begin + BLOCK * stride > size or size < FURTHER_BLOCK * stride:
        begin = ((block * _GOLDEN) % 2**64 * size) >> 64
    return (begin + rest * stride) % size
