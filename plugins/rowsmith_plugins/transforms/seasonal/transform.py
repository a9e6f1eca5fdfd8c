"""The ``seasonal`` transform: subtracts trend and seasons from values over time.

A model that generates a long series in windows sees a short part of it at a time and loses the level and the time of
the year. So a smooth curve over time (see ``seasonal.curve``) is subtracted from the values, and added again at the
time of each row on inversion. The model learns the residuals. Several series share one curve, each with its own mean.

It precedes ``groups``, so that times are known on inversion. The curve is rounded to the column's grid, so values are
restored exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import cattrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.errors import ParameterError
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import combined_codes, distinct, from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.types.datetimes import parse_datetimes
from rowsmith.table.types.spelling import parse_numbers
from rowsmith.transforms import FittedTransform, Transform, schema_from_state, schema_state
from rowsmith_plugins.transforms.common.counting import Counted, count_shared
from rowsmith_plugins.transforms.common.layout import expanded, in_schema_order
from rowsmith_plugins.transforms.options import SeasonalOptions
from rowsmith_plugins.transforms.quantize.number_line import NumberLine, kind_of, units_of
from rowsmith_plugins.transforms.seasonal.curve import Curve
from rowsmith_plugins.transforms.seasonal.fit import FEWEST_ROWS, fit_curve

__all__ = ["FittedSeasonal", "SeasonalColumn", "SeasonalTransform", "build"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL)
_MANY_VALUES = 32
"""A column of fewer values has a token for each; subtracting a curve would blur them."""
_MOST_ALIKE = 0.1
"""A value of a larger share of rows is a state of its own, such as no rain; a curve would blur it."""
_ROWS_A_GROUP = 20
_FINENESS = 1e6
"""Number of steps of the grid within the range of values, for values without a grid of their own."""
_MOST_UNITS = 2**50


@frozen
class SeasonalColumn:
    """The fitted curve of one column.

    Attributes:
        column: The column.
        curve: The curve that is subtracted, in units of the last digit.
        explained: Share of the variance of held-out periods that the curve explains.
        kind: Kind of its units: ``whole``, ``fixed`` or ``grid`` (see ``number_line``).
        digits: Digits after the point.
        step: Smallest difference between two values, in units.
        low: The lowest restored value, in units.
        high: The highest.
        middle: The residual of a typical value.
    """

    column: ColumnSchema
    curve: Curve
    explained: float
    kind: str
    digits: int
    step: int
    low: int
    high: int
    middle: int

    @property
    def rest(self) -> ColumnSchema:
        """The column of residuals."""
        if self.column.type is ColumnType.INTEGER or self.column.scale is not None:
            return self.column
        return evolve(self.column, max_scale=self.digits)

    def apply(self, columns: pa.Table, seconds: Floats) -> pa.DictionaryArray:
        """Subtract the curve from each value."""
        values, codes = distinct(columns, self.column.name)
        held = np.flatnonzero(codes >= 0)
        units = units_of(values, self.kind, self.digits)[codes[held]] if len(held) else np.zeros(0, dtype=np.int64)
        rest = units.clip(self.low, self.high) - self._height(seconds[held])
        return self._spelled(rest, held, columns.num_rows, self.rest)

    def invert(self, columns: pa.Table, seconds: Floats) -> pa.DictionaryArray:
        """Add the curve to residuals."""
        values, codes = distinct(columns, self.column.name)
        held = np.flatnonzero(codes >= 0) if self.column.nullable else np.arange(columns.num_rows)
        known = units_of(values, self.kind, self.digits) if values else np.zeros(0, dtype=np.int64)
        rest = np.append(known, self.middle)[codes[held]].clip(-_MOST_UNITS, _MOST_UNITS)
        units = (rest + self._height(seconds[held])).clip(self.low, self.high)
        return self._spelled(units, held, columns.num_rows, self.column)

    def describe(self, rows: int) -> str:
        """Describe the curve that is subtracted."""
        return (
            f"{self.curve.describe()}, learned from {rows:,} rows; it explains {self.explained:.1%} of the variance of "
            "held-out periods"
        )

    def _height(self, seconds: Floats) -> Ints:
        """The curve in units, on the grid; 0 for rows without a time."""
        known = np.isfinite(seconds)
        steps = np.rint(self.curve.at(np.where(known, seconds, self.curve.origin)) / self.step)
        return np.where(known, steps, 0).astype(np.int64) * self.step

    def _spelled(self, units: Ints, rows: Ints, count: int, column: ColumnSchema) -> pa.DictionaryArray:
        found, codes_found = np.unique(units, return_inverse=True)
        codes = np.full(count, -1, dtype=np.int64)
        codes[rows] = codes_found
        return from_codes(NumberLine(self.kind, self.digits, 0, 0, 1).spell(found, column), codes)


@frozen
class FittedSeasonal(FittedTransform):
    """The fitted ``seasonal`` transform.

    Attributes:
        schema_before: The table.
        time: The column of times.
        rows: Number of training rows.
        taken: The fitted columns.
        schema_after: The table with residuals.
    """

    schema_before: TableSchema
    time: str
    rows: int
    taken: tuple[SeasonalColumn, ...]
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _with_residuals(self) -> TableSchema:
        return expanded(self.schema_before, {each.column.name: (each.rest,) for each in self.taken})

    def apply(self, columns: pa.Table) -> pa.Table:
        """Subtract the curves."""
        if not self.taken:
            return columns
        seconds = _seconds(columns, self.schema_before[self.time])
        return in_schema_order(
            columns, self.schema_after, {each.column.name: each.apply(columns, seconds) for each in self.taken}
        )

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Add the curves at the time of each row."""
        if not self.taken:
            return columns
        seconds = _seconds(columns, self.schema_before[self.time])
        arrays = {each.column.name: each.invert(columns, seconds) for each in self.taken}
        return in_schema_order(columns, self.schema_before, arrays)

    def state(self) -> dict[str, Any]:
        """The schema and the curves."""
        columns = [{**cattrs.unstructure(each), "column": each.column.name} for each in self.taken]
        return {"schema": schema_state(self.schema_before), "time": self.time, "rows": self.rows, "columns": columns}

    def inventory(self) -> list[str]:
        """A line for each column."""
        return [f"column {each.column.name!r}: {each.describe(self.rows)}" for each in self.taken]

    def notes(self) -> list[str]:
        """Notes on the curves that are subtracted."""
        return [f"column {each.column.name!r} is learned without {each.curve.describe()}" for each in self.taken]


