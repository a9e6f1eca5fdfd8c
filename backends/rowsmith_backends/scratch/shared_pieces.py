"""Filter of learned text pieces: only those shared by enough rows, or enough groups, are retained for privacy."""

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
"""Texts searched at once; mostly enough for a common piece to reach the threshold."""
_K = 5


def shared_merges(merges: Sequence[Merge], columns: Iterable[Mapping[str, int]], min_rows: int) -> list[Merge]:
    """The merges whose piece occurs in enough rows, and that consist of such pieces.

    Args:
        merges: Pairs of pieces that join, in order of preference.
        columns: For each column, the rows of each text.
        min_rows: The fewest rows with a piece.
    """
    texts: dict[str, int] = {}
    for column in columns:
        for text, rows in column.items():
            texts[text] = texts.get(text, 0) + rows
    return _frequent_merges(merges, _blocks(list(texts), np.array([*texts.values()], dtype=np.int64)), min_rows)


def texts_by_group(columns: Iterable[tuple[Sequence[str], npt.NDArray[np.int32]]], groups: Ints | None) -> list[str]:
    """All texts of each group, joined; empty if there are too few groups to count.

    Args:
        columns: For each column its texts, and the code of each row.
        groups: Index of each row's group, from 0; None for independent rows.
    """
    size = 0 if groups is None else int(groups.max(initial=-1)) + 1
    if groups is None or size < FEWEST_GROUPS:
        return []
    group_texts: list[list[str]] = [[] for _ in range(size)]
    for texts, codes in columns:
        has_text = codes >= 0
        pairs = np.unique(groups[has_text] * np.int64(len(texts)) + codes[has_text])
        for group, code in zip((pairs // len(texts)).tolist(), (pairs % len(texts)).tolist(), strict=True):
            group_texts[group].append(texts[code])
    return ["\n".join(each) for each in group_texts]


def merges_of_groups(merges: Sequence[Merge], group_texts: Sequence[str]) -> list[Merge]:
    """The merges whose piece occurs in enough groups, and that consist of such pieces.

    Args:
        merges: Pairs of pieces that join, in order of preference.
        group_texts: Joined texts of each group; empty if groups do not count.
    """
    if not group_texts:
        return list(merges)
    return _frequent_merges(
        merges, _blocks(group_texts, np.ones(len(group_texts), dtype=np.int64)), groups_needed(len(group_texts), _K)
    )


def _blocks(texts: Sequence[str], rows: Ints) -> list[tuple[pa.Array, Ints]]:
    array = pa.array([text.encode("utf-8", "surrogatepass") for text in texts], pa.large_binary())
    return [(array[at : at + _BLOCK], rows[at : at + _BLOCK]) for at in range(0, len(texts), _BLOCK)]


def _frequent_merges(merges: Sequence[Merge], blocks: Sequence[tuple[pa.Array, Ints]], min_count: int) -> list[Merge]:
    frequent, dropped = list[Merge](), set[bytes]()
    for left, right in merges:
        piece = left + right
        if left in dropped or right in dropped or not _is_frequent(piece, blocks, min_count):
            dropped.add(piece)
        else:
            frequent.append((left, right))
            dropped.discard(piece)
    return frequent


def _is_frequent(piece: bytes, blocks: Sequence[tuple[pa.Array, Ints]], min_count: int) -> bool:
    count = 0
    for texts, rows in blocks:
        count += int(rows[np.asarray(pc.match_substring(texts, piece))].sum())
        if count >= min_count:
            return True
    return False
