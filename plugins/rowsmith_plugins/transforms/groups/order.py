"""Encoding and decoding of the order of records in their group."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.errors import DataError
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import distinct, from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType, Timing, TimingRole
from rowsmith_plugins.transforms.common.counting import without_outer_groups
from rowsmith_plugins.transforms.common.layout import unique_name
from rowsmith_plugins.transforms.groups.bounds import Bounds, check_order
from rowsmith_plugins.transforms.groups.calendar import fit_parts, in_phase, part_column, phase
from rowsmith_plugins.transforms.groups.order_axis import OrderAxis, fit_axis, with_anniversaries
from rowsmith_plugins.transforms.groups.order_positions import LandmarkCoder, fit_landmarks
from rowsmith_plugins.transforms.groups.order_steps import StepCoder, fit_steps

__all__ = ["GroupOrder", "fit_order"]

Ints = npt.NDArray[np.int64]


@frozen
class GroupOrder:
    """The order column of a grouped table.

    Attributes:
        axis: Its values as ticks.
        steps: The steps between records as labels.
        places: Labels of positions; the name is saved in bundles.
        parts: The columns of calendar parts: role and name.
    """

    axis: OrderAxis
    steps: StepCoder
    places: LandmarkCoder
    parts: tuple[tuple[TimingRole, str], ...]

    @property
    def name(self) -> str:
        """The order column's name."""
        return self.axis.column.name

    def columns_after(self) -> tuple[ColumnSchema, ...]:
        """The columns of positions and calendar parts."""
        amounts = tuple(zip(self.places.labels, self.places.amounts, strict=True))
        position = (self.name, Timing(role=TimingRole.POSITION, amounts=amounts))
        parts = [(name, Timing(role=role)) for role, name in self.parts]
        return tuple(
            ColumnSchema(name=name, type=ColumnType.CATEGORICAL, timing=timing) for name, timing in (position, *parts)
        )

    def step_amounts(self) -> tuple[tuple[str, float], ...]:
        """Label and distance of each step."""
        return tuple(zip(self.steps.labels, self.steps.amounts, strict=True))

    def encode(self, columns: pa.Table, bounds: Bounds, step: str) -> dict[str, pa.DictionaryArray]:
        """Encode the order column as steps, positions and calendar parts.

        Raises:
            DataError: An order value is missing, or less than the one before it in its group.
        """
        ticks = _ticks(columns, self.axis, bounds)
        steps = self.axis.between(np.append(ticks[:1], ticks[:-1]), ticks).clip(0)
        steps = np.where(bounds.first, -1, self.steps.code(steps))
        arrays = {step: from_codes(self.steps.labels, steps)}
        arrays[self.name] = from_codes(self.places.labels, self.places.code(ticks))
        return arrays | {name: part_column(role, self.axis, ticks) for role, name in self.parts}

    def decode(self, columns: pa.Table, bounds: Bounds, step: str, draws: Draws) -> pa.DictionaryArray:
        """Decode the order column from steps and positions; it never decreases inside a group."""
        steps = np.where(bounds.first, 0, self.steps.draw(_codes(columns, step, self.steps.labels), draws))
        starts = self._begin(columns, bounds, draws.take(bounds.starts)).clip(self.axis.low, self.axis.high)
        ticks = self._accumulated(starts, steps, bounds).clip(self.axis.low, self.axis.high)
        found, codes = np.unique(ticks, return_inverse=True)
        return from_codes(self.axis.spell(found), codes)

    def _accumulated(self, starts: Ints, steps: Ints, bounds: Bounds) -> Ints:
        """The tick of each record."""
        if self.axis.kind != "anniversary":
            return _running_sums(starts, steps, bounds, self.axis.high)
        last = int(self.axis.months(np.array([self.axis.high]))[0])
        months = _running_sums(self.axis.months(starts), steps, bounds, last).clip(max=last)
        return self.axis.in_months(starts[bounds.groups], months)

    def _begin(self, columns: pa.Table, bounds: Bounds, draws: Draws) -> Ints:
        """The tick at which each group begins: near its landmark, and in phase with the calendar parts."""
        codes = _codes(columns, self.name, self.places.labels)[bounds.starts]
        ticks = self.places.begin(codes, draws)
        if not self.parts:
            return ticks
        wanted = {role: _numbers(columns, name)[bounds.starts] for role, name in self.parts}
        within, roles = self.places.cells(self.places.code(ticks)), [role for role, _ in self.parts]
        return in_phase(self.axis, roles, ticks, phase(wanted), within, self.places.grid)

    def describe(self) -> str:
        """Describe what it holds of the training data."""
        return f"{self.places.describe()}; {self.steps.describe()}"


