"""Labels of positions: each record gets the label of the nearest landmark.

If nearly all records have a value of enough groups, these values are the landmarks. Otherwise landmarks are values
at which many groups begin, and means of blocks of neighbouring values, half of them by positions of records and half
by beginnings of groups. A group begins exactly at a landmark of the first kind; near one of the second kind, its
beginning is drawn by the distribution of training groups' beginnings there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.randomness.draws import Draws
from rowsmith.sequences.calendar import part_of
from rowsmith.table.schema import TimingRole
from rowsmith_plugins.transforms.common.counting import kth_extremes
from rowsmith_plugins.transforms.groups.calendar import in_phase, phase
from rowsmith_plugins.transforms.groups.order_axis import OrderAxis
from rowsmith_plugins.transforms.groups.order_steps import support
from rowsmith_plugins.transforms.quantize.bins import shape

__all__ = ["LandmarkCoder", "fit_landmarks"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MOST_EXACT = 1_000
_MOST_BLOCKS = 512
_GOLDEN = 0.6180339887498949
"""Multiples of it, modulo 1, are evenly spread for any number of them."""
_MOST_LEFT_OUT = 0.004
"""The largest share of records, or of beginnings, between two landmarks that are left out for landmarks of shared
values."""


@frozen
class LandmarkCoder:
    """Landmarks on the order axis; all sequences ascend.

    Attributes:
        origin: The tick of position 0; positions count units of the grid.
        grid: Ticks of a position.
        landmarks: The positions of the landmarks.
        exact: Whether each is a value of the table.
        labels: The label of each landmark.
        amounts: The position of each landmark, in the order column's unit.
        begun: The number of groups that begin before each landmark's cell, and of all groups at the end.
        knot_rows: The number of groups that begin before each knot.
        knots: Position of each knot.
    """

    origin: int
    grid: int
    landmarks: tuple[int, ...]
    exact: tuple[bool, ...]
    labels: tuple[str, ...]
    amounts: tuple[float, ...]
    begun: tuple[int, ...]
    knot_rows: tuple[float, ...]
    knots: tuple[float, ...]

    def code(self, ticks: Ints) -> Ints:
        """The number of the landmark nearest to each tick, the lower one on a tie."""
        return _nearest(_positions(ticks, self.origin, self.grid), np.array(self.landmarks, dtype=np.int64))

    def begin(self, codes: Ints, draws: Draws) -> Ints:
        """The tick at which each group begins.

        Args:
            codes: The landmark near which it begins; -1 to draw one, weighted by training groups.
            draws: Random numbers, one stream per group.
        """
        begun = np.array(self.begun, dtype=np.float64)
        odd = codes < 0
        level = draws.uniform("groups.place.odd") * begun[-1]
        drawn = (np.searchsorted(begun, level, side="right") - 1).clip(0, len(self.landmarks) - 1)
        codes = np.where(odd, drawn, codes)
        landmarks = np.array(self.landmarks, dtype=np.int64)
        low, high = _cells(landmarks)
        at = begun[codes] + draws.uniform("groups.place") * (begun[codes + 1] - begun[codes])
        near = np.rint(np.interp(at, self.knot_rows, self.knots)).astype(np.int64).clip(low[codes], high[codes])
        # Without training groups here, the landmark itself is the best guess.
        fixed = np.array(self.exact)[codes] | (begun[codes + 1] == begun[codes])
        return np.where(fixed, landmarks[codes], near) * self.grid + self.origin

    def cells(self, codes: Ints) -> tuple[Ints, Ints]:
        """The first and the last tick at which a group may begin, by its landmark."""
        landmarks = np.array(self.landmarks, dtype=np.int64)
        low, high = _cells(landmarks)
        low[0], high[-1] = min(landmarks[0], round(self.knots[0])), max(landmarks[-1], round(self.knots[-1]))
        ends = (np.where(self.exact, landmarks, each)[codes] * self.grid + self.origin for each in (low, high))
        return next(ends), next(ends)

    def describe(self) -> str:
        """Describe what it holds of the training data."""
        exact = sum(self.exact)
        return (
            f"{exact} positions that several groups have, means of {len(self.landmarks) - exact} blocks of "
            f"neighbouring positions, {len(self.knots)} means of neighbouring beginnings of groups"
        )


def fit_landmarks(
    ticks: Ints, groups: Ints, first: Mask, axis: OrderAxis, roles: Sequence[TimingRole], k: int
) -> LandmarkCoder:
    """Learn the landmarks.

    Args:
        ticks: The tick of each record, at least one.
        groups: The number of its group, ascending.
        first: Whether it is the first of its group.
        axis: The order axis.
        roles: The calendar parts in records; a landmark has those of a record near it.
        k: The least number of groups of a landmark that is a value of the table (or records, if there are fewer
            groups), and the least number of records of any other.
    """
    values, inverse = np.unique(ticks, return_inverse=True)
    grid = int(np.gcd.reduce(values - values[0])) or 1
    origin = int(values[0]) % grid
    positions = (values - origin) // grid
    counts = np.bincount(inverse)
    begun = np.bincount(inverse[first], minlength=len(values))
    exact = _exact(counts, begun, support(inverse, groups, counts, k), k)
    landmarks = positions[exact]
    if not _covers(exact, counts, begun):
        means, others, within = _block_means(positions[~exact], counts[~exact], begun[~exact], k)
        means, others, *within_ = (each * grid + origin for each in (means, others, *within))
        near = _with_equal_parts(axis, roles, means, others, (within_[0], within_[1]), grid)
        # The last landmark bounds all groups.
        last = positions[kth_extremes(np.arange(len(positions)), counts, k)[1]]
        landmarks = np.unique(np.concatenate([landmarks, (near - origin) // grid, [last]]))
    is_value = np.isin(landmarks, positions[exact])
    texts = axis.spell(landmarks * grid + origin)
    low, _ = _cells(landmarks)
    rows = np.append(np.append(0, np.cumsum(begun))[np.searchsorted(positions, low)], begun.sum())
    knot_rows, knots = _beginnings(positions, begun, k)
    return LandmarkCoder(
        origin=origin,
        grid=grid,
        landmarks=tuple(landmarks.tolist()),
        exact=tuple(is_value.tolist()),
        labels=tuple(text if value else f"~{text}" for text, value in zip(texts, is_value.tolist(), strict=True)),
        amounts=tuple(axis.amounts(landmarks * grid + origin).tolist()),
        begun=tuple(rows.tolist()),
        knot_rows=tuple(knot_rows.tolist()),
        knots=tuple(knots.tolist()),
    )


def _positions(ticks: Ints, origin: int, grid: int) -> Ints:
    """The position nearest to each tick."""
    from_origin = ticks - origin
    return from_origin // grid + from_origin % grid * 2 // grid


def _nearest(positions: Ints, landmarks: Ints) -> Ints:
    return np.searchsorted(_cell_ends(landmarks), positions, side="left").astype(np.int64)


def _cell_ends(landmarks: Ints) -> Ints:
    """The last position that is nearer to each landmark than to the next one."""
    return landmarks[:-1] + (landmarks[1:] - landmarks[:-1]) // 2


def _cells(landmarks: Ints) -> tuple[Ints, Ints]:
    """The first and the last position of each landmark's cell; the outer ones are open."""
    middles, far = _cell_ends(landmarks), np.iinfo(np.int64)
    return np.append(far.min, middles + 1), np.append(middles, far.max)


