"""Finds columns of numbers and date-times that follow from others, in a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from attrs import evolve

from rowsmith.table.schema import ColumnSchema, TableSchema
from rowsmith_plugins.transforms.common.counting import count_values
from rowsmith_plugins.transforms.common.layout import unique_name
from rowsmith_plugins.transforms.options import RelationsOptions
from rowsmith_plugins.transforms.rare.coarse_means import coarse_mean, coarse_mean_datetime
from rowsmith_plugins.transforms.relations.axes import Axis, Ints, Mask, Numbers, axis_of, zone_of
from rowsmith_plugins.transforms.relations.candidates import Sample, find_candidates, sample_size
from rowsmith_plugins.transforms.relations.coded_numbers import CodedNumber
from rowsmith_plugins.transforms.relations.coding import Coding
from rowsmith_plugins.transforms.relations.evidence import FEWEST_ROWS, rare_rows
from rowsmith_plugins.transforms.relations.formulas import Formula
from rowsmith_plugins.transforms.relations.last_digits import Ending, find_endings
from rowsmith_plugins.transforms.relations.number_plan import Choice, Plan

__all__ = ["find_coded_numbers"]

_MOST_TESTED = 10_000


def find_coded_numbers(
    columns: pa.Table, schema: TableSchema, codings: Sequence[Coding], options: RelationsOptions, k: int
) -> list[CodedNumber]:
    """Find the encodings of the columns of numbers and date-times.

    Args:
        columns: The spelled training table.
        schema: Its schema.
        codings: The encodings so far.
        options: The options.
        k: Least number of rows of a value or label.
    """
    axes = {
        column.name: axis
        for column in schema
        if column.name not in options.exclude and (axis := axis_of(columns, column)) is not None
    }
    if columns.num_rows < FEWEST_ROWS or not axes:
        return []
    numbers = {name: axis.read(columns, schema) for name, axis in axes.items()}
    zones = {name: zone_of(schema[name]) for name in axes}
    rng = np.random.default_rng(0)
    some = np.sort(rng.permutation(columns.num_rows)[:_MOST_TESTED])
    tested = {name: each.take(some) for name, each in numbers.items()}
    few = rng.permutation(len(some))[: sample_size(len(axes))]
    rare = [rare_rows(each)[few] for each in tested.values()]
    sample = Sample([each.take(few) for each in tested.values()], list(zones.values()), rare, options.min_support)
    fixed = {each.name: each.needs() for each in codings}
    plan = Plan(tested, zones, fixed, options.min_support, k)
    choices = plan.choose(find_candidates(sample))
    taken = set(schema.names) | {new.name for each in codings for new in each.columns_after(schema[each.name])}
    found = []
    for name in axes:
        if name not in fixed:
            coding = _coding(columns, schema[name], axes, numbers, choices.get(name, Choice()), taken, k)
            found += [] if coding is None else [coding]
    return found


def _coding(
    columns: pa.Table,
    column: ColumnSchema,
    axes: dict[str, Axis],
    numbers: dict[str, Numbers],
    choice: Choice,
    taken: set[str],
    k: int,
) -> CodedNumber | None:
    """The encoding of a column by what was chosen for it, fitted to all rows; None if it stays as it is."""
    own = numbers[column.name]
    rules, shares, rest = _counted(choice.rules, numbers, own, k)
    free = bool(rest.sum() >= max(k, 1)) or not rules
    gap = choice.gap
    if gap is not None and (rest & own.known & ~numbers[gap.of].known).any():
        gap = None
    endings = _endings(own, numbers, choice, rest, k) if free else ()
    if not rules and gap is None and not endings:
        return None
    needs = dict.fromkeys(name for rule in rules for name in rule.operands) | ({gap.of: None} if gap else {})
    labelled = len(rules) > 1 or (bool(rules) and free) or not (free or _nulls_follow(rules, numbers, own))
    low, high = _bounds(columns, own, k)
    return CodedNumber(
        axis=own.axis,
        axes=tuple(axes[name] for name in needs),
        rules=tuple(rules),
        shares=tuple(shares),
        free=free,
        typical=_typical(columns, column, own.axis, k),
        gap=gap if free else None,
        endings=endings,
        low=low,
        high=high,
        rule_column=unique_name(f"{column.name}.rule", taken) if labelled else "",
        free_column="" if not free else column.name if gap is None else unique_name(f"{column.name}.gap", taken),
        digits_column=unique_name(f"{column.name}.digits", taken) if endings else "",
    )


def _counted(
    rules: Sequence[Formula], numbers: dict[str, Numbers], own: Numbers, k: int
) -> tuple[list[Formula], list[float], Mask]:
    """The rules that label enough rows, the share of rows of each, and the rows without a label."""
    rest = ~own.missing
    kept: list[Formula] = []
    shares: list[float] = []
    for rule in rules:
        found, able = rule.evaluate(numbers, own.axis, len(own.units))
        held = rest & own.spelled & able & (found == own.units)
        if held.sum() >= max(k, 1):
            kept.append(rule)
            shares.append(float(held.sum()) / max(1, int((~own.missing).sum())))
            rest &= ~held
    return kept, shares, rest


def _nulls_follow(rules: Sequence[Formula], numbers: dict[str, Numbers], own: Numbers) -> bool:
    """Whether the column is null exactly where its formula gives no number."""
    able = rules[0].evaluate(numbers, own.axis, len(own.units))[1]
    return bool((own.missing == ~able).all())


def _endings(own: Numbers, numbers: dict[str, Numbers], choice: Choice, rest: Mask, k: int) -> tuple[Ending, ...]:
    if own.axis.is_date:
        return ()
    rows: Mask = rest & own.known
    if choice.gap is not None:
        other = numbers[choice.gap.of]
        rows = rows & (own.units != other.units * 10 ** (own.axis.digits - other.axis.digits))
    return find_endings(own.units[rows], max(k, 1))


def _bounds(columns: pa.Table, own: Numbers, k: int) -> tuple[int, int]:
    """The least and the greatest value that k rows reach."""
    units: Ints = np.sort(own.units[own.known])
    if not len(units):
        return 0, 0
    first = min(max(k - 1, 0), (len(units) - 1) // 2)
    return int(units[first]), int(units[len(units) - 1 - first])


def _typical(columns: pa.Table, column: ColumnSchema, axis: Axis, k: int) -> int:
    """A value that k rows have, or a coarse mean."""
    counted = count_values(columns, column.name)
    most = int(np.argmax(counted.counts))
    if counted.counts[most] >= max(k, 2):
        text = counted.values[most]
    elif axis.is_date:
        text = coarse_mean_datetime(column.datetime_format or "", counted, max(k, 2))
    else:
        text = coarse_mean(column, counted, max(k, 2))
    array = pa.array([text]).dictionary_encode().cast(pa.dictionary(pa.int32(), pa.string()))
    return int(axis.read_array(array, evolve(column, name=axis.name)).units[0])
