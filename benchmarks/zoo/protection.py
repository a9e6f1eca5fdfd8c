"""Which faults follow from the rule of protection alone.

No value that fewer than k rows have may be learned. Where at most one value of a column is on k rows, that is all
that may be left of it; and nulls of fewer rows are not learned either. A run says so of each; nothing else is excused.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from benchmarks.zoo.invariants import Fault
from benchmarks.zoo.judging import Verdict
from benchmarks.zoo.verdicts import Judged

K = 5
"""Rows that must share a value for it to be learned, by default."""


def given_up(judged: Judged, load: Callable[[str], pd.DataFrame]) -> bool:
    """Whether all faults of a table were told, and follow from the rule.

    Args:
        judged: The table's verdict.
        load: Gives a table by its name.
    """
    if judged.verdict is not Verdict.TOLD or judged.silent:
        return False
    table = load(judged.name)
    names = {str(name): name for name in table.columns}
    return all(fault.column in names and follows_from_rule(fault, table[names[fault.column]]) for fault in judged.told)


def follows_from_rule(fault: Fault, column: pd.Series) -> bool:
    """Whether a fault of a column is what the rule demands."""
    if fault.invariant == "nulls":
        return 0 < int(column.isna().sum()) < K
    if fault.invariant == "constant":
        return int((column.value_counts() >= K).sum()) <= 1
    return False
