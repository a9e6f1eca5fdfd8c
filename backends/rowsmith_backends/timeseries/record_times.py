"""What a record says of its time: the labels of its step, its position and the parts of the calendar."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from rowsmith.errors import DataError
from rowsmith.sequences.intervals import (
    MONTH_SECONDS,
    TICKS,
    month_number,
    month_start,
    months_between,
    months_later,
)
from rowsmith.sequences.timing_labels import TimingLabels
from rowsmith.table.schema import ModelColumn, ModelSchema, TimingRole

__all__ = ["RecordTiming"]

Labels = dict[str, str | None]
RunningValues = Mapping[str, float]
"""The value so far of each column that is written as changes."""

_TELL_VALUES = (TimingRole.CHANGE, TimingRole.LEVEL)


@frozen(eq=False)
class RecordTiming:
    """The timing columns of a model's records, by label.

    Attributes:
        schema: The columns of a record.

    Raises:
        DataError: Records have no step.
    """

    schema: ModelSchema
    step: ModelColumn = field(init=False)
    _labels: Mapping[str, TimingLabels] = field(init=False)

    @step.default
    def _find_step(self) -> ModelColumn:
        if self.schema.step is None:
            raise DataError(
                "the records of the model have no step from one to the next, so it knows no order; train it with "
                "time_series.is_timeseries and the transform 'groups'"
            )
        return self.schema.step

    @_labels.default
    def _read_labels(self) -> Mapping[str, TimingLabels]:
        timed = [(column, column.timing) for column in self.schema if column.timing is not None]
        found = {column.name: TimingLabels.of_values(timing, column.values or ()) for column, timing in timed}
        for name, labels in found.items():
            if not labels.labels:
                raise DataError(f"column {name!r} gives the time of a record, and has no label to do so")
        return found

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
            time: Its time, in ticks.
            step: How far it is from the record before it, in ticks; None for the first of a series.

        Returns:
            Label by column, the step's None for the first record.
        """
        found: Labels = {
            name: each.label(self._position(time) if each.role is TimingRole.POSITION else time / TICKS)
            for name, each in self._labels.items()
            if each.role not in _TELL_VALUES
        }
        found[self.step.name] = None
        if step is not None:
            amount = months_between(time - step, time) * MONTH_SECONDS if self.by_months else step / TICKS
            found[self.step.name] = self._labels[self.step.name].label(amount)
        return found

    @property
    def by_months(self) -> bool:
        """Whether steps are months of the calendar, of whatever length."""
        amounts = self._labels[self.step.name].amounts
        return bool(amounts.any()) and not (amounts % MONTH_SECONDS).any()

    def _position(self, time: int) -> float:
        """What a time amounts to in labels of positions."""
        if not self.by_months:
            return time / TICKS
        month = month_number(time)
        first, after = (month_start(each) for each in (month, month + 1))
        # Away from the ends of the month, so that its first and its last day are nearest to its own label.
        return (month + 0.25 + (time - first) / (after - first) / 2) * MONTH_SECONDS

    def changes(self) -> tuple[str, ...]:
        """The columns that say how a value went on; null in the first record of a series."""
        return tuple(name for name, each in self._labels.items() if each.role is TimingRole.CHANGE)

    def moved(self, record: Mapping[str, str | None], running: RunningValues) -> tuple[Labels, RunningValues]:
        """The levels that a record should have, and the running values after it.

        A model that reads a window alone knows the running values before it to the nearest level only.

        Args:
            record: Labels by column.
            running: The running values before it.
        """
        after, levels = dict(running), Labels()
        for name, labels in self._labels.items():
            label, of = record[name], labels.of
            if labels.role is TimingRole.CHANGE and label is not None and of in after:
                after[of] += labels.amount(label)
            if labels.role is TimingRole.LEVEL and label is not None:
                levels[name] = labels.label(after.setdefault(of, labels.amount(label)))
        return levels, after

    def later(self, start: int, last: int, label: str) -> int | None:
        """The time of a record that says its step, in ticks; None for a label that is none.

        Args:
            start: When its series begins.
            last: The time of the record before it.
            label: Its step.
        """
        labels = self._labels[self.step.name]
        if label not in labels.labels:
            return None
        if not self.by_months:
            return last + round(labels.amount(label) * TICKS)
        return months_later(start, months_between(start, last) + round(labels.amount(label) / MONTH_SECONDS))
