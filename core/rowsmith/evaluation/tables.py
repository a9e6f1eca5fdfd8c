"""The tables that an evaluation compares, read once for all evaluations.

Columns are compared as arrays: every value has a code, an index into the column's list of distinct labels, which real,
synthetic and held-out rows share; numbers and date-times have a number besides. So most measures cost O(distinct)
after one count.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.errors import DataError, ParameterError
from rowsmith.randomness.seeds import Seeds
from rowsmith.table.columns import combined_codes, distinct
from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith.table.table import Table
from rowsmith.table.types.datetimes import parse_datetimes
from rowsmith.table.types.marks import fits_marked
from rowsmith.table.types.spelling import parse_numbers

__all__ = ["ColumnKind", "EvaluatedColumn", "EvaluationTables", "Part", "evaluation_tables"]

Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Part(enum.StrEnum):
    """Which rows: those that the model learned from, the synthetic ones, or real ones that it never saw."""

    REAL = "real"
    SYNTHETIC = "synthetic"
    HOLDOUT = "holdout"


class ColumnKind(enum.StrEnum):
    """What the values of a column are, as the real table has it."""

    NUMBER = "number"
    MOMENT = "moment"
    LABEL = "label"
    TEXT = "text"
    KEY = "key"


@frozen(eq=False, kw_only=True)
class EvaluatedColumn:
    """One column of all parts.

    Attributes:
        name: The column.
        kind: What its values are.
        labels: The distinct values of all parts, spelled.
        codes: For each part, the index of each row's label; -1 for null.
        positions: The number of each label, for date-times in seconds since 1970; NaN where a label is none, such as
            a mark among numbers. None for kinds without numbers.
        whole: Whether all real numbers are whole.
    """

    name: str
    kind: ColumnKind
    labels: tuple[str, ...]
    codes: Mapping[Part, Codes]
    positions: Floats | None = None
    whole: bool = False

    def counts(self, part: Part) -> Ints:
        """Rows of each label, in the order of ``labels``."""
        codes = self.codes[part]
        return np.bincount(codes[codes >= 0], minlength=len(self.labels)).astype(np.int64)

    def nulls(self, part: Part) -> npt.NDArray[np.bool_]:
        """Whether each row is null."""
        return self.codes[part] < 0

    def numbers(self, part: Part) -> Floats:
        """The number of each row; NaN for nulls and for labels that are no number.

        Raises:
            ValueError: The column has no numbers.
        """
        if self.positions is None:
            raise ValueError(f"column {self.name!r} holds {self.kind.value} values, which have no numbers")
        return np.append(self.positions, np.nan)[self.codes[part]]

    def take(self, rows: Mapping[Part, Ints]) -> EvaluatedColumn:
        """The column in some rows of each part."""
        return evolve(self, codes={part: codes[rows[part]] for part, codes in self.codes.items()})


@frozen(eq=False, kw_only=True)
class EvaluationTables:
    """Real, synthetic and held-out rows of one table.

    Attributes:
        columns: The columns, in the real table's order.
        sizes: Rows of each part that there is; without holdout it has no such part.
        groups: For each part, the number of each row's group from 0; empty where rows are independent.
        group_by: The columns that group rows.
        order_by: The column that orders the rows of a group; None for the order of the table.
        time_column: The column of times of a time series.
        changed: For each column, the share of training rows that protection changed, as the run reports it.
        new_labels: Columns in which the run reports invented labels for rare ones.
        k: Values and groups of fewer rows are not named in a finding.
        seed: What samples and random splits depend on.
    """

    columns: tuple[EvaluatedColumn, ...]
    sizes: Mapping[Part, int]
    groups: Mapping[Part, Ints] = field(factory=dict)
    group_by: tuple[str, ...] = ()
    order_by: str | None = None
    time_column: str | None = None
    changed: Mapping[str, float] = field(factory=dict)
    new_labels: frozenset[str] = frozenset()
    k: int = 5
    seed: int = 0

    @property
    def has_holdout(self) -> bool:
        """Whether there are real rows that the model never saw."""
        return self.sizes.get(Part.HOLDOUT, 0) > 0

    def column(self, name: str) -> EvaluatedColumn:
        """A column by its name.

        Raises:
            KeyError: There is none of that name.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def of_kind(self, *kinds: ColumnKind) -> tuple[EvaluatedColumn, ...]:
        """The columns of some kinds."""
        return tuple(column for column in self.columns if column.kind in kinds)

    def generator(self, name: str) -> np.random.Generator:
        """A random generator for one purpose; the same at every call."""
        return Seeds(self.seed).generator(f"evaluation.{name}")

    def sampled(self, most: int, name: str = "sample") -> EvaluationTables:
        """At most so many rows of each part, in their order; the table itself where it has no more.

        Rows are drawn one by one; of grouped tables whole groups are drawn, as many as fit.
        """
        if all(size <= most for size in self.sizes.values()):
            return self
        rows = {part: self._drawn(part, most, name) for part in self.sizes}
        return evolve(
            self,
            columns=tuple(column.take(rows) for column in self.columns),
            sizes={part: len(each) for part, each in rows.items()},
            groups={part: _renumbered(codes[rows[part]]) for part, codes in self.groups.items()},
        )

    def _drawn(self, part: Part, most: int, name: str) -> Ints:
        size, generator = self.sizes[part], self.generator(f"{name}.{part.value}")
        if size <= most:
            return np.arange(size)
        if part not in self.groups:
            return np.sort(generator.choice(size, most, replace=False))
        codes = self.groups[part]
        lengths = np.bincount(codes)
        order = generator.permutation(len(lengths))
        fitting = order[np.cumsum(lengths[order]) <= most]
        chosen = np.zeros(len(lengths), dtype=np.bool_)
        chosen[fitting if len(fitting) else order[:1]] = True
        return np.flatnonzero(chosen[codes])