def fit_order(columns: pa.Table, column: ColumnSchema, bounds: Bounds, taken: set[str], k: int) -> GroupOrder:
    """Fit the encoding of the order of records.

    Args:
        columns: A spelled table, the rows of each group sorted.
        column: The order column.
        bounds: The groups.
        taken: Names of other columns; new ones are added.
        k: A step or position of fewer groups is rare.

    Raises:
        DataError: A value is missing, or less than the one before it in its group; or the column has no order.
    """
    axis = fit_axis(column, distinct(columns, column.name)[0])
    ticks = _ticks(columns, axis, bounds)
    later = np.flatnonzero(~bounds.first)
    axis = with_anniversaries(axis, ticks, ticks[bounds.begin()])
    steps = axis.between(ticks[later - 1], ticks[later])
    roles = fit_parts(axis, ticks, steps)
    return GroupOrder(
        axis=axis,
        steps=fit_steps(without_outer_groups(steps, bounds.groups[later]), bounds.groups[later], axis, k),
        places=fit_landmarks(without_outer_groups(ticks, bounds.groups), bounds.groups, bounds.first, axis, roles, k),
        parts=tuple((role, unique_name(f"{column.name}~{role.value}", taken)) for role in roles),
    )


def _ticks(columns: pa.Table, axis: OrderAxis, bounds: Bounds) -> Ints:
    """The tick of each row."""
    name = axis.column.name
    values, codes = distinct(columns, name)
    missing = codes < 0
    if missing.any():
        raise DataError(
            f"column {name!r}, row {int(np.argmax(missing)) + 1}: a value is missing, but the column orders the rows; "
            "fill it in or remove the row"
        )
    ticks = axis.ticks(values)[codes] if values else np.zeros(0, dtype=np.int64)
    check_order(ticks, bounds, name)
    return ticks


def _codes(columns: pa.Table, name: str, labels: tuple[str, ...]) -> Ints:
    """Index of each row's label; -1 for null and unknown labels."""
    known = {label: index for index, label in enumerate(labels)}
    values, codes = distinct(columns, name)
    return np.array([*(known.get(value, -1) for value in values), -1], dtype=np.int64)[codes]


def _numbers(columns: pa.Table, name: str) -> Ints:
    """The number in each row of a part of the calendar; -1 for null and for invalid numbers."""
    values, codes = distinct(columns, name)
    numbers = [int(value) if value.isascii() and value.isdigit() and len(value) < 3 else -1 for value in values]
    return np.array([*numbers, -1], dtype=np.int64)[codes]


def _running_sums(starts: Ints, steps: Ints, bounds: Bounds, high: int) -> Ints:
    """The tick of each record: the start of its group plus the steps up to it, at most the last tick."""
    # Integers wrap around, so their differences are right; doubles show which sums are too large.
    walked = np.cumsum(steps)
    far = np.cumsum(steps.astype(np.float64))
    begin = bounds.begin()
    ticks = starts[bounds.groups] + (walked - walked[begin])
    too_far = starts[bounds.groups] + (far - far[begin]) > float(high)
    return np.where(too_far, np.int64(high), ticks)
