"""Rows that nearly equal a training row: all columns but one, or all labels and, about, all numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation import ColumnKind, EvaluatedColumn, EvaluationTables, Part
from rowsmith_plugins.evaluations.privacy.row_hashes import RowHashes, in_other_units, row_hashes, units_of

__all__ = ["Flags", "near_copies"]

MOST_ROWS = 20_000
"""Rows of each part that are compared, those of the training table at most five times as many."""
_MOST_COLUMNS = 40
_MOST_PAIRS = 3_000_000
_TOLERANCE = 0.02
_FEWEST = 200

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


def near_copies(tables: EvaluationTables, hashes: RowHashes) -> tuple[dict[Part, Flags], bool]:
    """Find near copies of training rows in all parts; in the training table, of rows of other groups.

    Returns:
        Whether each of the rows looked at is one, and holds enough information in what is equal; and whether these
        are fewer rows than there are. Rows that equal a training row in all columns are none.
    """
    generator = tables.generator("near-copies")
    rows = {
        part: np.sort(generator.permutation(size)[: MOST_ROWS * (5 if part is Part.REAL else 1)])
        for part, size in tables.sizes.items()
    }
    taken = {part: hashes.hashes[part][each] for part, each in rows.items()}
    units = units_of(tables, Part.REAL)[rows[Part.REAL]]
    copied = {
        part: in_other_units(each, units) if part is Part.REAL else np.isin(each, taken[Part.REAL])
        for part, each in taken.items()
    }
    found = {part: np.zeros(len(each), dtype=np.bool_) for part, each in rows.items()}
    columns = np.arange(len(hashes.columns))
    some = generator.permutation(columns)[:_MOST_COLUMNS] if len(columns) > 1 else columns[:0]
    for index in some.tolist():
        others = {part: hashes.without(index, part)[each] for part, each in rows.items()}
        for part, each in rows.items():
            enough = hashes.information_without(index, part)[each] >= hashes.needed
            if not enough.any():
                continue
            if part is Part.REAL:
                equal = in_other_units(others[part], units)
            else:
                equal = np.isin(others[part], others[Part.REAL])
            found[part] |= equal & enough
    numbers = [column for column in hashes.columns if column.kind in (ColumnKind.NUMBER, ColumnKind.MOMENT)]
    sampled = any(len(rows[part]) < size for part, size in tables.sizes.items()) or len(some) < len(columns) > 1
    if numbers:
        near = _about_equal(tables, hashes, numbers, rows)
        sampled |= any(len(flags) < len(rows[part]) for part, (_, flags) in near.items())
        # Of the same rows for both ways of being near.
        found = {part: found[part][chosen] | flags for part, (chosen, flags) in near.items()}
        copied = {part: copied[part][chosen] for part, (chosen, _) in near.items()}
    return {part: flags & ~copied[part] for part, flags in found.items()}, sampled


@frozen(eq=False)
class _Number:
    """A number column of some rows: what is near to each of its training values.

    Attributes:
        values: The numbers, by part.
        real: The known training numbers, sorted.
        spread: Their standard deviation.
        relative: Whether near is relative to the number, too; not so of date-times, whose zero means nothing.
    """

    values: Mapping[Part, Floats]
    real: Floats
    spread: float
    relative: bool

    def reach(self, values: Floats) -> Floats:
        """How far from each number a near one may be."""
        size = np.abs(values) if self.relative else np.zeros_like(values)
        return np.asarray(_TOLERANCE * (self.spread + size), dtype=np.float64)

    def bits(self, values: Floats) -> Floats:
        """-log2 of the share of training values that are near; 0 for nulls, which labels represent."""
        near = np.searchsorted(self.real, values + self.reach(values), "right") - np.searchsorted(
            self.real, values - self.reach(values), "left"
        )
        bits = -np.log2((near + 0.5) / (len(self.real) + 0.5))
        return np.asarray(np.where(np.isnan(values), 0.0, bits), dtype=np.float64)

    def share(self) -> float:
        """The mean share of training values that are near to one of them."""
        return float(np.mean(2.0 ** -self.bits(self.real))) if len(self.real) else 1.0


def _about_equal(
    tables: EvaluationTables, hashes: RowHashes, columns: list[EvaluatedColumn], rows: Mapping[Part, Ints]
) -> dict[Part, tuple[Ints, Flags]]:
    """For each part the rows that were looked at, as positions in ``rows``, and whether each is near one."""
    labels = [column for column in hashes.columns if column not in columns]
    numbers = [_number(column, rows) for column in columns]
    blocks = row_hashes(tables, labels)
    block = {part: blocks.hashes[part][each] for part, each in rows.items()}
    for index, (column, number) in enumerate(zip(columns, numbers, strict=True)):
        # What is no number must be equal: nulls, and marks among numbers.
        odd = _odd_codes(column, number, rows)
        block = {
            part: block[part] + odd[part] * np.uint64(0x9E3779B97F4A7C15 * (2 * index + 1) % 2**64) for part in rows
        }
    _, inverse = np.unique(np.concatenate([block[part] for part in rows]), return_inverse=True)
    ids = dict(
        zip(rows, np.split(inverse.astype(np.int64), np.cumsum([len(rows[part]) for part in rows])[:-1]), strict=True)
    )
    best = min(numbers, key=_Number.share)
    units = units_of(tables, Part.REAL)[rows[Part.REAL]]
    generator = tables.generator("near-copies.rows")
    order, keys = _sorted(best, ids[Part.REAL])
    found = dict[Part, tuple[Ints, Flags]]()
    for part in rows:
        information = blocks.information[part][rows[part]] + sum(number.bits(number.values[part]) for number in numbers)
        low, high = _windows(best, ids[part], part, keys)
        chosen = _within_budget(high - low, generator)
        near = _compared(chosen, low[chosen], high[chosen], order, numbers, part, units if part is Part.REAL else None)
        found[part] = chosen, near & (information[chosen] >= hashes.needed)
    return found


def _number(column: EvaluatedColumn, rows: Mapping[Part, Ints]) -> _Number:
    values = {part: column.numbers(part)[each] for part, each in rows.items()}
    real = np.sort(values[Part.REAL][np.isfinite(values[Part.REAL])])
    return _Number(values, real, float(real.std()) if len(real) else 0.0, column.kind is ColumnKind.NUMBER)


def _odd_codes(column: EvaluatedColumn, number: _Number, rows: Mapping[Part, Ints]) -> dict[Part, Hashes]:
    """0 for numbers, else the number of the label; 1 for nulls."""
    return {
        part: np.where(np.isfinite(number.values[part]), 0, column.codes[part][each] + 2).astype(np.uint64)
        for part, each in rows.items()
    }


def _scaled(number: _Number, values: Floats) -> Floats:
    """Between 0 and 1, so that a block's number and the value make one key in their order."""
    low, high = (number.real[0], number.real[-1]) if len(number.real) else (0.0, 0.0)
    known = np.where(np.isfinite(values), values, low)
    return np.clip((known - low) / (high - low), 0.0, 1.0) if high > low else np.zeros(len(values))