def evaluation_tables(
    real: Table,
    synthetic: Table,
    holdout: Table | None = None,
    *,
    keys: Collection[str] = (),
    group_by: Sequence[str] = (),
    order_by: str | None = None,
    time_column: str | None = None,
    changed: Mapping[str, float] | None = None,
    new_labels: Collection[str] = (),
    identifier: str | None = None,
    k: int = 5,
    seed: int = 0,
) -> EvaluationTables:
    """Prepare tables for comparison.

    Args:
        real: The rows that the model learned from; they say what each column holds.
        synthetic: The synthetic rows.
        holdout: Real rows that the model never saw.
        keys: Columns whose values only identify rows.
        group_by: Columns that group rows.
        order_by: The column that orders the rows of a group.
        time_column: The column of times of a time series.
        changed: For each column, the share of training rows that protection changed.
        new_labels: Columns in which invented labels replace rare ones.
        identifier: A column of the synthetic table alone that numbers its series.
        k: Values and groups of fewer rows are not named in a finding.
        seed: What samples and random splits depend on.

    Raises:
        DataError: A table has no rows, or not the real table's columns.
        ParameterError: A column that is named is not in the tables.
    """
    tables = {Part.REAL: real, Part.SYNTHETIC: synthetic}
    if holdout is not None and len(holdout):
        tables[Part.HOLDOUT] = holdout
    for part, table in tables.items():
        _check(part, table, real)
    named = [*keys, *group_by, *([order_by] if order_by else []), *([time_column] if time_column else [])]
    for name in named:
        if name not in real.schema.names:
            raise ParameterError(f"the tables have no column {name!r}; they have {', '.join(real.schema.names)}")
    return EvaluationTables(
        columns=tuple(_column(name, tables, name in keys) for name in real.schema.names),
        sizes={part: len(table) for part, table in tables.items()},
        groups={
            part: combined_codes(each.columns, [identifier] if identifier and part is Part.SYNTHETIC else group_by)
            for part, each in tables.items()
            if group_by or time_column  # a time series without groups is one
        },
        group_by=tuple(group_by),
        order_by=order_by,
        time_column=time_column,
        changed=dict(changed or {}),
        new_labels=frozenset(new_labels),
        k=k,
        seed=seed,
    )