def _exact(counts: Ints, begun: Ints, held: Ints, k: int) -> Mask:
    """Mask of exact landmarks: values of enough groups, or frequent ones if those leave many records out."""
    shared: Mask = held >= k
    if len(counts) <= _MOST_EXACT and _covers(shared, counts, begun):
        return shared
    frequent = counts >= max(k, int(counts.sum()) // (_MOST_BLOCKS // 2))
    often_begun = begun >= max(k, int(begun.sum()) // (_MOST_BLOCKS // 2))
    return (shared & frequent) | often_begun


def _covers(exact: Mask, counts: Ints, begun: Ints) -> bool:
    """Whether few records and few beginnings of groups are between neighbouring exact values."""
    gaps = np.cumsum(exact)
    left_out = (np.bincount(gaps, weights=rows * ~exact).max() / rows.sum() for rows in (counts, begun))
    return bool(exact.any()) and all(share <= _MOST_LEFT_OUT for share in left_out)


def _with_equal_parts(
    axis: OrderAxis, roles: Sequence[TimingRole], ticks: Ints, others: Ints, within: tuple[Ints, Ints], grid: int
) -> Ints:
    """Move ticks to the nearest ones with the calendar parts of others."""
    if not roles:
        return ticks
    seconds = axis.seconds(others)
    return in_phase(axis, roles, ticks, phase({role: part_of(role, seconds) for role in roles}), within, grid)


def _block_means(positions: Ints, counts: Ints, begun: Ints, k: int) -> tuple[Ints, Ints, tuple[Ints, Ints]]:
    """Blocks of neighbouring values, with at least k records each: the mean, some value, and first and last of each.

    The value is one at which a group begins, if there is any; over all blocks they are distributed like beginnings.
    """
    starts = np.array(_blocks(counts, begun, k))
    stops = np.append(starts[1:], len(positions))
    total = np.add.reduceat(counts * (positions - positions[0]).astype(np.float64), starts)
    means = positions[0] + np.rint(total / np.add.reduceat(counts, starts)).astype(np.int64)
    before = np.append(0, np.cumsum(begun))
    share = np.arange(len(starts)) * _GOLDEN % 1
    level = before[starts] + (share * (before[stops] - before[starts])).astype(np.int64)
    some = np.searchsorted(before, level, side="right") - 1
    some = np.where(before[starts] == before[stops], starts + (share * (stops - starts)).astype(np.int64), some)
    return means, positions[some], (positions[starts], positions[stops - 1])


def _blocks(counts: Ints, begun: Ints, k: int) -> list[int]:
    """The first value of each block of neighbouring values."""
    # A few positions where groups begin need no blocks of their own.
    share = min(1.0, 2 * np.count_nonzero(begun) / _MOST_BLOCKS)
    weights = counts / counts.sum() + begun * share / max(1, begun.sum())
    middles = (np.cumsum(weights) - weights / 2) / weights.sum()
    blocks = np.minimum((middles * _MOST_BLOCKS).astype(np.int64), _MOST_BLOCKS - 1)
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    firsts, rows = [0], 0
    for start, held in zip(starts.tolist(), np.add.reduceat(counts, starts).tolist(), strict=True):
        if rows >= k:
            firsts.append(start)
            rows = 0
        rows += held
    if rows < k and len(firsts) > 1:
        firsts.pop()
    return firsts


def _beginnings(positions: Ints, begun: Ints, k: int) -> tuple[Floats, Floats]:
    """The distribution of beginnings of groups; at either end they are clipped to the k-th."""
    found = np.flatnonzero(begun)
    starts, rows = positions[found], begun[found]
    if rows.sum() >= 2 * k:
        low, high = kth_extremes(np.arange(len(starts)), rows, k)
        starts = starts.clip(starts[low], starts[high])
        starts, inverse = np.unique(starts, return_inverse=True)
        rows = np.bincount(inverse, weights=rows).astype(np.int64)
    return shape(starts.astype(np.float64), rows, k)
