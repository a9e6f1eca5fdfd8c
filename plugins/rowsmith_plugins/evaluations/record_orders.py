"""The code length of records in several orders: of their columns, or of the records of a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import evolve

from rowsmith.table.schema import ModelColumn, ModelSchema
from rowsmith_plugins.evaluations.estimates import Floats
from rowsmith_plugins.evaluations.record_lines import RecordGroup, RecordLine

__all__ = ["compared_orders", "in_sequence", "untried", "with_columns_in"]


def untried(reason: str) -> dict[str, Any]:
    """What a score says where no other order can be tried."""
    return {"tried": 0, "reason": reason}


def compared_orders(means: Sequence[Floats], columns: Sequence[ModelColumn], rows: int) -> dict[str, Any]:
    """Bits a record and a column over several orders.

    Args:
        means: Mean bits of structure and of each column, ``[1 + columns]``, of the model's own order and then of each
            other order.
        columns: The columns.
        rows: Number of records.
    """
    own, others = means[0], np.array(means[1:])
    totals = others.sum(axis=1)
    return {
        "tried": len(others),
        "n": rows,
        "own_bits_per_record": float(own.sum()),
        "bits_per_record": {"mean": float(totals.mean()), "deviation": float(totals.std())},
        "bits_per_column": {
            column.name: {"own": float(own[at]), "mean": float(bits.mean()), "deviation": float(bits.std())}
            for at, (column, bits) in enumerate(zip(columns, others.T[1:], strict=True), 1)
        },
    }


def with_columns_in(lines: Sequence[RecordLine], order: Sequence[int], schema: ModelSchema) -> list[RecordLine]:
    """Records with their columns in another order, as are those before them in their groups.

    Args:
        lines: The records.
        order: The numbers of the columns, in their new order.
        schema: The model's columns.
    """
    groups = {id(line.group): line.group.reordered(order, schema) for line in lines if line.group is not None}
    return [
        evolve(line.reordered(order, schema), group=None if line.group is None else groups[id(line.group)])
        for line in lines
    ]


def in_sequence(lines: Sequence[RecordLine], most: int | None) -> list[RecordLine]:
    """Independent records as one sequence, each after those before it.

    Args:
        lines: The records, in the order of the sequence.
        most: The most records of a sequence; None for no limit but the context.
    """
    group = RecordGroup(0, tuple(line.text for line in lines), most_records=most)
    return [evolve(line, group=group, position=position) for position, line in enumerate(lines)]
