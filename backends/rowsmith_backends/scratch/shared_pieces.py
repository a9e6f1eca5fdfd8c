"""Which learned pieces of text many rows share: a piece that one text repeats, or one group, is still that one's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rowsmith.transforms.holders import FEWEST_GROUPS, groups_needed

__all__ = ["Merge", "merges_of_groups", "shared_merges", "texts_by_group"]

Merge = tuple[bytes, bytes]
Ints = npt.NDArray[np.int64]

_BLOCK = 20_000
"""So many texts are looked through at once, most often enough for a piece to be found in many of them."""
_K = 5


def shared_merges(merges: Sequence[Merge], columns: Iterable[Mapping[str, int]], min_rows: int) -> list[Merge]:
    """The merges whose piece enough rows hold, and that are made of such pieces alone.

    Args:
        merges: Pairs of pieces that join, in order of preference.
        columns: For each column, the rows of each text.
        min_rows: The fewest rows that hold a piece.
    """
    texts: dict[str, int] = {}
    for column in columns:
        for text, rows in column.items():
            texts[text] = texts.get(text, 0) + rows
    return _kept(merges, _blocks(list(texts), np.array([*texts.values()], dtype=np.int64)), min_rows)


def texts_by_group(columns: Iterable[tuple[Sequence[str], npt.NDArray[np.int32]]], groups: Ints | None) -> list[str]:
    """All texts of each group as one; none where groups do not count.

    Args:
        columns: For each column its texts, and the code of each row.
        groups: The number of each row's group, from 0; None where rows stand alone.
    """
    size = 0 if groups is None else int(groups.max(initial=-1)) + 1
    if groups is None or size < FEWEST_GROUPS:
        return []
    together: list[list[str]] = [[] for _ in range(size)]
    for texts, codes in columns:
        known = codes >= 0
        pairs = np.unique(groups[known] * np.int64(len(texts)) + codes[known])
        for group, code in zip((pairs // len(texts)).tolist(), (pairs % len(texts)).tolist(), strict=True):
            together[group].append(texts[code])
    return ["\n".join(each) for each in together]


def merges_of_groups(merges: Sequence[Merge], together: Sequence[str]) -> list[Merge]:
    """The merges whose piece enough groups have, and that are made of such pieces alone.

    Args:
        merges: Pairs of pieces that join, in order of preference.
        together: All texts of each group as one; none where groups do not count.
    """
    if not together:
        return list(merges)
    return _kept(merges, _blocks(together, np.ones(len(together), dtype=np.int64)), groups_needed(len(together), _K))


def _blocks(texts: Sequence[str], rows: Ints) -> list[tuple[pa.Array, Ints]]:
    array = pa.array([text.encode("utf-8", "surrogatepass") for text in texts], pa.large_binary())
    return [(array[at : at + _BLOCK], rows[at : at + _BLOCK]) for at in range(0, len(texts), _BLOCK)]


def _kept(merges: Sequence[Merge], blocks: Sequence[tuple[pa.Array, Ints]], least: int) -> list[Merge]:
    kept, gone = list[Merge](), set[bytes]()
    for left, right in merges:
        piece = left + right
        if left in gone or right in gone or not _held(piece, blocks, least):
            gone.add(piece)
        else:
            kept.append((left, right))
            gone.discard(piece)
    return kept


def _held(piece: bytes, blocks: Sequence[tuple[pa.Array, Ints]], least: int) -> bool:
    found = 0
    for texts, rows in blocks:
        found += int(rows[np.asarray(pc.match_substring(texts, piece))].sum())
        if found >= least:
            return True
    return False
