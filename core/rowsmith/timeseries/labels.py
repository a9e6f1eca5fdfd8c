"""What a record says of its time: the labels of its step, its place and the parts of the calendar."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.errors import DataError
from rowsmith.group_clock_parts import part_of
from rowsmith.table.schema import ModelColumn, ModelSchema, TimingRole
from rowsmith.timeseries.intervals import TICKS

__all__ = ["RecordClock"]

Labels = dict[str, str | None]
Hands = Mapping[str, float]
"""Where each value stands that is written as changes, by the column of the value."""

_TELL_TIME = (TimingRole.STEP, TimingRole.PLACE)
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
            name: scale.label(time / TICKS) for name, scale in self._scales.items() if scale.role not in _TELL_VALUES
        }
        found[self.step.name] = None if step is None else self._scales[self.step.name].label(step / TICKS)
        return found

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

    def step_of(self, label: str) -> int | None:
        """How far a step's label goes, in ticks; None for a label that is none."""
        scale = self._scales[self.step.name]
        if label not in scale.labels:
            return None
        return round(scale.amount(label) * TICKS)


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
