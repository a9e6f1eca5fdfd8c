"""Positions in groups, and running values: what follows from the steps and changes of earlier records.

The first record of a group says where the group begins. Every later one begins with its step from the record
before it, so its position, and the parts of the calendar that follow from it, are known before the model
writes them. The same holds for the level of a value that is written as changes. Each such sum is a *track*: the first
one is time. The position state of a group holds the position of each track.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.errors import DataError
from rowsmith.sequences.timing_labels import TimingLabels
from rowsmith.table.schema import Timing, TimingRole
from rowsmith.vocabulary import ClosedField, Vocabulary

__all__ = ["TIME", "PositionDecoder"]

Amounts = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

# Sums of fractions are not exact.
_ROUNDING = 1e-12

TIME = 0
"""The track that gives the time."""

_MOVES = (TimingRole.STEP, TimingRole.CHANGE)
_MARKS = (TimingRole.POSITION, TimingRole.LEVEL)


@frozen(kw_only=True, eq=False)
class PositionDecoder:
    """The timing columns of a vocabulary, by token id.

    Attributes:
        moves: ``[tracks, ids]`` how far each step or change goes; NaN for every other token.
        marks: ``[tracks, ids]`` the position that each position or level label gives; NaN for every other token.
        movers: The track that each column of steps or changes moves, by its index in the record.
        columns: The columns that follow from the position of a track, by index in the record.
    """

    moves: Amounts
    marks: Amounts
    movers: Mapping[int, int]
    columns: Mapping[int, _Follower]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> PositionDecoder | None:
        """The position decoder of a vocabulary; None where its records are independent.

        Raises:
            DataError: Records do not begin with the step, or a timing column is open.
        """
        if vocabulary.schema.step is None:
            return None
        timings = {column.name: column.timing for column in vocabulary.schema if column.timing is not None}
        tracks = {name: track for track, name in enumerate(dict.fromkeys(timing.of for timing in timings.values()))}
        moves, marks = (np.full((len(tracks), len(vocabulary)), np.nan) for _ in range(2))
        movers: dict[int, int] = {}
        columns: dict[int, _Follower] = {}
        for number, item in enumerate(vocabulary.fields):
            timing = timings.get(item.name)
            if timing is None:
                continue
            if not isinstance(item, ClosedField):
                raise DataError(f"column {item.name!r} refers to earlier records, and has too many values to do so")
            track = tracks[timing.of]
            if timing.role in _MOVES:
                movers[number] = track
                _fill(moves[track], item, timing)
                continue
            if timing.role in _MARKS:
                _fill(marks[track], item, timing)
            columns[number] = _follower(item, timing, track, vocabulary.fields[number - 1])
        if 0 not in movers:
            raise DataError("the step between records must come first in a record")
        return cls(moves=moves, marks=marks, movers=movers, columns=columns)

    def unset(self, count: int) -> Amounts:
        """``[count, tracks]``: positions that are not known yet, NaN."""
        return np.full((count, len(self.moves)), np.nan)

    def after(self, positions: Amounts, tokens: Ids) -> Amounts:
        """Positions after one token each: the first mark sets a track, moves then move it.

        Args:
            positions: ``[n, tracks]``.
            tokens: ``[n]``.
        """
        moves, marks = self.moves[:, tokens].T, self.marks[:, tokens].T
        return np.where(np.isnan(positions), marks, positions + np.where(np.isnan(moves), 0.0, moves))

    def ids(self, column: int, positions: Amounts, before: Ids) -> Ids:
        """What a column that follows from a track holds.

        Args:
            column: Its number in the record.
            positions: ``[n, tracks]``.
            before: The token before, ``[n]``; it may say that there is no value, and so no level.

        Returns:
            Token ids ``[n]``; -1 where the position of its track is not known yet.
        """
        follower = self.columns[column]
        at = positions[:, follower.track]
        known = ~np.isnan(at)
        ids = np.full(len(at), -1, dtype=np.int64)
        ids[known] = follower.ids(at[known])
        if follower.missing is not None:
            ids[known & (before == follower.missing[0])] = follower.missing[1]
        return ids

    def out_of_range(self, track: int, positions: Amounts, ids: Ids) -> npt.NDArray[np.bool_]:
        """``[n, ids]``: whether moves of some ids would lead a track past its last mark, or before its first.

        Time is only prevented from going too far: it never goes back.
        """
        marks = self.marks[track]
        if np.isnan(marks).all():
            return np.zeros((len(positions), len(ids)), dtype=np.bool_)
        low, high = np.nanmin(marks), np.nanmax(marks)
        near = _ROUNDING * (1 + max(abs(low), abs(high)))
        reached = positions[:, track, None] + self.moves[track, ids]
        return np.asarray((reached > high + near) | ((reached < low - near) & (track != TIME)))


@frozen(kw_only=True, eq=False)
class _Follower:
    """A column whose value follows from the position of a track.

    Attributes:
        track: The track.
        labels: What its labels mean: positions, levels, or numbers of the calendar.
        tokens: The id of each label.
        missing: The id before it that says that there is no value, and the id of its own that says so too; None for
            columns that always hold one.
    """

    track: int
    labels: TimingLabels
    tokens: Ids
    missing: tuple[int, int] | None

    def ids(self, positions: Amounts) -> Ids:
        """The id of the label nearest to each position."""
        tokens: Ids = self.tokens[self.labels.nearest(positions)]
        return tokens


def _fill(target: Amounts, item: ClosedField, timing: Timing) -> None:
    known = dict(timing.amounts)
    for offset, value in enumerate(item.values):
        if value is not None and value in known:
            target[item.start + offset] = known[value]


def _follower(item: ClosedField, timing: Timing, track: int, before: object) -> _Follower:
    values = item.values[: item.generated]
    labels = TimingLabels.of_values(timing, values)
    ids = {value: item.start + offset for offset, value in enumerate(values)}
    return _Follower(
        track=track,
        labels=labels,
        tokens=np.array([ids[label] for label in labels.labels], dtype=np.int64),
        missing=_missing(item, before) if timing.role is TimingRole.LEVEL else None,
    )


def _missing(item: ClosedField, before: object) -> tuple[int, int] | None:
    if not isinstance(before, ClosedField) or None not in item.values or None not in before.values:
        return None
    return before.start + before.values.index(None), item.start + item.values.index(None)
