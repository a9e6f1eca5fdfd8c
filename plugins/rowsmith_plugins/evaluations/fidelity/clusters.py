"""Rows of a group are alike, so that they inform less than as many independent rows.

The design effect of survey statistics (Kish 1965): the variance of a share is 1 + (m - 1) r times that of independent
rows, for groups of m rows whose values agree by r more than those of any two rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.evaluation import EvaluatedColumn, EvaluationTables, Part
from rowsmith_plugins.evaluations.fidelity.bins import bin_column

__all__ = ["Clusters", "blocks_of", "clusters_of"]

_BINS = 10
_BLOCKS = 20
"""A series is taken as so many blocks of consecutive rows: neighbours in time are alike."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@frozen(kw_only=True)
class Clusters:
    """How much less the rows of grouped tables inform.

    Attributes:
        effects: The design effect of each column, at least one; empty where rows are independent.
    """

    effects: Mapping[str, float] = field(factory=dict)

    def widening(self, *names: str) -> float:
        """By how much bands of some columns are wider than for independent rows."""
        return math.sqrt(self._effect(names))

    def rows(self, count: int, *names: str) -> int:
        """Number of independent rows that inform as much about some columns as a count of these."""
        return max(1, round(count / self._effect(names)))

    def _effect(self, names: tuple[str, ...]) -> float:
        return max((self.effects.get(name, 1.0) for name in names), default=1.0)


def clusters_of(tables: EvaluationTables) -> Clusters:
    """The design effects of the columns, the larger one of the real and the synthetic rows."""
    if not tables.groups:
        return Clusters()
    parts = (Part.REAL, Part.SYNTHETIC)
    groups = {part: blocks_of(tables, part) for part in parts}
    return Clusters(
        effects={column.name: max(_effect(column, part, groups[part]) for part in parts) for column in tables.columns}
    )


def blocks_of(tables: EvaluationTables, part: Part) -> Ints:
    """The number of each row's group, or of its block of a time series; of a table without groups its own.

    Args:
        tables: The tables.
        part: Which rows.
    """
    if not tables.groups:
        return np.arange(tables.sizes[part])
    return _blocks(tables.groups[part]) if tables.time_column else tables.groups[part]


def _codes(column: EvaluatedColumn, part: Part) -> Ints:
    binned = bin_column(column, _BINS)
    return np.asarray(column.codes[part] + 1, dtype=np.int64) if binned is None else binned.codes[part]


def _blocks(groups: Ints) -> Ints:
    """Blocks of consecutive rows of each group."""
    order = np.argsort(groups, kind="stable")
    lengths = np.bincount(groups)
    starts = np.cumsum(lengths) - lengths
    ranks = np.empty(len(groups), dtype=np.int64)
    ranks[order] = np.arange(len(groups)) - np.repeat(starts, lengths)
    return np.asarray(groups * _BLOCKS + ranks * _BLOCKS // np.maximum(lengths, 1)[groups], dtype=np.int64)


def _effect(column: EvaluatedColumn, part: Part, groups: Ints) -> float:
    """1 + (m - 1) r, with m the mean length of a row's own group."""
    lengths = np.bincount(groups).astype(np.float64)
    if lengths.max() < 2:
        return 1.0
    nulls = column.nulls(part).astype(np.int64)
    alike = max(_agreement(codes, groups, lengths) for codes in (_codes(column, part), nulls))
    if column.positions is not None:
        alike = max(alike, _correlation(column.numbers(part), groups))
    return 1 + float((lengths**2).sum() / lengths.sum() - 1) * max(0.0, alike)


def _agreement(codes: Ints, groups: Ints, lengths: Floats) -> float:
    """How much more often two rows of a group have the same value than any two rows."""
    shares = np.bincount(codes) / len(codes)
    overall = float((shares**2).sum())
    if overall >= 1:
        return 0.0
    cells = np.unique(groups * (int(codes.max()) + 1) + codes, return_counts=True)[1].astype(np.float64)
    within = float((cells * (cells - 1)).sum() / (lengths * (lengths - 1)).sum())
    return (within - overall) / (1 - overall)


def _correlation(numbers: Floats, groups: Ints) -> float:
    """The part of the variance of ranks that lies between groups."""
    known = np.isfinite(numbers)
    if not known.any():
        return 0.0
    ranks = np.unique(numbers[known], return_inverse=True)[1].astype(np.float64)
    own = np.unique(groups[known], return_inverse=True)[1]
    counts = np.bincount(own)
    inside = float(((ranks - (np.bincount(own, ranks) / counts)[own]) ** 2).sum()) / max(1, len(ranks) - len(counts))
    whole = float(ranks.var(ddof=1)) if len(ranks) > 1 else 0.0
    return 1 - inside / whole if whole > 0 else 0.0