@frozen
class SeasonalTransform(Transform):
    """Finds columns with a trend or seasons.

    Attributes:
        groups: The columns that identify series.
        time: The column of times; None without one.
        options: The columns to consider.
    """

    groups: tuple[str, ...] = ()
    time: str | None = None
    options: SeasonalOptions = field(factory=SeasonalOptions)

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedSeasonal:
        """Fit to a table of grouped rows in the order of time.

        Raises:
            ParameterError: There is no column of times, or a requested one has no curve.
        """
        if self.time is None or self.time not in schema.names:
            raise ParameterError(
                "transform 'seasonal' needs a column of times: set `time_series.timestamp_column`, and list it before "
                "'groups', or leave the transform out"
            )
        self._check(schema)
        time = schema[self.time]
        seconds = _seconds(columns, time)
        groups = combined_codes(columns, self.groups)
        taken = tuple(self._taken(columns, schema, seconds, groups))
        return FittedSeasonal(schema, self.time, columns.num_rows, taken)

    def restore(self, state: Mapping[str, Any]) -> FittedSeasonal:
        """Restore the fitted transform from its state."""
        schema = schema_from_state(state["schema"])
        columns = [{**each, "column": cattrs.unstructure(schema[each["column"]])} for each in state["columns"]]
        taken = cattrs.structure(columns, tuple[SeasonalColumn, ...])
        return FittedSeasonal(schema, state["time"], state["rows"], taken)

    def _check(self, schema: TableSchema) -> None:
        for name in self.options.columns:
            if name not in schema.names or not self._is_value(schema[name]):
                raise ParameterError(
                    f"transform 'seasonal': the table has no numeric column {name!r} to subtract seasons from; check "
                    "its name and type, or remove it from `columns`"
                )

    def _is_value(self, column: ColumnSchema) -> bool:
        apart = column.name == self.time or column.name in self.groups
        return column.type in _NUMERIC and column.timing is None and not apart

    def _taken(self, columns: pa.Table, schema: TableSchema, seconds: Floats, groups: Ints) -> Iterator[SeasonalColumn]:
        known = np.isfinite(seconds)
        for column in schema:
            requested = column.name in self.options.columns
            if not self._is_value(column) or (column.name in self.options.exclude and not requested):
                continue
            counted = count_shared(columns, column.name, groups)
            rows = np.flatnonzero((counted.codes >= 0) & known)
            if not len(rows) or not (requested or _is_smooth(counted, rows, groups)):
                continue
            dates = schema[self.time or ""].type is ColumnType.DATETIME
            found = _fit_column(column, counted, rows, seconds[rows], groups[rows], dates, self.options.k)
            if requested and found is None:
                raise ParameterError(
                    f"transform 'seasonal': no smooth curve over time explains a quarter of the variance of column "
                    f"{column.name!r}, or its values are too large for one; remove it from `columns`"
                )
            if found is not None:
                yield found


