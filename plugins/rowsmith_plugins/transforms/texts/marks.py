"""The ``marks`` transform: numbers or date-times with a few texts among them are split into values and labels.

The schema holds the main type of such a column (see ``rowsmith.table.types.marks``). ``<column>`` becomes
a column of those values alone, null for a mark; ``<column>.mark`` is the mark, or
``value``. A mark of fewer than k rows is a rare value: it is replaced by a value of another row. Numbers of another
style are rewritten in the column's style.

Words for a missing value, such as ``NA``, follow the same rule, but those of fewer than k rows are encoded as null:
they reveal only that a value is missing. If all other texts are one mark, or null and rare words for it, null encodes
them, and there is no second column.

Inversion: null becomes null or one of the words that it encodes, by their frequency; a value that is missing
beside the label ``value`` becomes a mark, or null, by their frequency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cattrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import asdict, evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import compact, from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType, Marked, TableSchema
from rowsmith.table.types.encoded import spelled_unique
from rowsmith.table.types.marks import fits_marked, is_null_word, respelled
from rowsmith.transforms import Transform, schema_from_state
from rowsmith_plugins.transforms.common.counting import Counted, count_shared, count_values, row_groups
from rowsmith_plugins.transforms.common.layout import grouping, unique_name
from rowsmith_plugins.transforms.options import MarksOptions
from rowsmith_plugins.transforms.rare.coarse_means import coarse_mean, coarse_mean_datetime
from rowsmith_plugins.transforms.texts.split_columns import FittedSplit

__all__ = ["FittedMarks", "MarkedColumn", "MarksTransform", "build"]

_VALUE = "value"
_NULL, _RARE = -1, -2

Codes = npt.NDArray[np.int64]


@frozen(kw_only=True)
class MarkedColumn:
    """The fitted encoding of one column.

    Attributes:
        name: The column.
        marked: The main type of its values.
        labels: Column name of the labels; None if null encodes all marks.
        value: The label of values that are not marks.
        marks: The marks that have labels of their own.
        rows: The rows of each.
        nulls: What null encodes: None for null itself, and words.
        null_rows: The rows of each.
        middle: The mean, used if a table has no other value to draw.
    """

    name: str
    marked: Marked
    labels: str | None
    value: str
    marks: tuple[str, ...]
    rows: tuple[int, ...]
    nulls: tuple[str | None, ...]
    null_rows: tuple[int, ...]
    middle: str

    def columns_after(self, column: ColumnSchema) -> tuple[ColumnSchema, ...]:
        """The column of values, after that of labels, if there is one."""
        nullable = bool(self.nulls)
        values = self.marked.column(self.name, nullable=nullable or self.labels is not None)
        if self.labels is None:
            return (values,)
        return (ColumnSchema(name=self.labels, type=ColumnType.CATEGORICAL, nullable=nullable), values)

    def split(self, counted: Counted, seed: int) -> dict[str, pa.DictionaryArray]:
        """The column as labels and values."""
        texts, kinds = self._kinds(counted.values)
        row_kinds = np.append(kinds, _NULL)[counted.codes]
        codes = np.append(np.arange(len(kinds)), -1)[counted.codes]
        rare = np.flatnonzero(row_kinds == _RARE)
        if rare.size:
            others = codes[row_kinds == 0]
            if not others.size:
                texts, others = [*texts, self.middle], np.array([len(texts)])
            drawn = Draws(seed, rare).uniform(f"marks.{self.name}") * len(others)
            codes[rare] = others[drawn.astype(np.int64)]
            row_kinds[rare] = 0
        values = compact(spelled_unique(texts, np.where(row_kinds == 0, codes, -1).astype(np.int32)))
        if self.labels is None:
            return {self.name: values}
        labels = np.where(row_kinds == _NULL, -1, row_kinds)
        return {self.labels: from_codes((self.value, *self.marks), labels), self.name: values}

    def join(self, columns: Mapping[str, Counted], nullable: bool, draws: Draws) -> pa.DictionaryArray:
        """Labels and values as one column."""
        values = columns[self.name]
        held = values.codes >= 0
        if self.labels is None:
            kinds = np.where(held, 0, _NULL)
        else:
            labels = columns[self.labels]
            label_codes = {label: index for index, label in enumerate((self.value, *self.marks))}
            kinds = np.array([*(label_codes.get(label, 0) for label in labels.values), _NULL])[labels.codes]
            kinds = np.where((kinds == 0) & ~held, self._drawn(draws), kinds)
        if not self.nulls:
            # Null encodes nothing here, so only values and marks are possible.
            kinds = np.where(kinds == _NULL, np.where(held, 0, self._drawn(draws)), kinds)
        texts: list[str] = [
            *self.marks,
            *(word for word in self.nulls if word is not None),
            self.middle,
            *values.values,
        ]
        start = len(texts) - len(values.values)
        codes = np.where(held, start + values.codes, start - 1)
        codes = np.where(kinds > 0, kinds - 1, codes)
        codes = np.where(kinds == _NULL, self._null_codes(draws), codes)
        return compact(spelled_unique(texts, codes.astype(np.int32)))

    def describe(self) -> str:
        """Describe what it holds of the training data."""
        words = [*self.marks, *(word for word in self.nulls if word is not None)]
        marks = f"the marks {', '.join(map(repr, words))}, how often each occurs, and " if words else ""
        return f"{marks}the mean"

    def changed(self, values: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Mask of texts that are not restored exactly."""
        texts, kinds = self._kinds(values)
        return np.array(
            [
                kind == _RARE or (kind == 0 and text != value)
                for text, kind, value in zip(texts, kinds, values, strict=True)
            ]
        )

    def _kinds(self, values: Sequence[str]) -> tuple[list[str], Codes]:
        """Each text in the style of the column, and its kind: 0 for a value, the number of a mark, null or rare."""
        texts = list(values)
        kinds = np.zeros(len(texts), dtype=np.int64)
        odd = np.flatnonzero(~fits_marked(pa.array(texts, pa.string()), self.marked)).tolist()
        marks = {mark: index for index, mark in enumerate(self.marks, 1)}
        read = respelled([texts[index] for index in odd], self.marked)
        for index, number in zip(odd, read, strict=True):
            text = texts[index]
            if text in marks:
                kinds[index] = marks[text]
            elif text in self.nulls:
                kinds[index] = _NULL
            elif number is None:
                kinds[index] = _RARE
            else:
                texts[index] = number
        return texts, kinds

    def _drawn(self, draws: Draws) -> Codes:
        """Draw the number of a mark from 1, or null, for each row by frequency; 0 if there is neither."""
        weights = [*self.rows, sum(self.null_rows)]
        if not sum(weights):
            return np.zeros(len(draws), dtype=np.int64)
        kinds = np.array([*range(1, len(self.marks) + 1), _NULL])
        chosen: Codes = kinds[_chosen(weights, draws, f"marks.{self.name}.repair")]
        return chosen

    def _null_codes(self, draws: Draws) -> Codes:
        """Draw the code of the word for null in each row; -1 for null itself."""
        words = [word for word in self.nulls if word is not None]
        codes = [-1 if word is None else len(self.marks) + words.index(word) for word in self.nulls]
        if not codes:
            return np.full(len(draws), -1)
        return np.array(codes)[_chosen(self.null_rows, draws, f"marks.{self.name}.null")]


