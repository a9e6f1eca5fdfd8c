"""What the page shows of each column: its distribution in the real and in the synthetic rows.

Bins and labels of fewer than k real rows, or of too few groups, are not shown, nor are ends that fewer lie beyond.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation.disclosure import shared_cells, shared_ends, shared_labels
from rowsmith.evaluation.page.spelling import spell_number
from rowsmith.evaluation.page.svg import step_path
from rowsmith.evaluation.tables import ColumnKind, EvaluatedColumn, EvaluationTables, Part

__all__ = ["HEIGHT", "WIDTH", "Bars", "Distribution", "Histogram", "LabelShare", "distribution"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

WIDTH, HEIGHT = 320.0, 110.0
_BINS = 40
_ENDS = 0.005
_MOST_LABELS = 8
_SPIKE = 0.3
"""A number of so large a share of rows is named beside the histogram, which shows the others."""


@frozen(kw_only=True)
class LabelShare:
    """Shares of rows that have a label, from 0 to 1, and the lengths of their bars in percent."""

    label: str
    real: float
    synthetic: float
    real_bar: float
    synthetic_bar: float


@frozen(kw_only=True)
class Histogram:
    """Outlines of a histogram of both sides.

    Attributes:
        real: SVG path of the real rows.
        synthetic: SVG path of the synthetic rows.
        ticks: Text at the left end, in the middle and at the right end.
        spikes: Numbers with a large share of the rows, which the outlines leave out.
    """

    real: str
    synthetic: str
    ticks: tuple[str, str, str]
    spikes: tuple[LabelShare, ...] = ()


@frozen(kw_only=True)
class Bars:
    """The most frequent labels, and the share of all others."""

    labels: tuple[LabelShare, ...]


@frozen(kw_only=True)
class Distribution:
    """One column on the page.

    Attributes:
        name: The column.
        kind: What its values are.
        nulls: Share of nulls in the real and in the synthetic rows.
        histogram: For numbers, date-times and lengths of text.
        bars: For labels.
        of: What the histogram counts, if not the values themselves.
    """

    name: str
    kind: str
    nulls: tuple[float, float]
    histogram: Histogram | None = None
    bars: Bars | None = None
    of: str = ""


def distribution(column: EvaluatedColumn, tables: EvaluationTables) -> Distribution:
    """The distribution of a column.

    Args:
        column: The column.
        tables: Says how many rows a bin or a label needs.
    """
    nulls = tuple(float(column.nulls(part).mean()) for part in (Part.REAL, Part.SYNTHETIC))
    histogram, bars, of = None, None, ""
    if column.kind in (ColumnKind.NUMBER, ColumnKind.MOMENT):
        assert column.positions is not None
        whole = column.whole and column.kind is ColumnKind.NUMBER
        histogram = _histogram(column, column.positions, tables, whole, column.kind is ColumnKind.MOMENT)
    elif column.kind is ColumnKind.TEXT:
        lengths = np.array([len(label) for label in column.labels], dtype=np.float64)
        histogram, of = _histogram(column, lengths, tables, True, False), "characters"
    elif column.kind is ColumnKind.LABEL:
        bars = _bars(column, tables)
    return Distribution(
        name=column.name, kind=column.kind.value, nulls=(nulls[0], nulls[1]), histogram=histogram, bars=bars, of=of
    )


def _histogram(
    column: EvaluatedColumn, positions: Floats, tables: EvaluationTables, whole: bool, moments: bool
) -> Histogram | None:
    counts = {part: column.counts(part).astype(np.float64) for part in (Part.REAL, Part.SYNTHETIC)}
    spikes = _spikes(column, positions, counts, shared_labels(column, tables)) if positions is column.positions else ()
    finite = np.isfinite(positions)
    order = np.flatnonzero(finite)[np.argsort(positions[finite], kind="stable")]
    below = np.cumsum(counts[Part.REAL][order])
    rows = int(below[-1]) if len(below) else 0
    left = np.where(counts[Part.REAL] > 0, positions, np.nan)
    ends = shared_ends(np.append(left, np.nan)[column.codes[Part.REAL]], tables)
    if rows < 4 * tables.k or ends is None:
        return None
    # The axis leaves out what hardly any row has, and always what too few rows or groups have.
    rank = int(rows * _ENDS) + 1
    low, high = (float(positions[order[np.searchsorted(below, each)]]) for each in (rank, rows - rank + 1))
    low, high = max(low, ends[0]), min(high, ends[1])
    edges, ticks = _whole_bins(low, high) if whole and high / 2 - low / 2 < 1e15 else _bins(low, high)
    index = np.clip(np.searchsorted(edges, positions, side="right") - 1, 0, len(edges) - 2)
    cells = np.append(np.where(np.isfinite(left), index, -1), -1)[column.codes[Part.REAL]]
    shared = shared_cells(cells.astype(np.int64), len(edges) - 1, tables)
    shares = {}
    for part, each in counts.items():
        binned = np.bincount(index[finite], weights=each[finite], minlength=len(edges) - 1)
        shown = shared if part is Part.REAL else binned >= tables.k
        shares[part] = np.where(shown, binned, 0.0) / max(1.0, float(binned.sum()))
    tallest = max(float(shares[Part.REAL].max()), float(shares[Part.SYNTHETIC].max()), 1e-12)
    paths = [step_path(shares[part], tallest, WIDTH, HEIGHT) for part in (Part.REAL, Part.SYNTHETIC)]
    texts = [spell_number(each, moments) for each in ticks]
    return Histogram(real=paths[0], synthetic=paths[1], ticks=(texts[0], texts[1], texts[2]), spikes=spikes)


def _spikes(
    column: EvaluatedColumn, positions: Floats, counts: dict[Part, Floats], shared: Mask
) -> tuple[LabelShare, ...]:
    """Name the numbers of a large share of the real rows, and take them out of the counts."""
    rows = {part: len(column.codes[part]) for part in counts}
    found = np.flatnonzero(np.isfinite(positions) & shared & (counts[Part.REAL] > _SPIKE * rows[Part.REAL]))
    if not len(found) or len(found) == np.isfinite(positions).sum():
        return ()
    spikes = [
        _label_share(column.labels[index], *(counts[part][index] / rows[part] for part in rows), longest=1.0)
        for index in found.tolist()
    ]
    for each in counts.values():
        each[found] = 0.0
    return tuple(spikes)


def _whole_bins(low: float, high: float) -> tuple[Floats, tuple[float, float, float]]:
    """Bins of equally many whole numbers each, and the ends and middle as whole numbers."""
    step = max(1, math.ceil((high - low + 1) / _BINS))
    bins = math.ceil((high - low + 1) / step)
    edges = np.linspace(low - 0.5, low - 0.5 + step * bins, bins + 1)
    return edges, (low, math.floor((low + high) / 2), high)


def _bins(low: float, high: float) -> tuple[Floats, tuple[float, float, float]]:
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1), (low, low / 2 + high / 2, high)


def _bars(column: EvaluatedColumn, tables: EvaluationTables) -> Bars:
    real, synthetic = column.counts(Part.REAL), column.counts(Part.SYNTHETIC)
    order = np.argsort(-real, kind="stable")
    shared = shared_labels(column, tables)
    shown = [index for index in order[:_MOST_LABELS].tolist() if shared[index]]
    sizes = tables.sizes[Part.REAL], tables.sizes[Part.SYNTHETIC]
    shares = [(column.labels[index], real[index] / sizes[0], synthetic[index] / sizes[1]) for index in shown]
    others = np.ones(len(real), dtype=np.bool_)
    others[shown] = False
    rest = np.append(np.where(others, 0, -1), -1)[column.codes[Part.REAL]]
    if shared_cells(rest.astype(np.int64), 1, tables)[0] or (synthetic[others].sum() and not real[others].sum()):
        name = f"{int(others.sum()):,} other labels" if others.sum() > 1 else "another label"
        shares.append((name, real[others].sum() / sizes[0], synthetic[others].sum() / sizes[1]))
    longest = max([max(one, two) for _, one, two in shares], default=1.0) or 1.0
    return Bars(labels=tuple(_label_share(label, one, two, longest=longest) for label, one, two in shares))


def _label_share(label: str, real: float, synthetic: float, *, longest: float) -> LabelShare:
    return LabelShare(
        label=label,
        real=float(real),
        synthetic=float(synthetic),
        real_bar=100 * float(real / longest),
        synthetic_bar=100 * float(synthetic / longest),
    )
