"""Fits the encoding that was chosen for a column of numbers to all rows, so that enough rows share what it holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from attrs import evolve, frozen

from rowsmith.table.columns import CODED_TEXT
from rowsmith.table.schema import ColumnSchema, TableSchema
from rowsmith.transforms.holders import groups_needed
from rowsmith_plugins.transforms.common.counting import count_shared
from rowsmith_plugins.transforms.common.layout import unique_name
from rowsmith_plugins.transforms.rare.coarse_means import coarse_mean, coarse_mean_datetime
from rowsmith_plugins.transforms.relations.axes import DAY, Axis, Ints, Mask, Numbers
from rowsmith_plugins.transforms.relations.coded_numbers import CodedNumber, Gap
from rowsmith_plugins.transforms.relations.formulas import Formula
from rowsmith_plugins.transforms.relations.last_digits import Ending, find_endings
from rowsmith_plugins.transforms.relations.number_plan import Choice

__all__ = ["NumberFit"]

_TIMES = (DAY, 3_600_000_000, 60_000_000, 1_000_000, 1_000)


@frozen(eq=False)
class NumberFit:
    """All rows of the table that encodings are fitted to.

    Attributes:
        columns: The spelled table.
        schema: Its schema.
        axes: The columns of numbers and date-times.
        numbers: Their numbers.
        k: Least number of rows of a label.
        groups: The number of each row's group; None if rows are not grouped.
        taken: Names of columns; those of new columns are added.
    """

    columns: pa.Table
    schema: TableSchema
    axes: dict[str, Axis]
    numbers: dict[str, Numbers]
    k: int
    groups: Ints | None
    taken: set[str]

    def coding(self, name: str, choice: Choice) -> CodedNumber | None:
        """The encoding of a column by what was chosen for it; None if the column stays as it is.

        Args:
            name: The column.
            choice: The choice.
        """
        column, own = self.schema[name], self.numbers[name]
        rules, shares, rest = self._counted(choice.rules, own)
        free = not rules or bool(rest.sum() >= max(self.k, 1))
        gap = self._gap(own, choice.gap, rest) if choice.gap is not None and free else None
        endings = self._endings(own, gap, rest) if free else ()
        above, below = (
            tuple(other for other in others if free and self._bounds(own, other, rest, sign))
            for others, sign in ((choice.above, 1), (choice.below, -1))
        )
        if not (rules or gap or endings or above or below):
            return None
        operands = dict.fromkeys(operand for rule in rules for operand in rule.operands)
        needs = operands | dict.fromkeys((*(() if gap is None else (gap.of,)), *above, *below))
        labelled = len(rules) > 1 or (bool(rules) and free) or not (free or self._nulls_follow(rules, own))
        low, high = self._ends(own)
        return CodedNumber(
            axis=own.axis,
            axes=tuple(self.axes[each] for each in needs),
            rules=tuple(rules),
            shares=tuple(shares),
            free=free,
            typical=self._typical(column, own.axis),
            gap=gap,
            above=above,
            below=below,
            endings=endings,
            low=low,
            high=high,
            rule_column=unique_name(f"{name}.rule", self.taken) if labelled else "",
            free_column="" if not free else name if gap is None else unique_name(f"{name}.gap", self.taken),
            digits_column=unique_name(f"{name}.digits", self.taken) if endings else "",
        )

    def _shared(self, rows: Mask) -> bool:
        """Whether enough rows, and enough groups of them, are chosen."""
        if rows.sum() < max(self.k, 1):
            return False
        if self.groups is None:
            return True
        needed = groups_needed(int(self.groups.max(initial=-1)) + 1, self.k)
        return len(np.unique(self.groups[rows])) >= needed

    def _counted(self, rules: Sequence[Formula], own: Numbers) -> tuple[list[Formula], list[float], Mask]:
        """The rules that label enough rows, the share of rows of each, and the rows without a label."""
        rest = ~own.missing
        total = max(1, int(rest.sum()))
        found: list[Formula] = []
        shares: list[float] = []
        for rule in rules:
            units, able = rule.evaluate(self.numbers, own.axis, len(own.units))
            held = rest & own.spelled & able & (units == own.units)
            if self._shared(held):
                found.append(rule)
                shares.append(float(held.sum()) / total)
                rest &= ~held
        return found, shares, rest

    def _nulls_follow(self, rules: Sequence[Formula], own: Numbers) -> bool:
        """Whether the column is null exactly where its formula gives no number."""
        able = rules[0].evaluate(self.numbers, own.axis, len(own.units))[1]
        return bool((own.missing == ~able).all())

    def _gap(self, own: Numbers, gap: Gap, rest: Mask) -> Gap | None:
        """The distance with its unit and bounds; None if some row has no distance."""
        other, rows = self.numbers[gap.of], rest & own.known
        if (rest & ~own.spelled).any() or (rows & ~other.known).any() or not rows.any():
            return None
        gaps = (own.units - other.units * 10 ** (own.axis.digits - other.axis.digits))[rows]
        unit = next((each for each in _TIMES if not (gaps % each).any()), 1) if own.axis.is_date else 1
        least, most = int(gaps.min()), int(gaps.max())
        ends = []
        for end, one_sided in ((least, least >= 0), (most, most <= 0)):
            at_end = rows.copy()
            at_end[rows] = gaps == end
            # An end that enough rows have is a bound; else it is zero.
            ends.append((end // unit if self._shared(at_end) else 0) if one_sided else None)
        return Gap(gap.of, unit, ends[0], ends[1])

    def _bounds(self, own: Numbers, name: str, rest: Mask, sign: int) -> bool:
        """Whether no row is beyond a bound."""
        other = self.numbers[name]
        beyond = sign * (own.units - other.units * 10 ** (own.axis.digits - other.axis.digits)) < 0
        return not (rest & own.known & other.known & beyond).any()

    def _endings(self, own: Numbers, gap: Gap | None, rest: Mask) -> tuple[Ending, ...]:
        if own.axis.is_date:
            return ()
        rows: Mask = rest & own.known
        if gap is not None:
            other = self.numbers[gap.of]
            rows = rows & (own.units != other.units * 10 ** (own.axis.digits - other.axis.digits))
        found = find_endings(own.units[rows], max(self.k, 1))
        return found if all(self._shared(rows & each.holds(own.units)) for each in found) else ()

    def _ends(self, own: Numbers) -> tuple[int, int]:
        """The least and the greatest value that enough rows reach."""
        counted = count_shared(self.columns, own.axis.name, self.groups)
        units = own.axis.read_array(pa.array(counted.values).cast(CODED_TEXT), self.schema[own.axis.name]).units
        low, high = counted.ends(np.argsort(units, kind="stable"), max(self.k, 1))
        return int(units[low]), int(units[high])

    def _typical(self, column: ColumnSchema, axis: Axis) -> int:
        """A value that enough rows have, or a coarse mean."""
        counted, k = count_shared(self.columns, column.name, self.groups), max(self.k, 2)
        most = int(np.argmax(counted.counts))
        if counted.shared(k)[most]:
            text = counted.values[most]
        elif axis.is_date:
            text = coarse_mean_datetime(column.datetime_format or "", counted, k)
        else:
            text = coarse_mean(column, counted, k)
        return int(axis.read_array(pa.array([text]).cast(CODED_TEXT), evolve(column, name=axis.name)).units[0])