@frozen
class FittedMarks(FittedSplit[MarkedColumn]):
    """The fitted ``marks`` transform."""

    def state(self) -> dict[str, Any]:
        """The schema, the seed and the marks."""
        # The main type is in the schema.
        columns = [asdict(each, filter=lambda attribute, _: attribute.name != "marked") for each in self.columns]
        return {**super().state(), "columns": columns}

    def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Mapping[str, float]:
        """Share of rows with another value after inversion: rare ones, and numbers of another style."""
        shares = {}
        for each in self.columns:
            counted = count_values(columns, each.name)
            shares[each.name] = float(counted.counts[each.changed(counted.values)].sum() / max(1, columns.num_rows))
        return shares


@frozen
class MarksTransform(Transform):
    """Finds the marks of columns whose schema says that they have some.

    Attributes:
        options: Which columns, and which marks are rare.
        seed: Seed of the draws for rare values, at least 0.
        groups: The columns by which the run groups its rows.
    """

    options: MarksOptions = field(factory=MarksOptions)
    seed: int = 0
    groups: tuple[str, ...] = ()

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedMarks:
        """Select the marks of each column."""
        taken, found = set(schema.names), []
        groups = row_groups(columns, schema, self.groups)
        for column in schema:
            if column.marked is not None and column.name not in self.options.exclude:
                counted = count_shared(columns, column.name, groups)
                fitted = _fitted(column.name, column.marked, counted, self.options.k, taken)
                found += [] if fitted is None else [fitted]
        return FittedMarks(schema, self.seed, tuple(found))

    def narrowed(self, columns: pa.Table, schema: TableSchema) -> TableSchema:
        """The table without marks that too few groups have."""
        groups = row_groups(columns, schema, self.groups)
        return evolve(schema, columns=tuple(self._narrowed(columns, column, groups) for column in schema))

    def _narrowed(self, columns: pa.Table, column: ColumnSchema, groups: Codes | None) -> ColumnSchema:
        if column.marked is None or column.name in self.options.exclude:
            return column
        counted = count_shared(columns, column.name, groups)
        shared = {
            text for text, enough in zip(counted.values, counted.shared(self.options.k).tolist(), strict=True) if enough
        }
        marks = tuple(mark for mark in column.marked.marks if mark in shared or is_null_word(mark))
        return evolve(column, marked=evolve(column.marked, marks=marks))

    def restore(self, state: Mapping[str, Any]) -> FittedMarks:
        """Restore the fitted transform from its state."""
        schema = schema_from_state(state["schema"])
        columns = [
            cattrs.structure({**each, "marked": cattrs.unstructure(schema[each["name"]].marked)}, MarkedColumn)
            for each in state["columns"]
        ]
        return FittedMarks(schema, int(state["seed"]), tuple(columns))


