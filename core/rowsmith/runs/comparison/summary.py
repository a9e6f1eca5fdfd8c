"""The real table against the synthetic one, column by column.

The measures of distance go from 0 (alike) to 1: the total variation ``TV`` between the shares of
values, null being a value; the Kolmogorov-Smirnov statistic ``KS`` between the distributions of numbers
and date-times, or, for free text, of lengths; and for keys, which are generated, the share of values
that were not new.

No value of a single person is disclosed: a value is named when at least 5 rows have it (and enough groups, see
``transforms.holders``), a quantile when as many rows lie at or beyond it, a mean when it is of twice as many, with
extreme values clipped. None are disclosed of keys and of free text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import field, frozen

from rowsmith.errors import DataError
from rowsmith.table.columns import combined_codes, distinct
from rowsmith.table.schema import ColumnSchema, ColumnType, Marked, TableSchema
from rowsmith.table.types.datetimes import parse_datetimes
from rowsmith.table.types.marks import fits_marked
from rowsmith.table.types.spelling import parse_numbers
from rowsmith.transforms.holders import groups_needed

__all__ = ["ColumnSide", "ColumnSummary", "summarize"]

_QUANTILES = (0.05, 0.5, 0.95)
_K = 5
"""A value that fewer rows have is not disclosed."""
_NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL)

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@frozen(kw_only=True)
class ColumnSide:
    """One table's side of a column.

    Attributes:
        nulls: Share of rows without a value.
        distinct: Number of distinct values.
        top: The most frequent value; None when there is none that may be disclosed.
        top_share: Its share of all rows.
        mean: Mean of a numeric column, whose lowest and highest values count as the fifth; None for others, and where
            it may not be disclosed.
        quantiles: 5 %, 50 % and 95 % quantiles of numbers and date-times, spelled; empty for others, and None for each
            that may not be disclosed.
    """

    nulls: float
    distinct: int
    top: str | None = None
    top_share: float = 0.0
    mean: float | None = None
    quantiles: tuple[str | None, ...] = ()


@frozen(kw_only=True)
class ColumnSummary:
    """One column of both tables.

    Attributes:
        name: The column.
        type: Its type.
        real: The real table's side.
        synthetic: The synthetic table's side.
        measure: ``TV``, ``KS``, ``KS of length`` or ``not new``.
        distance: From 0, alike, to 1.
    """

    name: str
    type: ColumnType
    real: ColumnSide
    synthetic: ColumnSide
    measure: str
    distance: float


@frozen(eq=False)
class _Groups:
    """Which rows belong together.

    Attributes:
        codes: The number of each row's value; -1 for null.
        numbers: The number of each row's group.
        needed: How many groups must have a value for it to be disclosed.
    """

    codes: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.int64]
    needed: int

    def enough(self, values: Mask) -> bool:
        """Whether enough groups have any of some values."""
        if self.needed == 1:
            return True
        return len(np.unique(self.numbers[np.append(values, False)[self.codes]])) >= self.needed


@frozen(eq=False)
class _Values:
    """Distinct values of a column, how often each occurs, and their positions on a line, if they have any."""

    texts: list[str]
    counts: npt.NDArray[np.int64]
    rows: int
    positions: Floats | None = field(default=None)
    groups: _Groups | None = field(default=None)

    @property
    def nulls(self) -> float:
        return 1 - int(self.counts.sum()) / self.rows if self.rows else 0.0

    def disclosable(self, values: Mask, rows: int = _K) -> bool:
        """Whether so many rows have any of some values, and enough groups."""
        return int(self.counts[values].sum()) >= rows and (self.groups is None or self.groups.enough(values))


def summarize(
    real: pa.Table,
    synthetic: pa.Table,
    schema: TableSchema,
    keys: Collection[str] = (),
    groups: Sequence[str] = (),
) -> tuple[ColumnSummary, ...]:
    """Compare two tables of the same columns.

    Args:
        real: The real spelled table.
        synthetic: The synthetic spelled table.
        schema: The columns of both.
        keys: Columns whose values are generated.
        groups: Columns that group the rows of both tables; none where rows are independent.

    Returns:
        A summary for each column, in order.
    """
    numbered = [combined_codes(columns, groups) if groups else None for columns in (real, synthetic)]
    return tuple(
        _compare(
            _values(real, column, numbered[0]), _values(synthetic, column, numbered[1]), column, column.name in keys
        )
        for column in schema
    )


def _values(columns: pa.Table, column: ColumnSchema, groups: npt.NDArray[np.int64] | None) -> _Values:
    texts, codes = distinct(columns, column.name)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts)).astype(np.int64)
    together = None
    if groups is not None:
        together = _Groups(codes, groups, groups_needed(int(groups.max(initial=-1)) + 1, _K))
    return _Values(texts, counts, len(codes), _positions(texts, column), together)


def _type(column: ColumnSchema) -> ColumnType:
    """What most of the values are."""
    return column.type if column.marked is None else column.marked.type


def _positions(texts: list[str], column: ColumnSchema) -> Floats | None:
    if column.marked is not None:
        return _marked_positions(texts, column.marked)
    if column.type is ColumnType.TEXT:
        return np.array([len(text) for text in texts], dtype=np.float64)
    try:
        if column.type in _NUMERIC:
            return parse_numbers(texts)
        if column.type is ColumnType.DATETIME and column.datetime_format is not None:
            instants = parse_datetimes(texts, column.datetime_format).astype("datetime64[us]")
            return instants.astype(np.int64).astype(np.float64)
    except DataError:
        # A label that replaces a rare value is no number; such a column is compared by its values.
        return None
    return None


def _marked_positions(texts: list[str], marked: Marked) -> Floats:
    """Positions of values; marks lie below all of them."""
    positions = np.full(len(texts), -np.inf)
    fits = np.flatnonzero(fits_marked(pa.array(texts, pa.string()), marked))
    found = _positions([texts[index] for index in fits.tolist()], marked.column(""))
    assert found is not None
    positions[fits] = found
    return positions


def _compare(real: _Values, synthetic: _Values, column: ColumnSchema, key: bool) -> ColumnSummary:
    if key:
        measure, distance = "not new", _not_new(real, synthetic)
    elif real.positions is None or synthetic.positions is None:
        measure, distance = "TV", _total_variation(real, synthetic)
    else:
        measure = "KS of length" if _type(column) is ColumnType.TEXT else "KS"
        distance = _kolmogorov_smirnov(real, synthetic)
    return ColumnSummary(
        name=column.name,
        type=_type(column),
        real=_side(real, column, key),
        synthetic=_side(synthetic, column, key),
        measure=measure,
        distance=distance,
    )


def _not_new(real: _Values, synthetic: _Values) -> float:
    known = set(real.texts)
    pairs = zip(synthetic.texts, synthetic.counts, strict=True)
    seen = sum(int(count) for text, count in pairs if text in known)
    return seen / max(1, int(synthetic.counts.sum()))


def _total_variation(real: _Values, synthetic: _Values) -> float:
    if not real.rows or not synthetic.rows:
        return 0.0 if real.rows == synthetic.rows else 1.0
    ours = dict(zip(real.texts, (real.counts / real.rows).tolist(), strict=True))
    theirs = dict(zip(synthetic.texts, (synthetic.counts / synthetic.rows).tolist(), strict=True))
    moved = sum(abs(ours.get(text, 0.0) - theirs.get(text, 0.0)) for text in ours | theirs)
    return float((moved + abs(real.nulls - synthetic.nulls)) / 2)


def _kolmogorov_smirnov(real: _Values, synthetic: _Values) -> float:
    assert real.positions is not None and synthetic.positions is not None
    sizes = int(real.counts.sum()), int(synthetic.counts.sum())
    if not all(sizes):
        return 0.0 if sizes[0] == sizes[1] else 1.0
    grid = np.union1d(real.positions, synthetic.positions)
    return min(1.0, float(np.abs(_cumulative(real, grid) - _cumulative(synthetic, grid)).max()))


def _cumulative(values: _Values, grid: Floats) -> Floats:
    assert values.positions is not None
    shares = np.zeros(len(grid))
    np.add.at(shares, np.searchsorted(grid, values.positions), values.counts / values.counts.sum())
    return np.cumsum(shares)


def _side(values: _Values, column: ColumnSchema, key: bool) -> ColumnSide:
    open_, numeric = key or _type(column) is ColumnType.TEXT, _type(column) in _NUMERIC
    top = int(values.counts.argmax()) if len(values.texts) and not open_ else None
    if top is not None and not values.disclosable(np.arange(len(values.texts)) == top):
        top = None
    line = None if open_ or values.positions is None else np.isfinite(values.positions)
    return ColumnSide(
        nulls=values.nulls,
        distinct=len(values.texts),
        top=None if top is None else values.texts[top],
        top_share=0.0 if top is None else int(values.counts[top]) / values.rows,
        mean=_mean(values, line) if line is not None and numeric and values.disclosable(line, 2 * _K) else None,
        quantiles=_quantiles(values, line) if line is not None and line.any() else (),
    )


def _mean(values: _Values, line: Mask) -> float:
    """The mean of the values that lie on a line, without marks; the k lowest and highest count as the k-th of them."""
    assert values.positions is not None
    counts, positions = values.counts[line], values.positions[line]
    order = np.argsort(positions, kind="stable")
    reached = np.cumsum(counts[order])
    low, high = (positions[order[np.searchsorted(reached, rank, side="right")]] for rank in (_K - 1, reached[-1] - _K))
    # By shares, since the sum of numbers near the greatest double is none.
    return float(np.sum(positions.clip(low, high) * (counts / counts.sum())))


def _quantiles(values: _Values, line: Mask) -> tuple[str | None, ...]:
    """Quantiles as values that occur, so that they are spelled as the column spells them; None where too few have."""
    assert values.positions is not None
    on_line = np.flatnonzero(line)
    order = on_line[np.argsort(values.positions[on_line], kind="stable")]
    cumulative = np.cumsum(values.counts[order])
    found = np.minimum(np.searchsorted(cumulative / cumulative[-1], _QUANTILES), len(order) - 1)
    disclosed = list[str | None]()
    for index in found.tolist():
        sides = (np.isin(np.arange(len(line)), each) for each in (order[: index + 1], order[index:]))
        disclosed.append(values.texts[int(order[index])] if all(map(values.disclosable, sides)) else None)
    return tuple(disclosed)
