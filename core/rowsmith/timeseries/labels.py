"""What a record says of its time: the labels of its step, its place and the parts of the calendar."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import field, frozen

from rowsmith.errors import DataError
from rowsmith.group_clock_parts import part_of
from rowsmith.table.schema import ModelColumn, ModelSchema, TimingRole
from rowsmith.timeseries.intervals import TICKS

__all__ = ["RecordClock"]

Labels = dict[str, str | None]


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
        return {column.name: _Scale.of(column) for column in self.schema if column.timing is not None}

    @property
    def leading(self) -> tuple[str, ...]:
        """The timing columns that a record begins with."""
        names: list[str] = []
        for column in self.schema:
            if column.timing is None:
                break
            names.append(column.name)
        return tuple(names)

    def labels(self, time: int, step: int | None) -> Labels:
        """The labels of a record.

        Args:
            time: Where it stands, in ticks.
            step: How far it is from the record before it, in ticks; None for the first of a series.

        Returns:
            Label by column, the step's None for the first record.
        """
        found: Labels = {name: scale.label(time / TICKS) for name, scale in self._scales.items()}
        found[self.step.name] = None if step is None else self._scales[self.step.name].label(step / TICKS)
        return found

    def step_of(self, label: str) -> int | None:
        """How far a step's label goes, in ticks; None for a label that is none."""
        scale = self._scales[self.step.name]
        if label not in scale.labels:
            return None
        return round(float(scale.amounts[scale.labels.index(label)]) * TICKS)


@frozen(eq=False)
class _Scale:
    """The labels of a timing column and the number that each stands for, ascending."""

    role: TimingRole
    labels: tuple[str, ...]
    amounts: np.ndarray

    @classmethod
    def of(cls, column: ModelColumn) -> _Scale:
        assert column.timing is not None
        known = dict(column.timing.amounts)
        named = column.timing.role in (TimingRole.STEP, TimingRole.PLACE)
        values = [value for value in column.values or () if not named or value in known]
        if not values:
            raise DataError(f"column {column.name!r} tells the time of a record, and has no label to do so")
        pairs = sorted((known[value] if named else float(value), value) for value in values)
        return cls(column.timing.role, tuple(label for _, label in pairs), np.array([amount for amount, _ in pairs]))

    def label(self, amount: float) -> str:
        """The label nearest to an amount; for parts of the calendar, to that of the moment."""
        if self.role not in (TimingRole.STEP, TimingRole.PLACE):
            amount = float(part_of(self.role, np.array([amount]))[0])
        return self.labels[int(np.argmin(np.abs(self.amounts - amount)))]