def build(context: BuildContext, options: MarksOptions | None) -> MarksTransform:
    """Build the transform from its options and the run's seed; columns that group and order rows are excluded."""
    options = options or MarksOptions()
    options = evolve(options, exclude=(*options.exclude, *grouping(context)))
    return MarksTransform(options, context.seeds.integer("transforms.marks"), context.config.data.group_columns)


def _fitted(name: str, marked: Marked, counted: Counted, k: int, taken: set[str]) -> MarkedColumn | None:
    """Fit a column; None if its values themselves are rare."""
    fits = fits_marked(pa.array(counted.values, pa.string()), marked)
    if counted.counts[fits].sum() < k:
        return None
    odd = [(counted.values[index], int(counted.counts[index])) for index in np.flatnonzero(~fits).tolist()]
    read = respelled([text for text, _ in odd], marked)
    rows = {text: count for (text, count), number in zip(odd, read, strict=True) if number is None}
    shared = {text for text, enough in zip(counted.values, counted.shared(k).tolist(), strict=True) if enough}
    marks = sorted((text for text in rows if text in shared), key=lambda text: (-rows[text], text))
    nulls: list[str | None] = [text for text in sorted(rows) if text not in shared and is_null_word(text)]
    null_rows = [rows[text] for text in nulls if text is not None]
    missing = len(counted.codes) - counted.rows
    if missing:
        nulls, null_rows = [None, *nulls], [missing, *null_rows]
    if len(marks) == 1 and not nulls:
        marks, nulls, null_rows = [], [marks[0]], [rows[marks[0]]]
    value = unique_name(_VALUE, set(marks))
    return MarkedColumn(
        name=name,
        marked=marked,
        labels=unique_name(f"{name}.mark", taken) if marks else None,
        value=value,
        marks=tuple(marks),
        rows=tuple(rows[text] for text in marks),
        nulls=tuple(nulls),
        null_rows=tuple(null_rows),
        middle=_mean(counted, fits, marked, k),
    )


def _mean(counted: Counted, fits: npt.NDArray[np.bool_], marked: Marked, k: int) -> str:
    """The mean of the values."""
    indices = np.flatnonzero(fits)
    values = Counted([counted.values[index] for index in indices.tolist()], counted.codes, counted.counts[indices])
    if marked.type is ColumnType.DATETIME:
        return coarse_mean_datetime(marked.datetime_format or "", values, k)
    return coarse_mean(marked.column(""), values, k)


def _chosen(weights: Sequence[int], draws: Draws, label: str) -> Codes:
    bounds = np.cumsum(weights)
    found: Codes = np.searchsorted(bounds, draws.uniform(label) * bounds[-1], side="right").clip(0, len(bounds) - 1)
    return found
