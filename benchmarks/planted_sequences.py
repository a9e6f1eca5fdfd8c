"""Defects of grouped tables and time series, planted in copies of good ones.

Each function takes a table and a generator and returns a copy with one defect; ``PLANTED`` says which finding names
it. ``resampled_groups`` is no defect: whole groups drawn again, which nothing should be found wrong with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

PLANTED = {
    "shorter_groups": "groups-shorter",
    "broken_order": "order-broken",
    "wandering_series": "series-wanders",
    "shuffled_rows": "rows-incoherent",
    "changing_group_values": "group-values-change",
}
"""The defect of the finding that names what a function plants."""

_SHORTER = 1 / 3
_BROKEN = 0.02
_WANDERING = 1.5


def _numbered(table: pd.DataFrame, group_by: Sequence[str]) -> np.ndarray:
    if not group_by:
        return np.zeros(len(table), dtype=np.int64)
    return table.groupby(list(group_by), sort=False).ngroup().to_numpy()


def resampled_groups(table: pd.DataFrame, group_by: str, generator: np.random.Generator) -> pd.DataFrame:
    """As many groups, drawn with replacement and named anew."""
    groups = [group for _, group in table.groupby(group_by, sort=False)]
    drawn = [groups[index] for index in generator.integers(len(groups), size=len(groups))]
    named = [group.assign(**{group_by: f"new {number}"}) for number, group in enumerate(drawn)]
    return pd.concat(named, ignore_index=True)


def shorter_groups(table: pd.DataFrame, group_by: Sequence[str], generator: np.random.Generator) -> pd.DataFrame:
    """Every group without the last third of its rows; a part of a row more or less is left to chance."""
    numbers = _numbered(table, group_by)
    lengths = np.bincount(numbers)
    left = np.maximum(np.floor(lengths * (1 - _SHORTER) + generator.random(len(lengths))), 1)
    return table[table.groupby(numbers).cumcount().to_numpy() < left[numbers]].reset_index(drop=True)


def broken_order(table: pd.DataFrame, group_by: Sequence[str], generator: np.random.Generator) -> pd.DataFrame:
    """Two rows that follow each other change places in 2 % of the steps within groups."""
    numbers = _numbered(table, group_by)
    steps = np.flatnonzero(numbers[1:] == numbers[:-1])
    order = np.arange(len(table))
    for row in generator.choice(steps, max(1, round(_BROKEN * len(steps))), replace=False):
        order[[row, row + 1]] = order[[row + 1, row]]
    return table.iloc[order].reset_index(drop=True)


def wandering_series(
    table: pd.DataFrame, group_by: Sequence[str], column: str, generator: np.random.Generator
) -> pd.DataFrame:
    """Each series drifts by a random walk whose standard deviation is 1.5 times its own."""
    numbers, values = _numbered(table, group_by), table[column].to_numpy(dtype=np.float64)
    drifting = values.copy()
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        walk = np.cumsum(generator.normal(size=len(rows)))
        if len(rows) > 1:
            drifting[rows] += _WANDERING * np.nanstd(values[rows]) / walk.std() * walk
    return table.assign(**{column: drifting})


def shuffled_rows(
    table: pd.DataFrame, group_by: Sequence[str], column: str, generator: np.random.Generator
) -> pd.DataFrame:
    """The values of one column change places within their group."""
    shuffled = table.assign(_group=_numbered(table, group_by)).groupby("_group")[column]
    return table.assign(**{column: shuffled.transform(lambda each: generator.permutation(each.to_numpy()))})


def changing_group_values(table: pd.DataFrame, column: str, generator: np.random.Generator) -> pd.DataFrame:
    """A tenth of the rows have the value of another row in a column that belongs to the group."""
    changed = generator.random(len(table)) < 0.1
    values = table[column].to_numpy(copy=True)
    values[changed] = generator.permutation(values)[changed]
    return table.assign(**{column: values})
