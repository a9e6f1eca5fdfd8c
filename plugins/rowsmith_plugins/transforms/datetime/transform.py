"""The ``datetime`` transform: a date-time column becomes one column for each calendar part.

A part that varies becomes a column: ``<column>.year``, ``.month``, ``.day``, ``.hour``, ``.minute``
and ``.second`` are categories; fractions are integers, ``.millisecond``, ``.microsecond`` or
``.nanosecond``, whichever is the coarsest without loss. Constant parts are stored. A
missing date-time has all parts missing. Zones are part of the column's format.

A number of a part with fewer than k rows (the k of ``protect-rare`` in the same run) shares a bin of at least k rows
with rare numbers next to it; if these are too few, it becomes the nearest number with enough rows. In the
coarsest of several parts, a date-time with fewer than k rows counts as one row. In a bin of several years, or
a year with fewer than k rare date-times, a day is learned only if k date-times of the bin and month have it; all others
become one stand-in day, which is replaced by a random day of the column on inversion. If the year does not vary, months
take the role of years.

Inversion: a number is drawn from its bin; a day that its month does not have becomes the month's last; a missing part
of a date-time that is not missing, or an impossible one, is drawn; a day beyond the training range is drawn again from
the part of its month, or else its year, that is inside; the result is clipped to the range, by whole seconds. Values
outside that range are also clipped in ``apply``.
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
from rowsmith_plugins.transforms.datetime.column import DatetimeColumn, fit_parts
from rowsmith_plugins.transforms.options import DatetimeOptions

__all__ = ["DatetimeTransform", "FittedDatetime", "build"]

_MOST_NAMED = 10


@frozen
class FittedDatetime(FittedTransform):
    """The fitted ``datetime`` transform.

    Attributes:
        schema_before: The table with date-time columns.
        parted: The fitted columns.
        drawn: The share of rows whose day is not learned but drawn, for the columns that have such rows.
        schema_after: The table with parts instead of date-times.
    """

    schema_before: TableSchema
    parted: tuple[DatetimeColumn, ...]
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
        k: A number of a part with fewer rows is rare.
    """

    exclude: tuple[str, ...] = ()
    k: int = 1

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedDatetime:
        """Fit the parts of each date-time column that has any value."""
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
        """Restore the fitted transform from its state."""
        parted = cattrs.structure(state["columns"], tuple[DatetimeColumn, ...])
        return FittedDatetime(schema_from_state(state["schema"]), parted)

    def _takes(self, column: ColumnSchema) -> bool:
        dated = column.type is ColumnType.DATETIME and column.datetime_format is not None
        return dated and column.name not in self.exclude


def build(context: BuildContext, options: DatetimeOptions | None) -> DatetimeTransform:
    """Build the transform from its options; group columns are excluded."""
    return DatetimeTransform((*(options or DatetimeOptions()).exclude, *grouping(context)), k_of_run(context))


def _share(counted: Counted, values: npt.NDArray[np.bool_]) -> float:
    """The share of a column's rows, nulls among them, that have one of some values."""
    return float(counted.counts[values].sum()) / max(1, len(counted.codes))
