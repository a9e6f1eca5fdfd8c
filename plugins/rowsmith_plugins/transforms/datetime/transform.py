"""The ``datetime`` transform: a date-time column becomes one column for each calendar part.

A part that varies becomes a column: ``<column>.year``, ``.month``, ``.day``, ``.hour``, ``.minute``
and ``.second`` are categories; fractions are integers, ``.millisecond``, ``.microsecond`` or
``.nanosecond``, whichever is the coarsest that loses nothing. A part that is the same in every row is remembered. A
missing date-time has all its parts missing. Zones belong to the column's format and stay.

A number of a part that fewer than k rows have (the k of ``protect-rare`` in the same run) is told with rare ones next
to it, as one bin of at least k rows; where there are too few of these, by the nearest that enough rows have. Of the
coarsest of several parts, a date-time that fewer than k rows have counts as one row. Beside a bin of several years, or
a year of fewer than k rare date-times, only days that k date-times of the bin and month have are told; all others are
told as one day, for which any that the column has is drawn on the way back. Where the year does not vary, months count
for years.

Back: a number is drawn inside its bin; a day that its month lacks becomes the month's last; a part that is missing
beside a first part, or impossible, is drawn from those seen; the result is clipped to the range seen, by whole seconds.
Values outside that range are clipped on the way in, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cattrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import asdict, field, frozen

from rowsmith.context import BuildContext
from rowsmith.randomness.draws import Draws
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.transforms import FittedTransform, Transform, schema_from_state, schema_state
from rowsmith_plugins.transforms.common.counting import Counted, count_shared, count_values, record_groups
from rowsmith_plugins.transforms.common.layout import expanded, grouping, in_schema_order
from rowsmith_plugins.transforms.common.protection import k_of_run
from rowsmith_plugins.transforms.datetime.column import PartedColumn, fit_parts
from rowsmith_plugins.transforms.options import DatetimeOptions

__all__ = ["DatetimeTransform", "FittedDatetime", "build"]

_MOST_NAMED = 10


@frozen
class FittedDatetime(FittedTransform):
    """Knows the parts of each date-time column.

    Attributes:
        schema_before: The table with date-time columns.
        parted: What is known of each.
        drawn: The share of rows whose day is not learned but drawn, for the columns that have such rows.
        schema_after: The table with their parts instead.
    """

    schema_before: TableSchema
    parted: tuple[PartedColumn, ...]
    drawn: Mapping[str, float] = field(factory=dict)
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _with_parts(self) -> TableSchema:
        return expanded(self.schema_before, {column.name: column.columns_after() for column in self.parted})

    def apply(self, columns: pa.Table) -> pa.Table:
        """Split date-times into parts."""
        arrays = dict(pair for each in self.parted for pair in each.split(count_values(columns, each.name)))
        return in_schema_order(columns, self.schema_after, arrays)

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Join parts to date-times."""
        arrays = {}
        for each in self.parted:
            counted = {part.column: count_values(columns, part.column) for part in each.parts}
            arrays[each.name] = each.join(counted, draws)
        return in_schema_order(columns, self.schema_before, arrays)

    def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Mapping[str, float]:
        """The share of rows whose day is drawn, or of which a part is moved to the nearest that enough rows have."""
        counted = {each.name: count_values(columns, each.name) for each in self.parted}
        return {each.name: _share(counted[each.name], each.changed(counted[each.name])) for each in self.parted}

    def notes(self) -> Sequence[str]:
        """Of which columns days are drawn, and in how many rows."""
        if not self.drawn:
            return ()
        named = [f"{name} ({share:.1%} of its rows)" for name, share in [*self.drawn.items()][:_MOST_NAMED]]
        more = f" and {len(self.drawn) - _MOST_NAMED} more" if len(self.drawn) > _MOST_NAMED else ""
        return [
            "days of the month of dates that too few rows have, beside years or months of few rows, are drawn, not "
            f"learned: {', '.join(named)}{more}"
        ]

    def state(self) -> dict[str, Any]:
        """The schema and the parts."""
        return {"schema": schema_state(self.schema_before), "columns": [asdict(each) for each in self.parted]}

    def inventory(self) -> list[str]:
        """A line for each date-time column."""
        return [
            f"column {each.name!r}: its earliest and latest date-time, and the values, or bins of rare ones, of "
            f"{', '.join(part.column for part in each.parts)}"
            for each in self.parted
        ]


@frozen
class DatetimeTransform(Transform):
    """Finds the parts of date-time columns.

    Attributes:
        exclude: Columns that are left as they are.
        k: A number of a part that fewer rows have is rare.
    """

    exclude: tuple[str, ...] = ()
    k: int = 1

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedDatetime:
        """Learn the parts of each date-time column that has any value."""
        taken, parted, groups = set(schema.names), [], record_groups(columns, schema)
        drawn: dict[str, float] = {}
        for column in schema:
            if self._takes(column):
                counted = count_shared(columns, column.name, groups)
                if counted.values:
                    parted.append(fit_parts(column, counted, taken, self.k))
                    share = _share(counted, parted[-1].days_drawn(counted))
                    drawn |= {column.name: share} if share else {}
        return FittedDatetime(schema, tuple(parted), drawn)

    def restore(self, state: Mapping[str, Any]) -> FittedDatetime:
        """Make the fitted transform from its state."""
        parted = cattrs.structure(state["columns"], tuple[PartedColumn, ...])
        return FittedDatetime(schema_from_state(state["schema"]), parted)

    def _takes(self, column: ColumnSchema) -> bool:
        dated = column.type is ColumnType.DATETIME and column.datetime_format is not None
        return dated and column.name not in self.exclude


def build(context: BuildContext, options: DatetimeOptions | None) -> DatetimeTransform:
    """Build the transform from its options; the column that names the run's groups stays."""
    return DatetimeTransform((*(options or DatetimeOptions()).exclude, *grouping(context)), k_of_run(context))


def _share(counted: Counted, values: npt.NDArray[np.bool_]) -> float:
    """The share of a column's rows, nulls among them, that have one of some values."""
    return float(counted.counts[values].sum()) / max(1, len(counted.codes))
