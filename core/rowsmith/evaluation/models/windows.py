"""Windows of sequences longer than a model's block: each token is scored once, after at least half a block."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

__all__ = ["Window", "windows_of"]


@frozen
class Window:
    """A part of a sequence that fits into the block.

    Attributes:
        number: The number of the sequence's request.
        ids: Its token ids.
        scored: Position of the first token that is scored in this window, at least 1.
        target: Index of that token among the tokens of the request.
    """

    number: int
    ids: tuple[int, ...]
    scored: int
    target: int


def windows_of(number: int, ids: tuple[int, ...], first: int, block: int) -> Iterator[Window]:
    """Windows of a sequence.

    Args:
        number: The number of its request.
        ids: Context and tokens to score.
        first: Position of the first token to score; without any before it, it is left out.
        block: The most tokens of a window, at least 2.

    Yields:
        The windows, each scoring the tokens after those of the window before; none if there is nothing to score.
    """
    start = max(first, 1)
    stop = min(block, len(ids))
    while start < len(ids):
        if stop <= start:
            stop = min(start + block // 2, len(ids))
        begin = max(0, stop - block)
        yield Window(number, ids[begin:stop], start - begin, start - first)
        start = stop
