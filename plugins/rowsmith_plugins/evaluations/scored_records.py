"""Records scored by a model: which token belongs to which column, and records of a group in its context.

A token belongs to the column whose value it overlaps; to several of them, the first. A token that overlaps none but
holds the character after a value belongs to that value, since it ends it. All others are structure, as is the token
that ends a group.

The records of a group are one sequence, as in training. A sequence longer than the model's block is scored in several
ones that begin with a record, each record once, after at least half a block of those before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.errors import EvaluationError
from rowsmith.evaluation import Executor, ScoredTokens, ScoreRequest
from rowsmith_plugins.evaluations.record_lines import RecordLine

__all__ = [
    "STRUCTURE",
    "ScoredRecord",
    "context_start",
    "encode_with_offsets",
    "encoded_groups",
    "joined",
    "score_lines",
]

STRUCTURE = -1
"""The owner of a token that belongs to no column."""

Ids = tuple[int, ...]
Encoded = list[tuple[list[int], list[tuple[int, int]]]]


@frozen(eq=False)
class ScoredRecord:
    """A record with the scores of its tokens.

    Attributes:
        line: The record.
        owners: Column of each token, -1 for structure: int64 ``[n]``.
        scored: The scores.
    """

    line: RecordLine
    owners: npt.NDArray[np.int64]
    scored: ScoredTokens

    @property
    def bits(self) -> float:
        """Code length of the record."""
        return self.scored.nll / math.log(2)

    def column_bits(self, columns: int) -> npt.NDArray[np.float64]:
        """Code length of structure, then of each column: float64 ``[1 + columns]``; they add up to ``bits``."""
        bits = -np.nan_to_num(self.scored.log_probs, nan=0.0, neginf=-np.inf) / math.log(2)
        return np.bincount(self.owners + 1, weights=bits, minlength=columns + 1).astype(np.float64)


def encode_with_offsets(encoding: Any, texts: Sequence[str]) -> Encoded:
    """Token ids of records, and the range of characters of each.

    Raises:
        EvaluationError: The encoding does not give the characters of a token.
    """
    method = getattr(encoding, "encode_with_offsets", None)
    if method is None:
        raise EvaluationError(
            f"the encoding, a {type(encoding).__name__}, has no method encode_with_offsets, which gives the "
            "characters of a token; evaluate with the model's own encoding"
        )
    encoded: Encoded = method(list(texts))
    return encoded


def encoded_groups(encoding: Any, lines: Sequence[RecordLine], room: int) -> dict[int, list[Ids]]:
    """Token ids of each record of the groups of some records, by the ``id`` of the group.

    Args:
        encoding: The tokenizer.
        lines: The records.
        room: The most tokens before a record. Records that are too far before these to be in a context, and those after
            them, are left empty.
    """
    groups = {id(line.group): line.group for line in lines if line.group is not None}
    wanted: dict[int, range] = {}
    for line in lines:
        known = wanted.get(id(line.group), range(line.position, line.position))
        # A record has at least one token.
        wanted[id(line.group)] = range(
            min(known.start, max(0, line.position - room - 1)), max(known.stop, line.position + 1)
        )
    texts = [group.texts[at] for key, group in groups.items() for at in wanted[key]]
    ids = iter([tuple(each) for each, _ in encode_with_offsets(encoding, texts)] if texts else ())
    return {
        key: [next(ids) if at in wanted[key] else () for at in range(len(group.texts))] for key, group in groups.items()
    }


def context_start(ids: Sequence[Ids], position: int, room: int, most: int | None = None) -> int:
    """Index of the first of the records before one that fit before it.

    Args:
        ids: Token ids of the records of its group.
        position: Index of the record.
        room: The most tokens of those before it.
        most: The most records before it; None for no limit.
    """
    first, least = position, 0 if most is None else max(0, position - most)
    while first > least and len(ids[first - 1]) <= room:
        first -= 1
        room -= len(ids[first])
    return first


def joined(ids: Iterable[Ids]) -> Ids:
    """Token ids of several records, one after another."""
    return tuple(token for each in ids for token in each)


def score_lines(
    inference: Any, encoding: Any, lines: Sequence[RecordLine], *, predictions: bool = False, model: Any = None
) -> list[ScoredRecord]:
    """Score records: independent ones as the first after the model's prompt, others after those of their group.

    Args:
        inference: The inference job.
        encoding: The tokenizer.
        lines: The records.
        predictions: Whether predictions are needed.
        model: Another model than the job's, such as its reference.
    """
    executor = inference.executor
    if model is not None:
        executor = Executor(
            model=model, max_rows=executor.max_rows, max_tokens=executor.max_tokens, exchange=executor.exchange
        )
    encoded = encode_with_offsets(encoding, [line.text for line in lines])
    own = [(*ids, *line.end_ids) for line, (ids, _) in zip(lines, encoded, strict=True)]
    room = executor.model.block_size - len(executor.model.prefix_ids)
    planned = list(_planned(lines, own, encoded_groups(encoding, lines, room), room))
    requests = [ScoreRequest(joined(own[start:stop]), context) for start, stop, context in planned]
    found: list[ScoredRecord] = []
    for (start, stop, _), scored in zip(planned, executor.score(requests, predictions=predictions), strict=True):
        ends = np.cumsum([len(each) for each in own[start:stop]])
        for line, end, (_, offsets) in zip(lines[start:stop], ends.tolist(), encoded[start:stop], strict=True):
            part = scored.part(end - len(offsets) - len(line.end_ids), end)
            found.append(ScoredRecord(line, _owners(offsets, line), part))
    return found


def _planned(
    lines: Sequence[RecordLine], own: Sequence[Ids], groups: Mapping[int, list[Ids]], room: int
) -> Iterator[tuple[int, int, Ids]]:
    """Ranges of records that are scored in one sequence, and the tokens before each."""
    start = 0
    while start < len(lines):
        group, position, stop = lines[start].group, lines[start].position, start + 1
        if group is None:
            yield start, stop, ()
        else:
            ids, most = groups[id(group)], group.most_records
            run, size = _run(lines, own, start, room, most)
            # All of the group in one sequence if it fits; else at least half a block before each record.
            budget = max(room - size, min(room // 2, room - len(own[start])))
            first = context_start(ids, position, budget, None if most is None else max(most - run, most // 2))
            context = joined(ids[first:position])
            free = room - len(context) - len(own[start])
            while stop < len(lines) and lines[stop].follows(lines[stop - 1]):
                if len(own[stop]) > free or (most is not None and position - first + stop - start >= most):
                    break
                free -= len(own[stop])
                stop += 1
            yield start, stop, context
        start = stop


def _run(lines: Sequence[RecordLine], own: Sequence[Ids], start: int, room: int, most: int | None) -> tuple[int, int]:
    """How many records follow each other from one on, and their tokens, as many as may be in one sequence."""
    size, stop = len(own[start]), start + 1
    while size <= room and (most is None or stop - start < most) and stop < len(lines):
        if not lines[stop].follows(lines[stop - 1]):
            break
        size += len(own[stop])
        stop += 1
    return stop - start, min(size, room)


def _owners(offsets: Sequence[tuple[int, int]], line: RecordLine) -> npt.NDArray[np.int64]:
    length = len(line.text) + 1
    values = np.full(length, STRUCTURE, dtype=np.int64)
    ends = np.full(length, STRUCTURE, dtype=np.int64)
    for column, (start, stop) in enumerate(line.spans):
        values[start:stop] = column
        ends[stop] = column
    owners = [_owner(values[start:stop], ends[start:stop]) for start, stop in offsets]
    return np.array([*owners, *([STRUCTURE] * len(line.end_ids))], dtype=np.int64)


def _owner(values: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> int:
    for candidates in (values, ends):
        held = candidates[candidates != STRUCTURE]
        if len(held):
            return int(held[0])
    return STRUCTURE
