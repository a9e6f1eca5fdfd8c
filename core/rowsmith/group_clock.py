"""Where the records of a group stand: what follows from the steps that a model has written.

The first record of a group says where the group begins. Every later one begins with its step from the record
before it, so its place, and the parts of the calendar that follow from the place, are known before the model
writes them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.errors import DataError
from rowsmith.group_clock_parts import part_of
from rowsmith.table.schema import Timing, TimingRole
from rowsmith.vocabulary import ClosedField, Vocabulary

__all__ = ["GroupClock"]

Amounts = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


@frozen(kw_only=True, eq=False)
class GroupClock:
    """The timing columns of a vocabulary, by token id.

    Attributes:
        first_id: The id of the step of a group's first record.
        steps: ``[ids]`` how far each step's token goes; NaN for every other token.
        places: ``[ids]`` where each place's token stands; NaN for every other token.
        columns: The places and parts that follow from where a record stands, by place in the record.
    """

    first_id: int
    steps: Amounts
    places: Amounts
    columns: Mapping[int, _Follower]
    last: float = field(init=False)
    """The last place that there is; infinite without places."""

    @last.default
    def _last(self) -> float:
        return float(np.nanmax(self.places)) if np.isfinite(self.places).any() else np.inf

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> GroupClock | None:
        """The clock of a vocabulary; None when its records stand alone.

        Raises:
            DataError: Records do not begin with the step, or a timing column is open.
        """
        if vocabulary.schema.step is None:
            return None
        columns = {column.name: column for column in vocabulary.schema}
        steps, places = (np.full(len(vocabulary), np.nan) for _ in range(2))
        followers: dict[int, _Follower] = {}
        first_id = -1
        for number, item in enumerate(vocabulary.fields):
            timing = columns[item.name].timing
            if timing is None:
                continue
            if not isinstance(item, ClosedField):
                raise DataError(f"column {item.name!r} tells the time of a record, and has too many values to do so")
            if timing.role is TimingRole.STEP:
                first_id = _first_id(item, number)
                _fill(steps, item, timing)
                continue
            if timing.role is TimingRole.PLACE:
                _fill(places, item, timing)
            followers[number] = _follower(item, timing)
        return cls(first_id=first_id, steps=steps, places=places, columns=followers)

    def step_id(self, amount: float) -> int:
        """The id of the step nearest to an amount."""
        return int(np.nanargmin(np.abs(self.steps - amount)))

    def ids(self, column: int, amounts: Amounts) -> Ids:
        """What a place or part column holds in records that stand at some places.

        Args:
            column: Its number in the record.
            amounts: Where the records stand, ``[n]``.

        Returns:
            Token ids ``[n]``.
        """
        return self.columns[column].ids(amounts)

    def too_far(self, amounts: Amounts, ids: Ids) -> npt.NDArray[np.bool_]:
        """``[n, ids]``: whether the steps of some ids would lead past the last place from some places."""
        return np.asarray(self.steps[ids] > (self.last - amounts)[:, None])


@frozen(kw_only=True, eq=False)
class _Follower:
    """A column whose value follows from where a record stands.

    Attributes:
        role: What it tells.
        amounts: What its labels stand for, ascending: places, or numbers of the calendar.
        tokens: The id of each.
    """

    role: TimingRole
    amounts: Amounts
    tokens: Ids

    def ids(self, amounts: Amounts) -> Ids:
        """The id of the label nearest to each amount."""
        wanted = amounts if self.role is TimingRole.PLACE else part_of(self.role, amounts).astype(np.float64)
        above = np.searchsorted(self.amounts, wanted).clip(1, max(1, len(self.amounts) - 1))
        if len(self.amounts) == 1:
            return np.broadcast_to(self.tokens, wanted.shape).copy()
        nearer = wanted - self.amounts[above - 1] <= self.amounts[above] - wanted
        tokens: Ids = self.tokens[above - nearer]
        return tokens


def _first_id(item: ClosedField, number: int) -> int:
    if number or None not in item.values:
        raise DataError(f"column {item.name!r} must come first in a record, and be null in the first one of a group")
    return item.start + item.values.index(None)


def _fill(target: Amounts, item: ClosedField, timing: Timing) -> None:
    known = dict(timing.amounts)
    for offset, value in enumerate(item.values):
        if value is not None and value in known:
            target[item.start + offset] = known[value]


def _follower(item: ClosedField, timing: Timing) -> _Follower:
    known = dict(timing.amounts)
    place = timing.role is TimingRole.PLACE
    pairs = sorted(
        (known[value] if place else float(value), item.start + offset)
        for offset, value in enumerate(item.values[: item.generated])
        if value is not None and (value in known or not place)
    )
    return _Follower(
        role=timing.role,
        amounts=np.array([amount for amount, _ in pairs]),
        tokens=np.array([token for _, token in pairs], dtype=np.int64),
    )
