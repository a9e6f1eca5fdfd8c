"""What a record says of its time: the labels of its step, its place and the parts of the calendar."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.errors import DataError
from rowsmith.sequences.calendar import part_of
from rowsmith.sequences.intervals import TICKS, Interval
from rowsmith.table.schema import ModelColumn, ModelSchema, TimingRole

__all__ = ["RecordClock", "months_between", "months_later"]

Labels = dict[str, str | None]
Hands = Mapping[str, float]
"""Where each value stands that is written as changes, by the column of the value."""

_MONTH = 2_629_746.0
"""Seconds of a mean month, in which places and steps of months are counted."""

_TELL_TIME = (TimingRole.STEP, TimingRole.POSITION)
_TELL_VALUES = (TimingRole.CHANGE, TimingRole.LEVEL)


@frozen(eq=False)
class RecordClock:
    """The timing columns of a model's records, by label.

    Attributes:
        schema: The columns of a record.

    Raises:
        DataError: Records have no step.
    """

    schema: ModelSchema
    step: ModelColumn = field(init=False)
    _scales: Mapping[str, _Scale] = field(init=False)

    @step.default
    def _find_step(self) -> ModelColumn:
        if self.schema.step is None:
            raise DataError(
                "the records of the model have no step from one to the next, so it knows no order; train it with "
                "time_series.is_timeseries and the transform 'groups'"
            )
        return self.schema.step

    @_scales.default
    def _find_scales(self) -> Mapping[str, _Scale]:
        return {column.name: _Scale.read(column) for column in self.schema if column.timing is not None}

    @property
    def leading(self) -> tuple[str, ...]:
        """The columns of its time that a record begins with."""
        names: list[str] = []
        for column in self.schema:
            if column.timing is None or column.timing.role in _TELL_VALUES:
                break
            names.append(column.name)
        return tuple(names)

    def labels(self, time: int, step: int | None) -> Labels:
        """The labels of a record's time.

        Args:
            time: Where it stands, in ticks.
            step: How far it is from the record before it, in ticks; None for the first of a series.

        Returns:
            Label by column, the step's None for the first record.
        """
        found: Labels = {
            name: scale.label(self._place(time) if scale.role is TimingRole.POSITION else time / TICKS)
            for name, scale in self._scales.items()
            if scale.role not in _TELL_VALUES
        }
        found[self.step.name] = None
        if step is not None:
            amount = (_months(time) - _months(time - step)) * _MONTH if self.by_months else step / TICKS
            found[self.step.name] = self._scales[self.step.name].label(amount)
        return found

    @property
    def by_months(self) -> bool:
        """Whether steps are months of the calendar, of whatever length."""
        amounts = self._scales[self.step.name].amounts
        return bool(amounts.any()) and not (amounts % _MONTH).any()

    def _place(self, time: int) -> float:
        """What a time amounts to on the scale of places."""
        if not self.by_months:
            return time / TICKS
        month = _months(time)
        first, after = (_month_ticks(each) for each in (month, month + 1))
        # Away from the ends of the month, so that its first and its last day are nearest to its own place.
        return (month + 0.25 + (time - first) / (after - first) / 2) * _MONTH

    def changes(self) -> tuple[str, ...]:
        """The columns that say how a value went on; null in the first record of a series."""
        return tuple(name for name, scale in self._scales.items() if scale.role is TimingRole.CHANGE)

    def moved(self, record: Mapping[str, str | None], hands: Hands) -> tuple[Labels, Hands]:
        """Where values stand after a record, and the levels that it should tell.

        A model that reads a window alone only knows about where they stood before it.

        Args:
            record: Labels by column.
            hands: Where values stand before it.
        """
        after, levels = dict(hands), Labels()
        for name, scale in self._scales.items():
            label, of = record[name], scale.of
            if scale.role is TimingRole.CHANGE and label is not None and of in after:
                after[of] += scale.amount(label)
            if scale.role is TimingRole.LEVEL and label is not None:
                levels[name] = scale.label(after.setdefault(of, scale.amount(label)))
        return levels, after

    def later(self, start: int, last: int, label: str) -> int | None:
        """The time of a record that says its step, in ticks; None for a label that is none.

        Args:
            start: Where its series begins.
            last: Where the record before it stands.
            label: Its step.
        """
        scale = self._scales[self.step.name]
        if label not in scale.labels:
            return None
        if not self.by_months:
            return last + round(scale.amount(label) * TICKS)
        return months_later(start, _months(last) - _months(start) + round(scale.amount(label) / _MONTH))


def months_later(start: int, months: int) -> int:
    """The same day so many months later, or the last day of that month; the last day stays the last."""
    if not months:
        return start
    last_day = _months(start + 86_400 * TICKS) != _months(start)
    return Interval(months=months, month_end=last_day).after(start, 1)


def months_between(start: int, stop: int) -> int:
    """Months of the calendar from one time to another."""
    return _months(stop) - _months(start)


def _months(time: int) -> int:
    return int(np.datetime64(time, "us").astype("datetime64[M]").astype(np.int64))


def _month_ticks(month: int) -> int:
    return int(np.datetime64(month, "M").astype("datetime64[us]").astype(np.int64))


@frozen(eq=False)
class _Scale:
    """The labels of a timing column and the number that each stands for, ascending."""

    role: TimingRole
    of: str
    labels: tuple[str, ...]
    amounts: npt.NDArray[np.float64]

    @classmethod
    def read(cls, column: ModelColumn) -> _Scale:
        assert column.timing is not None
        known = dict(column.timing.amounts)
        named = column.timing.role in (*_TELL_TIME, *_TELL_VALUES)
        values = [value for value in column.values or () if not named or value in known]
        if not values:
            raise DataError(f"column {column.name!r} tells the time of a record, and has no label to do so")
        pairs = sorted((known[value] if named else float(value), value) for value in values)
        amounts = np.array([amount for amount, _ in pairs])
        return cls(column.timing.role, column.timing.of, tuple(label for _, label in pairs), amounts)

    def amount(self, label: str) -> float:
        """What a label stands for."""
        return float(self.amounts[self.labels.index(label)])

    def label(self, amount: float) -> str:
        """The label nearest to an amount; for parts of the calendar, to that of the moment."""
        if self.role not in (*_TELL_TIME, *_TELL_VALUES):
            amount = float(part_of(self.role, np.array([amount]))[0])
        return self.labels[int(np.argmin(np.abs(self.amounts - amount)))]