def _sorted(number: _Number, ids: Ints) -> tuple[Ints, Floats]:
    keys = ids * 2.0 + _scaled(number, number.values[Part.REAL])
    order = np.argsort(keys, kind="stable")
    return order, keys[order]


def _windows(number: _Number, ids: Ints, part: Part, keys: Floats) -> tuple[Ints, Ints]:
    values = number.values[part]
    reach = np.where(np.isfinite(values), number.reach(values), 0.0)
    slack = 1e-9
    low = np.searchsorted(keys, ids * 2.0 + _scaled(number, values - reach) - slack, "left")
    high = np.searchsorted(keys, ids * 2.0 + _scaled(number, values + reach) + slack, "right")
    return low, high


def _within_budget(counts: Ints, generator: np.random.Generator) -> Ints:
    """Positions of rows whose pairs are not too many in all; at least some rows."""
    order = generator.permutation(len(counts))
    fitting = int(np.searchsorted(np.cumsum(counts[order]), _MOST_PAIRS, "right"))
    return np.sort(order[: max(fitting, _FEWEST)])


def _compared(
    chosen: Ints, low: Ints, high: Ints, order: Ints, numbers: list[_Number], part: Part, units: Ints | None
) -> Flags:
    counts = high - low
    mine = np.repeat(np.arange(len(chosen)), counts)
    starts = np.repeat(low - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    real = order[np.arange(len(mine)) + starts]
    if units is not None:
        other = units[real] != units[chosen[mine]]
        mine, real = mine[other], real[other]
    for number in sorted(numbers, key=_Number.share):
        values, reals = number.values[part][chosen[mine]], number.values[Part.REAL][real]
        near = ~(np.abs(values - reals) > number.reach(values))
        mine, real = mine[near], real[near]
    found = np.zeros(len(chosen), dtype=np.bool_)
    found[mine] = True
    return found
