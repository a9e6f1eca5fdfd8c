"""Which tokens of a completion belong to which of its records.

The counts of the records and of what lies between them always add up to the length of the
completion: where token ids are known, each token goes to the record that its text begins in;
where only a count is known, records take what their text costs until nothing is left.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import ParamSpec, TypeVar

from rowsmith.generation.processors import Span
from rowsmith.generation.requests import Completion, Decode

__all__ = ["CountTokens", "TokenCounter"]

CountTokens = Callable[[str], int]

P = ParamSpec("P")
R = TypeVar("R")

_BROKEN = "\N{REPLACEMENT CHARACTER}"


class TokenCounter:
    """Shares the tokens of completions out among their records.

    Args:
        count_tokens: Number of tokens of a text; None makes records share by length of text where
            token ids are unknown.
    """

    def __init__(self, count_tokens: CountTokens | None = None) -> None:
        self._count_tokens = count_tokens
        self._pieces: dict[int, str] = {}
        self.seconds = 0.0
        """Time spent counting."""

    def knows(self, completion: Completion) -> bool:
        """Whether the length of a completion in tokens is known, or can be counted."""
        return completion.num_tokens is not None or self._count_tokens is not None

    def total(self, completion: Completion) -> int:
        """Length of a completion in tokens; 0 if unknown."""
        if completion.num_tokens is not None:
            return completion.num_tokens
        return self._timed(self._count, completion.text)

    def shares(self, completion: Completion, spans: Sequence[Span], total: int) -> list[int]:
        """Tokens of each record of a completion.

        Args:
            completion: The completion.
            spans: Ranges of its records: ascending, disjoint, non-empty ranges of characters.
            total: Length of the completion in tokens.

        Returns:
            One count for each span; together at most ``total``. What is missing from ``total`` are
            the tokens outside all records.
        """
        return self._timed(self._shares, completion, spans, total) if spans and total else [0] * len(spans)

    def capped(self, texts: Sequence[str], total: int) -> list[int]:
        """Tokens of some texts of one completion, cut short where they exceed its length.

        Args:
            texts: The texts, in order.
            total: Length of the completion in tokens.

        Returns:
            One count for each text; together at most ``total``.
        """
        return _cut([self._timed(self._count, text) for text in texts], total)

    def _timed(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            self.seconds += time.perf_counter() - started

    def _count(self, text: str) -> int:
        return self._count_tokens(text) if self._count_tokens is not None else 0

    def _shares(self, completion: Completion, spans: Sequence[Span], total: int) -> list[int]:
        if completion.ids is not None and completion.decode is not None and len(completion.ids) == total:
            pieces = self._split(completion.ids, completion.decode)
            if list(spans) == [(0, len(completion.text))]:
                return [len(pieces) - pieces.count("")]
            starts, length = _starts(completion.ids, pieces, completion.decode)
            if length == len(completion.text):
                return [bisect_left(starts, end) - bisect_left(starts, start) for start, end in spans]
        if self._count_tokens is not None:
            return _cut([self._count(completion.text[start:end]) for start, end in spans], total)
        return _by_length(len(completion.text), spans, total)

    def _split(self, ids: Sequence[int], decode: Decode) -> list[str]:
        """Text of each token by itself; a vocabulary is decoded once, not once a completion."""
        pieces = self._pieces
        for token in ids:
            if token not in pieces:
                pieces[token] = decode([token])
        return [pieces[token] for token in ids]


def _starts(ids: Sequence[int], pieces: Sequence[str], decode: Decode) -> tuple[list[int], int]:
    """Where the text of each token begins, those without text (end marks) left out; and the length of the text.

    A token that is part of a character decodes to a replacement mark; adjacent ones are decoded together, and
    begin at one position.
    """
    starts: list[int] = []
    parts: list[int] = []
    position = 0
    for token, piece in zip(ids, pieces, strict=True):
        if not piece:
            continue
        broken = _BROKEN in piece
        if parts and not broken:
            position += len(decode(parts))
            parts = []
        starts.append(position)
        if broken:
            parts.append(token)
        else:
            position += len(piece)
    return starts, position + (len(decode(parts)) if parts else 0)


def _cut(counts: Sequence[int], total: int) -> list[int]:
    ends = [min(end, total) for end in accumulate(counts)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def _by_length(length: int, spans: Sequence[Span], total: int) -> list[int]:
    return [total * end // length - total * start // length for start, end in spans]
