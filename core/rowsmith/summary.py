"""The real table against the synthetic one, column by column.

The measures of distance go from 0 (alike) to 1: the total variation ``TV`` between the shares of
values, null being a value; the Kolmogorov-Smirnov statistic ``KS`` between the distributions of numbers
and date-times, or, for free text, of lengths; and for keys, which are made anew, the share of values
that were not new.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import field, frozen

from rowsmith.errors import DataError
from rowsmith.table.columns import distinct
from rowsmith.table.datetimes import parse_datetimes
from rowsmith.table.marks import fits_marked
from rowsmith.table.schema import ColumnSchema, ColumnType, Marked, TableSchema
from rowsmith.table.spelling import parse_numbers

__all__ = ["ColumnSide", "ColumnSummary", "summarize"]

_QUANTILES = (0.05, 0.5, 0.95)
_NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL)

Floats = npt.NDArray[np.float64]


@frozen(kw_only=True)
class ColumnSide:
    """One table's side of a column.

    Attributes:
        nulls: Share of rows without a value.
        distinct: Number of distinct values.
        top: The most frequent value; None when there is none.
        top_share: Its share of all rows.
        mean: Mean of a numeric column; None for others.
        quantiles: 5 %, 50 % and 95 % quantiles of numbers and date-times, spelled; empty for others.
    """

    nulls: float
    distinct: int
    top: str | None = None
    top_share: float = 0.0
    mean: float | None = None
    quantiles: tuple[str, ...] = ()


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
class _Values:
    """Distinct values of a column, how often each occurs, and where they lie on a line, if they do."""

    texts: list[str]
    counts: npt.NDArray[np.int64]
    rows: int
    places: Floats | None = field(default=None)

    @property
    def nulls(self) -> float:
        return 1 - int(self.counts.sum()) / self.rows if self.rows else 0.0


def summarize(
    real: pa.Table, synthetic: pa.Table, schema: TableSchema, keys: Collection[str] = ()
) -> tuple[ColumnSummary, ...]:
    """Compare two tables of the same columns.

    Args:
        real: The real spelled table.
        synthetic: The synthetic spelled table.
        schema: The columns of both.
        keys: Columns whose values are made anew.

    Returns:
        A summary for each column, in order.
    """
    return tuple(
        _compare(_values(real, column), _values(synthetic, column), column, column.name in keys) for column in schema
    )


def _values(columns: pa.Table, column: ColumnSchema) -> _Values:
    texts, codes = distinct(columns, column.name)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts)).astype(np.int64)
    return _Values(texts, counts, len(codes), _places(texts, column))


def _type(column: ColumnSchema) -> ColumnType:
    """What most of the values are."""
    return column.type if column.marked is None else column.marked.type


def _places(texts: list[str], column: ColumnSchema) -> Floats | None:
    if column.marked is not None:
        return _marked_places(texts, column.marked)
    if column.type is ColumnType.TEXT:
        return np.array([len(text) for text in texts], dtype=np.float64)
    try:
        if column.type in _NUMERIC:
            return parse_numbers(texts)
        if column.type is ColumnType.DATETIME and column.datetime_format is not None:
            instants = parse_datetimes(texts, column.datetime_format).astype("datetime64[us]")
            return instants.astype(np.int64).astype(np.float64)
    except DataError:
        # A label in place of a rare value is no number; such a column is compared by its values.
        return None
    return None


def _marked_places(texts: list[str], marked: Marked) -> Floats:
    """Where values lie; marks lie below all of them."""
    places = np.full(len(texts), -np.inf)
    fits = np.flatnonzero(fits_marked(pa.array(texts, pa.string()), marked))
    found = _places([texts[place] for place in fits.tolist()], marked.column(""))
    assert found is not None
    places[fits] = found
    return places


def _compare(real: _Values, synthetic: _Values, column: ColumnSchema, key: bool) -> ColumnSummary:
    if key:
        measure, distance = "not new", _not_new(real, synthetic)
    elif real.places is None or synthetic.places is None:
        measure, distance = "TV", _total_variation(real, synthetic)
    else:
        measure = "KS of length" if _type(column) is ColumnType.TEXT else "KS"
        distance = _kolmogorov_smirnov(real, synthetic)
    return ColumnSummary(
        name=column.name,
        type=_type(column),
        real=_side(real, column),
        synthetic=_side(synthetic, column),
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
    assert real.places is not None and synthetic.places is not None
    sizes = int(real.counts.sum()), int(synthetic.counts.sum())
    if not all(sizes):
        return 0.0 if sizes[0] == sizes[1] else 1.0
    grid = np.union1d(real.places, synthetic.places)
    return min(1.0, float(np.abs(_cumulative(real, grid) - _cumulative(synthetic, grid)).max()))


def _cumulative(values: _Values, grid: Floats) -> Floats:
    assert values.places is not None
    shares = np.zeros(len(grid))
    np.add.at(shares, np.searchsorted(grid, values.places), values.counts / values.counts.sum())
    return np.cumsum(shares)


def _side(values: _Values, column: ColumnSchema) -> ColumnSide:
    top = int(values.counts.argmax()) if len(values.texts) else None
    line = _on_line(values) if _type(column) is not ColumnType.TEXT else None
    numeric = _type(column) in _NUMERIC
    return ColumnSide(
        nulls=values.nulls,
        distinct=len(values.texts),
        top=None if top is None else values.texts[top],
        top_share=0.0 if top is None else int(values.counts[top]) / values.rows,
        mean=_mean(line) if line is not None and numeric else None,
        quantiles=() if line is None else _quantiles(line),
    )


def _on_line(values: _Values) -> _Values | None:
    """The values that lie on a line, without marks; None where there are none."""
    if values.places is None:
        return None
    kept = np.flatnonzero(np.isfinite(values.places))
    texts = [values.texts[place] for place in kept.tolist()]
    return _Values(texts, values.counts[kept], values.rows, values.places[kept]) if texts else None


def _mean(values: _Values) -> float:
    assert values.places is not None
    # By shares, since the sum of numbers near the greatest double is none.
    return float(np.sum(values.places * (values.counts / values.counts.sum())))


def _quantiles(values: _Values) -> tuple[str, ...]:
    """Quantiles as values that occur, so that they are spelled as the column spells them."""
    assert values.places is not None
    order = np.argsort(values.places, kind="stable")
    cumulative = np.cumsum(values.counts[order]) / values.counts.sum()
    found = np.minimum(np.searchsorted(cumulative, _QUANTILES), len(order) - 1)
    return tuple(values.texts[int(place)] for place in order[found])