def _check(part: Part, table: Table, real: Table) -> None:
    if not len(table):
        raise DataError(f"the {part.value} table has no rows, so there is nothing to compare")
    missing = [name for name in real.schema.names if name not in table.schema.names]
    if missing:
        raise DataError(
            f"the {part.value} table lacks {len(missing)} of the real table's columns: {', '.join(missing[:10])}; "
            "both need the same columns"
        )


def _column(name: str, tables: Mapping[Part, Table], key: bool) -> EvaluatedColumn:
    schema = tables[Part.REAL].schema[name]
    kind = ColumnKind.KEY if key else _kind(schema)
    numeric = kind in (ColumnKind.NUMBER, ColumnKind.MOMENT)
    found: dict[object, int] = {}
    labels, positions, codes = list[str](), list[float](), dict[Part, Codes]()
    for part, table in tables.items():
        texts, own = distinct(table.columns, name)
        numbers = _positions(texts, table.schema[name], kind) if numeric else [float("nan")] * len(texts)
        shared = np.full(len(texts) + 1, -1, dtype=np.int32)
        for index, (text, number) in enumerate(zip(texts, numbers, strict=True)):
            # Numbers are one label however they are spelled; NaN is the only number that is not itself.
            label = number if number == number else text
            if label not in found:
                found[label] = len(labels)
                labels.append(text)
                positions.append(number)
            shared[index] = found[label]
        codes[part] = shared[own]
    line = np.array(positions, dtype=np.float64) if numeric else None
    real = codes[Part.REAL]
    known = line[np.unique(real[real >= 0])] if line is not None else np.zeros(0)
    known = known[np.isfinite(known)]
    return EvaluatedColumn(
        name=name,
        kind=kind,
        labels=tuple(labels),
        codes=codes,
        positions=line,
        whole=bool(len(known)) and kind is ColumnKind.NUMBER and bool((known == np.round(known)).all()),
    )


def _kind(schema: ColumnSchema) -> ColumnKind:
    type_ = schema.type if schema.marked is None else schema.marked.type
    if type_ in (ColumnType.INTEGER, ColumnType.DECIMAL):
        return ColumnKind.NUMBER
    if type_ is ColumnType.DATETIME:
        return ColumnKind.MOMENT
    return ColumnKind.TEXT if type_ is ColumnType.TEXT else ColumnKind.LABEL


def _positions(texts: Sequence[str], schema: ColumnSchema, kind: ColumnKind) -> list[float]:
    """The number of each text; NaN where it has none, as the column's own table reads it."""
    numbers = np.full(len(texts), np.nan)
    if _kind(schema) is not kind:
        return [_lone_number(text) for text in texts] if kind is ColumnKind.NUMBER else numbers.tolist()
    if schema.marked is not None:
        rows = np.flatnonzero(fits_marked(pa.array(texts, pa.string()), schema.marked))
        schema = schema.marked.column(schema.name)
    else:
        rows = np.arange(len(texts))
    fitting = [texts[row] for row in rows.tolist()]
    try:
        if kind is ColumnKind.NUMBER:
            numbers[rows] = parse_numbers(fitting)
        elif schema.datetime_format is not None:
            moments = parse_datetimes(fitting, schema.datetime_format).astype("datetime64[us]")
            numbers[rows] = moments.astype(np.int64) / 1e6
    except DataError:
        # Labels such as one for rare values are among them: each is read by itself.
        return [_lone_number(text) for text in texts] if kind is ColumnKind.NUMBER else numbers.tolist()
    return numbers.tolist()


def _lone_number(text: str) -> float:
    try:
        return float(parse_numbers([text])[0])
    except DataError:
        return float("nan")


def _renumbered(codes: Ints) -> Ints:
    return np.asarray(np.unique(codes, return_inverse=True)[1], dtype=np.int64)
