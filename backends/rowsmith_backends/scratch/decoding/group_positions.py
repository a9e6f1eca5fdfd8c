"""Where the records of a group stand, and their values: what follows from steps and changes written before.

The first record of a group says where the group begins. Every later one begins with its step from the record
before it, so its place, and the parts of the calendar that follow from the place, are known before the model
writes them. The same holds for the level of a value that is written as changes. Each such reckoning is a *hand* of
the clock; the first one tells the time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.errors import DataError
from rowsmith.sequences.calendar import part_of
from rowsmith.table.schema import Timing, TimingRole
from rowsmith.vocabulary import ClosedField, Vocabulary

__all__ = ["TIME", "GroupClock"]

Amounts = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

# Sums of fractions are not exact.
_ROUNDING = 1e-12

TIME = 0
"""The hand that tells the time."""

_MOVES = (TimingRole.STEP, TimingRole.CHANGE)
_MARKS = (TimingRole.POSITION, TimingRole.LEVEL)


@frozen(kw_only=True, eq=False)
class GroupClock:
    """The timing columns of a vocabulary, by token id.

    Attributes:
        moves: ``[hands, ids]`` how far each step or change goes; NaN for every other token.
        marks: ``[hands, ids]`` where each place or level stands; NaN for every other token.
        movers: The hand that each column of steps or changes moves, by its place in the record.
        columns: The columns that follow from where a hand stands, by place in the record.
    """

    moves: Amounts
    marks: Amounts
    movers: Mapping[int, int]
    columns: Mapping[int, _Follower]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> GroupClock | None:
        """The clock of a vocabulary; None when its records stand alone.

        Raises:
            DataError: Records do not begin with the step, or a timing column is open.
        """
        if vocabulary.schema.step is None:
            return None
        timings = {column.name: column.timing for column in vocabulary.schema if column.timing is not None}
        hands = {name: hand for hand, name in enumerate(dict.fromkeys(timing.of for timing in timings.values()))}
        moves, marks = (np.full((len(hands), len(vocabulary)), np.nan) for _ in range(2))
        movers: dict[int, int] = {}
        columns: dict[int, _Follower] = {}
        for number, item in enumerate(vocabulary.fields):
            timing = timings.get(item.name)
            if timing is None:
                continue
            if not isinstance(item, ClosedField):
                raise DataError(f"column {item.name!r} tells of earlier records, and has too many values to do so")
            hand = hands[timing.of]
            if timing.role in _MOVES:
                movers[number] = hand
                _fill(moves[hand], item, timing)
                continue
            if timing.role in _MARKS:
                _fill(marks[hand], item, timing)
            columns[number] = _follower(item, timing, hand, vocabulary.fields[number - 1])
        if 0 not in movers:
            raise DataError("the step between records must come first in a record")
        return cls(moves=moves, marks=marks, movers=movers, columns=columns)

    def unset(self, count: int) -> Amounts:
        """``[count, hands]``: hands that stand nowhere yet."""
        return np.full((count, len(self.moves)), np.nan)

    def after(self, hands: Amounts, tokens: Ids) -> Amounts:
        """Where hands stand after one token each: the first mark sets a hand, moves then move it.

        Args:
            hands: ``[n, hands]``.
            tokens: ``[n]``.
        """
        moves, marks = self.moves[:, tokens].T, self.marks[:, tokens].T
        return np.where(np.isnan(hands), marks, hands + np.where(np.isnan(moves), 0.0, moves))

    def ids(self, column: int, hands: Amounts, before: Ids) -> Ids:
        """What a column that follows from a hand holds.

        Args:
            column: Its number in the record.
            hands: Where the hands stand, ``[n, hands]``.
            before: The token before, ``[n]``; it may tell that there is no value, and so no level.

        Returns:
            Token ids ``[n]``; -1 where its hand stands nowhere yet.
        """
        follower = self.columns[column]
        at = hands[:, follower.hand]
        known = ~np.isnan(at)
        ids = np.full(len(at), -1, dtype=np.int64)
        ids[known] = follower.ids(at[known])
        if follower.missing is not None:
            ids[known & (before == follower.missing[0])] = follower.missing[1]
        return ids

    def out_of_range(self, hand: int, hands: Amounts, ids: Ids) -> npt.NDArray[np.bool_]:
        """``[n, ids]``: whether moves of some ids would lead a hand past its last mark, or before its first.

        Time is only kept from going too far: it never goes back.
        """
        marks = self.marks[hand]
        if np.isnan(marks).all():
            return np.zeros((len(hands), len(ids)), dtype=np.bool_)
        low, high = np.nanmin(marks), np.nanmax(marks)
        near = _ROUNDING * (1 + max(abs(low), abs(high)))
        reached = hands[:, hand, None] + self.moves[hand, ids]
        return np.asarray((reached > high + near) | ((reached < low - near) & (hand != TIME)))


@frozen(kw_only=True, eq=False)
class _Follower:
    """A column whose value follows from where a hand stands.

    Attributes:
        hand: The hand.
        role: What the column tells.
        amounts: What its labels stand for, ascending: places, levels, or numbers of the calendar.
        tokens: The id of each.
        missing: The id before it that says that there is no value, and the id of its own that says so too; None for
            columns that always hold one.
    """

    hand: int
    role: TimingRole
    amounts: Amounts
    tokens: Ids
    missing: tuple[int, int] | None

    def ids(self, amounts: Amounts) -> Ids:
        """The id of the label nearest to each amount."""
        wanted = amounts if self.role in _MARKS else part_of(self.role, amounts).astype(np.float64)
        if len(self.amounts) == 1:
            return np.full(wanted.shape, self.tokens[0])
        above = np.searchsorted(self.amounts, wanted).clip(1, len(self.amounts) - 1)
        nearer = wanted - self.amounts[above - 1] <= self.amounts[above] - wanted
        tokens: Ids = self.tokens[above - nearer]
        return tokens


def _fill(target: Amounts, item: ClosedField, timing: Timing) -> None:
    known = dict(timing.amounts)
    for offset, value in enumerate(item.values):
        if value is not None and value in known:
            target[item.start + offset] = known[value]


def _follower(item: ClosedField, timing: Timing, hand: int, before: object) -> _Follower:
    known, marks = dict(timing.amounts), timing.role in _MARKS
    pairs = sorted(
        (known[value] if marks else float(value), item.start + offset)
        for offset, value in enumerate(item.values[: item.generated])
        if value is not None and (value in known or not marks)
    )
    return _Follower(
        hand=hand,
        role=timing.role,
        amounts=np.array([amount for amount, _ in pairs]),
        tokens=np.array([token for _, token in pairs], dtype=np.int64),
        missing=_missing(item, before) if timing.role is TimingRole.LEVEL else None,
    )


def _missing(item: ClosedField, before: object) -> tuple[int, int] | None:
    if not isinstance(before, ClosedField) or None not in item.values or None not in before.values:
        return None
    return before.start + before.values.index(None), item.start + item.values.index(None)