def build(context: BuildContext, options: SeasonalOptions | None) -> SeasonalTransform:
    """Build the transform from its options and the run's time column."""
    config = context.config
    return SeasonalTransform(config.data.group_columns, config.order_column, options or SeasonalOptions())


def _fit_column(
    column: ColumnSchema, counted: Counted, rows: Ints, seconds: Floats, groups: Ints, dates: bool, k: int
) -> SeasonalColumn | None:
    """Fit the curve of a column of which some rows have a value and a time; None if it explains too little."""
    line = _line(counted, column, k)
    if line is None:
        return None
    heights = units_of(counted.values, line.kind, line.digits).clip(line.low, line.high)[counted.codes[rows]]
    fit = fit_curve(seconds, heights.astype(np.float64), groups, calendar=dates, k=k)
    if fit is None:
        return None
    return SeasonalColumn(
        column=column,
        curve=fit.curve,
        explained=fit.explained,
        kind=line.kind,
        digits=line.digits,
        step=line.step,
        low=line.low,
        high=line.high,
        middle=line.low + round((float(np.median(heights)) - line.low) / line.step) * line.step,
    )


def _is_smooth(counted: Counted, rows: Ints, groups: Ints) -> bool:
    """Whether there are enough rows, series are long, and values are many, none of them very frequent."""
    series = len(np.unique(groups[rows]))
    enough = len(rows) >= max(FEWEST_ROWS, _ROWS_A_GROUP * series)
    return enough and len(counted.values) > _MANY_VALUES and int(counted.counts.max()) <= _MOST_ALIKE * counted.rows


def _line(counted: Counted, column: ColumnSchema, k: int) -> NumberLine | None:
    """The grid and the allowed range of the values; None if they have no grid that is fine enough.

    Values may exceed the k-th lowest and highest by the distance between these, because a trend may lead there; but not
    an end that k rows have, nor zero if no value is beyond zero.
    """
    kind, digits = kind_of(counted.values, column)
    if kind == "float":
        numbers = parse_numbers(counted.values)
        spread, greatest = float(np.ptp(np.quantile(numbers, [0.05, 0.95]))), float(np.abs(numbers).max())
        digits = math.ceil(math.log10(_FINENESS / spread)) if spread > 0 else -1
        kind = "grid" if 0 <= digits <= 22 and greatest * 10.0**digits < _MOST_UNITS / 4 else None
    if kind is None:
        return None
    units = units_of(counted.values, kind, digits)
    if np.abs(units).max() >= _MOST_UNITS // 4:
        return None
    order = np.argsort(units, kind="stable")
    step = max(1, int(np.gcd.reduce(units - units[order[0]])))
    low, high = (int(units[each]) for each in counted.ends(order, k))
    if high <= low:
        return None
    more = [0 if counted.counts[order[end]] >= k else high - low for end in (0, -1)]
    if units.min() >= 0:
        more[0] = min(more[0], low // step * step)
    if units.max() <= 0:
        more[1] = min(more[1], -high // step * step)
    return NumberLine(kind, digits, low - more[0], high + more[1], step)


def _seconds(columns: pa.Table, time: ColumnSchema) -> Floats:
    """The time of each row in seconds; NaN if there is none."""
    values, codes = distinct(columns, time.name)
    if time.type is ColumnType.DATETIME:
        ticks = parse_datetimes(values, time.datetime_format or "").astype("datetime64[us]").astype(np.int64)
        seconds = ticks.astype(np.float64) / 1e6
    else:
        seconds = parse_numbers(values)
    return np.append(seconds, np.nan)[codes]
