"""Finds rules that the real rows follow; a rule needs rows in which it could have failed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.evaluation import ColumnKind, EvaluatedColumn, EvaluationTables, Part
from rowsmith_plugins.evaluations.fidelity.rule_kinds import (
    Array,
    Checked,
    Rule,
    decimals_of,
    equal,
    function_of,
    linear,
    multiple,
    ordered,
    total,
)

__all__ = ["Found", "Values", "columns_of", "find_rules"]

LEAST_SHARE = 0.98
"""Real rows that follow a rule; of an equality fewer do, such as two addresses that are mostly one."""
LEAST_EQUAL = 0.2
LIFT = 0.5
"""Rows that break a rule are at most so large a part of those that would if the columns were unrelated."""
FEWEST_ROWS = 30
"""Real rows in which a rule applies."""
MOST_BY_CHANCE = 0.95

_TRIED_ROWS = 64
_STEPS = (1000.0, 500.0, 100.0, 50.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.01, 0.001)
_MOST_PAIRS_OF_NUMBERS = 20_000

Values = Mapping[str, Mapping[Part, Array]]
"""The values of columns as numbers, by column and part."""


@frozen(kw_only=True)
class Found:
    """A rule and how many real rows follow it."""

    rule: Rule
    real: Checked


@frozen(eq=False, kw_only=True)
class _Columns:
    """Columns as numbers.

    Attributes:
        numbers: Numbers and moments themselves, NaN where there is none.
        labels: Labels as codes that columns share, NaN for null.
        codes: The code of each row in its own column, the last one for null.
        kinds: The kind of each column.
        sizes: Distinct values of each column.
    """

    numbers: Values
    labels: Values
    codes: Values
    kinds: Mapping[str, ColumnKind]
    sizes: Mapping[str, int]


def columns_of(tables: EvaluationTables) -> _Columns:
    """All columns but keys, as numbers."""
    columns = [column for column in tables.columns if column.kind is not ColumnKind.KEY]
    numeric = [column for column in columns if column.positions is not None]
    shared: dict[str, int] = {}
    for column in columns:
        if column.positions is None:
            for label in column.labels:
                shared.setdefault(label, len(shared))
    return _Columns(
        numbers={column.name: {part: column.numbers(part) for part in tables.sizes} for column in numeric},
        labels={column.name: _shared(column, shared, tables) for column in columns if column.positions is None},
        codes={column.name: {part: _codes(column, part) for part in tables.sizes} for column in columns},
        kinds={column.name: column.kind for column in columns},
        sizes={column.name: len(column.labels) for column in columns},
    )


def _shared(column: EvaluatedColumn, shared: Mapping[str, int], tables: EvaluationTables) -> dict[Part, Array]:
    numbers = np.array([*(shared[label] for label in column.labels), np.nan], dtype=np.float64)
    return {part: numbers[column.codes[part]] for part in tables.sizes}


def _codes(column: EvaluatedColumn, part: Part) -> Array:
    codes = column.codes[part].astype(np.float64)
    codes[codes < 0] = len(column.labels)
    return codes


def find_rules(columns: _Columns, tables: EvaluationTables, max_pairs: int) -> tuple[list[tuple[Found, Values]], bool]:
    """The rules that real rows follow.

    Args:
        columns: The columns.
        tables: Their tables.
        max_pairs: The most pairs of columns that are tried for dependencies.

    Returns:
        Each rule with the values it is checked on, and whether some pairs were not tried.
    """
    generator = tables.generator("rules")
    found: list[tuple[Found, Values]] = []
    tied: set[frozenset[str]] = set()

    def accept(rule: Rule, values: Values, least: float = LEAST_SHARE) -> bool:
        real = rule.checked(values, Part.REAL)
        if real.rows < FEWEST_ROWS or real.share < least:
            return False
        if len(rule.columns) > 1:
            chance = rule.by_chance(values, generator).share
            if chance > MOST_BY_CHANCE or 1 - real.share > LIFT * (1 - chance):
                return False
        found.append((Found(rule=rule, real=real), values))
        return True

    names = [name for name in columns.numbers if _varies(columns.numbers[name][Part.REAL])]
    digits = {name: decimals_of(columns.numbers[name][Part.REAL]) for name in names}
    for values in (columns.numbers, columns.labels):
        for rule in _equalities(values, columns.kinds):
            if accept(rule, values, LEAST_EQUAL):
                tied.add(frozenset(rule.columns))
    for rule in itertools.chain(
        _linear(columns, names, digits, tied),
        _orderings(columns, names, tied),
        _totals(columns, names, digits, generator),
    ):
        if accept(rule, columns.numbers) and rule.kind == "line":
            tied.add(frozenset(rule.columns))
    for name in names:
        for rule in _steps(columns.numbers[name][Part.REAL], name):
            if accept(rule, columns.numbers):
                break
    dependencies, sampled = _dependencies(columns, tied, tables, max_pairs)
    for rule in dependencies:
        accept(rule, columns.codes)
    return found, sampled


def _varies(numbers: Array) -> bool:
    known = numbers[np.isfinite(numbers)]
    return len(known) > 0 and bool((known != known[0]).any())


def _equalities(values: Values, kinds: Mapping[str, ColumnKind]) -> Iterator[Rule]:
    for one, two in itertools.combinations(values, 2):
        if kinds[one] is kinds[two]:
            first, second = values[one][Part.REAL][:2000], values[two][Part.REAL][:2000]
            if np.mean(first == second) >= LEAST_EQUAL / 2:
                yield Rule(kind="equality", columns=(one, two), words=f"{one!r} equals {two!r}", holds=equal)


def _linear(
    columns: _Columns, names: Sequence[str], digits: Mapping[str, int], tied: set[frozenset[str]]
) -> Iterator[Rule]:
    for one, two in itertools.combinations(names, 2):
        if frozenset((one, two)) in tied:
            continue
        first, second = columns.numbers[one][Part.REAL], columns.numbers[two][Part.REAL]
        first, second = first[:2000], second[:2000]
        both = np.isfinite(first) & np.isfinite(second)
        first, second = first[both], second[both]
        if len(np.unique(first)) < 3 or len(np.unique(second)) < 3:
            continue
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            slope, offset = _line(first, second)
        if not np.isfinite(slope) or not np.isfinite(offset) or slope == 0:
            continue
        words = f"{two!r} follows from {one!r} by a straight line"
        yield Rule(
            kind="line", columns=(one, two), words=words, holds=linear(slope, offset, (digits[one], digits[two]))
        )


def _line(first: Array, second: Array) -> tuple[float, float]:
    """Slope and offset of the line of least squares."""
    apart = first - first.mean()
    slope = float((apart * (second - second.mean())).sum() / (apart**2).sum())
    return slope, float(np.median(second - slope * first))


def _orderings(columns: _Columns, names: Sequence[str], tied: set[frozenset[str]]) -> Iterator[Rule]:
    rows = np.column_stack([columns.numbers[name][Part.REAL][:2000] for name in names]) if names else np.zeros((0, 0))
    for index, one in enumerate(names):
        with np.errstate(invalid="ignore"):
            known = np.isfinite(rows[:, [index]]) & np.isfinite(rows)
            above = (rows[:, [index]] <= rows) | ~known
            equal_ = (rows[:, [index]] == rows) & known
        for other in np.flatnonzero(above.mean(axis=0) >= LEAST_SHARE).tolist():
            two = names[other]
            if two == one or columns.kinds[one] is not columns.kinds[two] or frozenset((one, two)) in tied:
                continue
            strict = not equal_[:, other].any()
            words = f"{one!r} is {'below' if strict else 'at most'} {two!r}"
            yield Rule(kind="ordering", columns=(one, two), words=words, holds=ordered(strict))


def _totals(
    columns: _Columns, names: Sequence[str], digits: Mapping[str, int], generator: np.random.Generator
) -> Iterator[Rule]:
    """Sums and products, first tried on a few rows in which they could fail."""
    names = [name for name in names if columns.kinds[name] is ColumnKind.NUMBER]
    if len(names) < 3:
        return
    size = len(columns.numbers[names[0]][Part.REAL])
    rows = generator.permutation(size)[:_TRIED_ROWS]
    table = np.column_stack([columns.numbers[name][Part.REAL][rows] for name in names])
    steps = np.array([10.0 ** -digits[name] for name in names])
    pairs = list(itertools.combinations(range(len(names)), 2))[:_MOST_PAIRS_OF_NUMBERS]
    for (one, two), (operation, neutral, sign) in itertools.product(
        pairs, ((np.add, 0.0, "+"), (np.multiply, 1.0, "·"))
    ):
        first, second = table[:, one], table[:, two]
        informative = (
            np.isfinite(first)
            & np.isfinite(second)
            & (first != 0)
            & (second != 0)
            & (first != neutral)
            & (second != neutral)
        )
        if np.count_nonzero(informative) < 4:
            continue
        tried = table[informative]
        with np.errstate(over="ignore", invalid="ignore"):
            wanted = operation(first, second)[informative, None]
            close = np.abs(wanted - tried) <= 0.505 * steps + 1e-9 * np.abs(tried)
        for three in np.flatnonzero((close | ~np.isfinite(tried)).mean(axis=0) >= 0.9).tolist():
            if three in (one, two):
                continue
            a, b, c = names[one], names[two], names[three]
            kind = "sum" if sign == "+" else "product"
            holds = total(operation, neutral, digits[c])
            yield Rule(kind=kind, columns=(a, b, c), words=f"{a!r} {sign} {b!r} is {c!r}", holds=holds)


def _steps(numbers: Array, name: str) -> Iterator[Rule]:
    """Multiples of a step, the largest first; columns of few numbers prove nothing."""
    known = numbers[np.isfinite(numbers) & (numbers != 0)][:2000]
    if len(np.unique(known)) < 10:
        return
    for step in _STEPS:
        with np.errstate(over="ignore"):
            parts = known / step
        parts = np.where(np.isfinite(parts), parts, 0.5)  # Too large to say.
        if np.mean(np.abs(parts - np.round(parts)) <= 1e-6) >= LEAST_SHARE:
            if step == 1:
                return  # Whole numbers are for ``values``.
            words = f"numbers of {name!r} are multiples of {step:g}"
            yield Rule(kind="step", columns=(name,), words=words, holds=multiple(step))
            return


def _dependencies(
    columns: _Columns, tied: set[frozenset[str]], tables: EvaluationTables, max_pairs: int
) -> tuple[list[Rule], bool]:
    """Columns whose value another column says, where its values have several rows each."""
    names = [name for name, kind in columns.kinds.items() if kind is not ColumnKind.TEXT]
    pairs = [pair for pair in itertools.combinations(names, 2) if frozenset(pair) not in tied]
    sampled = len(pairs) > max_pairs
    if sampled:
        picked = tables.generator("rules.pairs").choice(len(pairs), max_pairs, replace=False)
        pairs = [pairs[index] for index in np.sort(picked)]
    codes = {name: columns.codes[name][Part.REAL].astype(np.int64) for name in names}
    rules = []
    for one, two in pairs:
        mapped = _functions(codes[one], codes[two], (columns.sizes[one] + 1, columns.sizes[two] + 1), tables.k)
        directions = [(one, two, mapped[0]), (two, one, mapped[1])]
        for a, b, function in directions:
            if function is not None:
                words = f"{a!r} says what {b!r} is"
                rules.append(Rule(kind="dependency", columns=(a, b), words=words, holds=function_of(*function)))
    return rules, sampled


_Function = tuple[Array, npt.NDArray[np.bool_]]


def _functions(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], sizes: tuple[int, int], k: int
) -> tuple[_Function | None, _Function | None]:
    """What each of two columns says of the other, where it does in nearly all real rows."""
    cells, rows = np.unique(first * sizes[1] + second, return_counts=True)
    pairs = np.divmod(cells, sizes[1])
    return _function(pairs[0], pairs[1], rows, sizes[0], k), _function(pairs[1], pairs[0], rows, sizes[1], k)


def _function(
    given: npt.NDArray[np.int64], said: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], size: int, k: int
) -> _Function | None:
    order = np.argsort(rows, kind="stable")
    values, most = np.full(size, -1.0), np.zeros(size, dtype=np.int64)
    # The last assignment of an index wins: the value of most rows.
    values[given[order]], most[given[order]] = said[order], rows[order]
    totals = np.bincount(given, weights=rows, minlength=size)
    known = totals >= k
    covered = totals[known].sum()
    if covered < FEWEST_ROWS or covered < rows.sum() / 2 or most[known].sum() < LEAST_SHARE * covered:
        return None
    return values, known
