"""Small grouped tables as the model sees them: a step, null in the first record of each group, a place, a value."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from attrs import evolve

from rowsmith.sequences import groups_begun_by
from rowsmith.table.schema import ColumnType, TableSchema, Timing, TimingRole

from .spelled_tables import schema, table


def record_groups(columns: pa.Table) -> np.ndarray:
    """The number of each record's group; the first record of each has no step, which is the first column."""
    return groups_begun_by(columns.column(0).is_null().to_numpy())


def level_table(groups: int, seed: int = 0) -> tuple[pa.Table, TableSchema]:
    """Groups whose value is written as changes of -1 to 1, or is missing; its level is rounded to even numbers.

    Args:
        groups: How many.
        seed: Of the numbers.
    """
    draw = np.random.default_rng(seed)
    steps: list[str | None] = []
    changes: list[str | None] = []
    levels: list[str | None] = []
    for _ in range(groups):
        value = int(draw.integers(0, 9))
        for record in range(int(draw.integers(1, 7))):
            missing = record > 0 and draw.random() < 0.2
            change = int(np.clip(draw.integers(-1, 2), -value, 8 - value)) if record and not missing else 0
            value += change
            steps.append("1" if record else None)
            changes.append(str(change) if record and not missing else None)
            levels.append(None if missing else str(value - value % 2))
    names = ("~step", "value~change", "value")
    timings = (
        Timing(role=TimingRole.STEP, amounts=(("1", 1.0),)),
        Timing(role=TimingRole.CHANGE, of="value", amounts=tuple((str(n), float(n)) for n in (-1, 0, 1))),
        Timing(role=TimingRole.LEVEL, of="value", amounts=tuple((str(n), float(n)) for n in range(0, 9, 2))),
    )
    made = schema(**dict.fromkeys(names, ColumnType.CATEGORICAL))
    timed = tuple(evolve(column, timing=timing) for column, timing in zip(made, timings, strict=True))
    return table(**dict(zip(names, (steps, changes, levels), strict=True))), TableSchema(columns=timed)


def group_table(groups: int, *, text: bool = False, seed: int = 0) -> tuple[pa.Table, TableSchema, np.ndarray]:
    """Groups of one to six records; the value repeats or goes up by one.

    Args:
        groups: How many.
        text: Whether an open column of text comes last.
        seed: Of the numbers.

    Returns:
        The spelled table, its schema, and the number of each record's group.
    """
    draw = np.random.default_rng(seed)
    steps, places, values, numbers = [], [], [], []
    for group in range(groups):
        place, value = int(draw.integers(0, 10)), int(draw.integers(0, 3))
        for record in range(int(draw.integers(1, 7))):
            step = int(draw.integers(0, 3)) if record else None
            place, value = place + (step or 0), value + int(draw.integers(0, 2))
            steps.append(None if step is None else str(step))
            places.append(str(place))
            values.append(str(value))
            numbers.append(group)
    columns = {"at~step": steps, "at": places, "value": values}
    kinds = {"at~step": ColumnType.CATEGORICAL, "at": ColumnType.CATEGORICAL, "value": ColumnType.INTEGER}
    if text:
        columns["note"] = ["ab"[number % 2] * (number % 4) for number in numbers]
        kinds["note"] = ColumnType.TEXT
    timings = {
        "at~step": Timing(role=TimingRole.STEP, amounts=tuple((str(n), float(n)) for n in range(3))),
        "at": Timing(role=TimingRole.POSITION, amounts=tuple((str(n), float(n)) for n in sorted({*map(int, places)}))),
    }
    made = schema(**kinds)
    timed = TableSchema(columns=tuple(evolve(column, timing=timings.get(column.name)) for column in made))
    return table(**columns), timed, np.array(numbers)
