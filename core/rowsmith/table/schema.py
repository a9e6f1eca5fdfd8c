"""Schemas of tables: columns, their types and the spelling of their values.

Inside Rowsmith a table is a *spelled table*: a ``pyarrow.Table`` whose columns are single-chunk
dictionary arrays (``int32`` codes, ``string`` values), nulls being null codes. The dictionary holds
each distinct value once, as the exact text of the column; so a CSV is written in its own
spelling, and work on values costs O(distinct), not O(rows).

A model has two schemas. ``TableSchema`` describes the user's table: output, constraints and transforms use it.
``ModelSchema`` describes the columns after all transforms: vocabulary, dialect, grammar and validator use it. They
are different types, so that a type checker finds mix-ups.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

from attrs import field, frozen

from rowsmith.table.column_labels import ColumnLabels
from rowsmith.table.datetime_formats import DIGIT_DATES, EPOCHS
from rowsmith.table.model_schema import JsonKind, ModelColumn, ModelSchema
from rowsmith.table.timing import Timing, TimingRole

__all__ = [
    "ColumnSchema",
    "ColumnType",
    "JsonKind",
    "Layout",
    "Marked",
    "ModelColumn",
    "ModelSchema",
    "Role",
    "RowIndex",
    "Source",
    "Storage",
    "TableSchema",
    "Timing",
    "TimingRole",
    "check_columns",
]

_MOST_DIGITS = 200_000


class ColumnType(enum.StrEnum):
    """The logical type of a column's values."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"
    TEXT = "text"
    DATETIME = "datetime"
    NULL = "null"


class Role(enum.StrEnum):
    """Role of a column; only values are modelled."""

    VALUE = "value"
    KEY = "key"
    CONSTANT = "constant"


class Source(enum.StrEnum):
    """Container of a column, on input and output."""

    CSV = "csv"
    JSON = "json"
    PANDAS = "pandas"


@frozen(kw_only=True)
class Storage:
    """Representation of a column's values in the user's table.

    Attributes:
        source: The kind of container.
        dtype: The pandas dtype in words, such as ``Int64`` or ``datetime64[us, UTC]``; empty for
            text sources. For categories, ``category``; for pandas strings, ``str[storage, null]``;
            for Arrow types, ``type[pyarrow]``.
        categories: Spelled categories of a pandas categorical, in order; None for other dtypes, and for
            categories that are not a fixed set, which follow from the values.
        categories_dtype: The dtype of those categories.
        ordered: Whether the categories are ordered.
        element: For ``object`` columns, the Python type of the elements (``str``, ``bool``,
            ``int``, ``float``, ``decimal``, ``date``, ``datetime``, ``timestamp``, ``time``,
            ``timedelta``, ``Timedelta``, ``period``, ``uuid``); for JSON sources ``string``,
            ``number`` or ``boolean``; empty otherwise.
        null: For ``object`` columns, the null to write: ``None``, ``NaN``, ``NA`` or ``NaT``.
        zone: For ``object`` columns of date-times or times of day with a time zone, that zone.
        unit: For durations and times of day, the unit that their numbers count (``D``, ``h``, ``m``,
            ``s``, ``ms``, ``us`` or ``ns``); for ``object`` columns of periods, their frequency.
        delimiter: For CSV sources, the field delimiter.
        null_marks: Texts that were read as null, and rows of each; None is a blank field or a null of the
            container itself. Empty if only those were read as null.
        parquet: For columns of a Parquet file, the dtype that pandas noted in it, so that pandas reads the same from
            a file that is written; empty if it noted none, None for columns of other sources.
    """

    source: Source = Source.CSV
    dtype: str = ""
    categories: tuple[str, ...] | None = None
    categories_dtype: str = ""
    ordered: bool = False
    element: str = ""
    null: str = "None"
    zone: str = ""
    unit: str = ""
    delimiter: str = ","
    null_marks: tuple[tuple[str | None, int], ...] = ()
    parquet: str | None = None


