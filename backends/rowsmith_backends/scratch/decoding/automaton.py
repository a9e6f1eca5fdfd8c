"""Which token may follow which, for one record of a columnar vocabulary, or one group of records.

States: one on entry to each column, one for each automaton state inside an open value, one after a whole
record, and a last one where nothing but padding may come. ``next_state`` is a dense table, so that a whole
batch moves by one look-up. After a whole record comes the end token; where records form groups, the first of
a group begins with the null of the step column, and after a record the step of another one may come.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.errors import GenerationError
from rowsmith.vocabulary import ClosedField, OpenField, Vocabulary

__all__ = ["TokenAutomaton", "build_automaton"]


@frozen(kw_only=True, eq=False)
class TokenAutomaton:
    """The automaton of one record, or of one group.

    Attributes:
        next_state: ``[states, tokens]`` int32; -1 where the token is refused.
        start: The state after the record's BOS.
        end: The state after a whole record.
        done: The state after EOS.
        entries: The state on entry to each column.
        slices: For each state whose allowed ids are contiguous, ``(start, stop)``; else None.
        only: The id that must come, for each state that leaves no choice; -1 for the others; int32 ``[states]``.
        to_done: For each state, the fewest tokens to ``done``; int32 ``[states]``.
    """

    next_state: npt.NDArray[np.int32]
    start: int
    end: int
    done: int
    entries: tuple[int, ...]
    slices: tuple[tuple[int, int] | None, ...]
    only: npt.NDArray[np.int32]
    to_done: npt.NDArray[np.int32]

    @property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """``[states, tokens]``: whether a token may come."""
        return self.next_state >= 0

    def run(self, state: int, ids: Iterable[int]) -> int:
        """The state after some ids.

        Raises:
            GenerationError: A token is refused.
        """
        for position, token in enumerate(ids):
            following = int(self.next_state[state, token])
            if following < 0:
                raise GenerationError(
                    f"token {token} at position {position} cannot follow: it breaks the record grammar"
                )
            state = following
        return state


def build_automaton(vocabulary: Vocabulary) -> TokenAutomaton:
    """Build the automaton of a vocabulary."""
    entries, count = _number_states(vocabulary)
    end, done = count, count + 1
    table = np.full((count + 2, len(vocabulary)), -1, dtype=np.int32)
    table[end, vocabulary.eos_id] = done
    table[done, vocabulary.pad_id] = done
    for index in reversed(range(len(vocabulary.fields))):
        item = vocabulary.fields[index]
        entry, following = entries[index], entries[index + 1] if index + 1 < len(entries) else end
        if isinstance(item, ClosedField):
            table[entry, item.start : item.start + item.generated] = following
            continue
        _fill_open(table, vocabulary, item, entry, following)
    if vocabulary.schema.step is not None:
        _join_records(table, vocabulary, entries[0], end)
    return TokenAutomaton(
        next_state=table,
        start=entries[0],
        end=end,
        done=done,
        entries=tuple(entries),
        only=np.where((table >= 0).sum(axis=1) == 1, table.argmax(axis=1), -1).astype(np.int32),
        slices=tuple(_slice(row) for row in table),
        to_done=_fewest_tokens(table, entries, done),
    )


def _number_states(vocabulary: Vocabulary) -> tuple[list[int], int]:
    entries, count = [], 0
    for item in vocabulary.fields:
        entries.append(count)
        count += 1 if isinstance(item, ClosedField) else 1 + len(item.automaton.moves)
    return entries, count


def _fill_open(
    table: npt.NDArray[np.int32], vocabulary: Vocabulary, item: OpenField, entry: int, following: int
) -> None:
    inside = entry + 1
    table[entry, item.start] = inside
    if item.null_id is not None:
        table[entry, item.null_id] = following
    beginning: dict[int, list[int]] = {}
    for offset, piece in enumerate(vocabulary.pieces):
        beginning.setdefault(piece[0], []).append(offset)
    for state, moves in enumerate(item.automaton.moves):
        for offset in (offset for byte in moves for offset in beginning.get(byte, ())):
            reached = item.automaton.run(state, vocabulary.pieces[offset])
            if reached is not None:
                table[inside + state, vocabulary.pieces_start + offset] = inside + reached
        if state not in item.automaton.accepting:
            continue
        if item.closing_id is not None:
            # The quote piece is refused here as content, so that it can only close the value.
            table[inside + state, item.closing_id] = following
        else:  # a number ends where the next column begins
            onward = table[following] >= 0
            table[inside + state, onward] = table[following, onward]


def _join_records(table: npt.NDArray[np.int32], vocabulary: Vocabulary, start: int, end: int) -> None:
    """Let a group begin with the step column's null, and every other record with one of its other values."""
    item = vocabulary.fields[0]
    assert isinstance(item, ClosedField)
    first = item.start + item.values.index(None)
    later = [token for token in range(item.start, item.start + item.generated) if token != first]
    table[end, later] = table[start, later]
    table[start, later] = -1


def _slice(row: npt.NDArray[np.int32]) -> tuple[int, int] | None:
    ids = np.flatnonzero(row >= 0)
    if len(ids) and ids[-1] - ids[0] + 1 == len(ids):
        return int(ids[0]), int(ids[-1]) + 1
    return None


def _fewest_tokens(table: npt.NDArray[np.int32], entries: list[int], done: int) -> npt.NDArray[np.int32]:
    """The fewest tokens from each state to ``done``: column by column from the last one backwards.

    A column's states lead to one another, or to the column after; so each column is relaxed alone, and a
    table of a thousand columns takes no longer than its cells take to read.
    """
    far = len(table) + 1
    fewest = np.full(len(table) + 1, far, dtype=np.int32)  # the last entry is for refused tokens
    fewest[done] = 0
    for start, stop in reversed(list(zip([*entries, done - 1], [*entries[1:], done - 1, done], strict=True))):
        while True:
            nearer = np.minimum(fewest[start:stop], fewest[table[start:stop]].min(axis=1) + 1)
            if np.array_equal(nearer, fewest[start:stop]):
                break
            fewest[start:stop] = nearer
    return fewest[:-1]