@frozen(kw_only=True)
class Marked:
    """Main type of a column of texts with a few marks: numbers with ``NA`` or ``<5`` among them.

    Attributes:
        type: The type of most values: integer, decimal or datetime.
        marks: Other texts with a meaning, the most frequent first: those that enough rows have, and words for a
            missing value. All others count as typing errors.
        scale: As for a column of that type.
        max_scale: As for a column of that type.
        whole_point: As for a column of that type.
        datetime_format: As for a column of that type.
    """

    type: ColumnType
    marks: tuple[str, ...] = ()
    scale: int | None = None
    max_scale: int | None = None
    whole_point: bool = True
    datetime_format: str | None = None

    def column(self, name: str, *, nullable: bool = True) -> ColumnSchema:
        """The schema of a column of those values alone."""
        return ColumnSchema(
            name=name,
            type=self.type,
            nullable=nullable,
            scale=self.scale,
            max_scale=self.max_scale,
            whole_point=self.whole_point,
            datetime_format=self.datetime_format,
        )


@frozen(kw_only=True)
class ColumnSchema:
    """A column of a table schema.

    Attributes:
        name: The column's name as the user wrote it.
        type: The logical type of its values.
        nullable: Whether the training table had nulls in it.
        role: Whether it is modelled, regenerated (keys) or repeated (constants).
        scale: Decimals only: digits after the point if every value has that many; None means the
            shortest text that reads back as the same double.
        max_scale: Decimals only, without ``scale``: the most digits after the point of any value;
            None if a value has a negative exponent.
        whole_point: Decimals only, without ``scale``: whether whole numbers have a point (``1.0``).
        datetime_format: Datetimes only: ``strftime`` format of the spelling. Beyond ``strftime``,
            ``%3f`` and ``%9f`` are fractions of 3 and 9 digits, ``%-m``, ``%-d``, ``%-H`` and
            ``%-I`` have no leading zero, ``%s`` and ``%Q`` are seconds and milliseconds since 1970, and
            a zone is literal text such as ``Z``.
        spellings: Booleans only: the text of false and of true.
        storage: Representation in the user's table.
        timing: Position or change that it encodes; None for ordinary columns.
        ascending: Labels of numbers, in numeric order; none if values are numbers themselves.
        marked: Labels and text only: the main type of values; None for plain text.
    """

    name: str
    type: ColumnType
    nullable: bool = False
    role: Role = Role.VALUE
    scale: int | None = None
    max_scale: int | None = None
    whole_point: bool = True
    datetime_format: str | None = None
    spellings: tuple[str, str] | None = None
    storage: Storage = field(factory=Storage)
    timing: Timing | None = None
    ascending: tuple[str, ...] = ()
    marked: Marked | None = None

    @property
    def whole_dates(self) -> bool:
        """Whether its values are date-times that are written as whole numbers, such as 20240131."""
        return self.type is ColumnType.DATETIME and self.datetime_format in (*DIGIT_DATES, *EPOCHS)

    @property
    def json_kind(self) -> JsonKind:
        """Its JSON kind in the record dialect."""
        if self.type in (ColumnType.INTEGER, ColumnType.DECIMAL):
            return JsonKind.NUMBER
        if self.type is ColumnType.BOOLEAN:
            return JsonKind.BOOLEAN
        return JsonKind.STRING


@frozen(kw_only=True)
class RowIndex:
    """A first column of delimited text that has no name and only counts the rows.

    Attributes:
        start: The number of the first row.
    """

    start: int


@frozen(kw_only=True)
class Layout:
    """Header and row index of delimited text.

    Attributes:
        header: Whether a first record names the columns.
        index: The row index; None without one.
    """

    header: bool = True
    index: RowIndex | None = None


@frozen(kw_only=True)
class TableSchema:
    """The columns of a table as its user sees it (or between two transforms), in order.

    Attributes:
        columns: The columns.
        labels: The labels of the user's frame; None if they are the columns' names.
        layout: Header and row index of the source text, also written on output.
    """

    columns: tuple[ColumnSchema, ...]
    labels: ColumnLabels | None = None
    layout: Layout = field(factory=Layout)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> ColumnSchema:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def __iter__(self) -> Iterator[ColumnSchema]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def check_columns(schema: TableSchema) -> None:
    """Refuse absurd numbers of digits, which would be written for every value.

    Args:
        schema: A schema that was saved.

    Raises:
        ValueError: Names the column.
    """
    for column in schema:
        scales = [column.scale, column.max_scale]
        if column.marked is not None:
            scales += [column.marked.scale, column.marked.max_scale]
        if any(scale is not None and not 0 <= scale <= _MOST_DIGITS for scale in scales):
            raise ValueError(f"column {column.name!r:.100} has an impossible number of digits")
