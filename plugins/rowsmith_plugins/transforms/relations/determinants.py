"""Labels that follow from one or several columns of a row, and by which the values of another column are listed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen

from rowsmith.errors import DataError
from rowsmith.expressions.statements import Feature, label_text
from rowsmith.table.columns import Codes, codes_of, combine_codes, compact
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.types.datetimes import parse_datetimes
from rowsmith.table.types.encoded import spelled_unique
from rowsmith.table.types.spelling import parse_numbers
from rowsmith_plugins.transforms.common.counting import nearest

__all__ = ["Determinant", "is_ordered", "numbers_of", "prefixes_of"]

Columns = Mapping[str, pa.DictionaryArray]

_DIGITS = 9
"""Differences of numbers are rounded to so many digits, so that 0.3 - 0.1 - 0.2 counts as 0."""
_SIGNS = ("negative", "zero", "positive")
_NULLS = ("present", "missing")


@frozen
class Determinant:
    """Columns of a row and the feature of them that is its label.

    Attributes:
        columns: ``value``: one or several columns, whose values together are the label. ``sign``: a column of numbers,
            or two columns of numbers or of date-times, of which the first minus the second counts. ``null``: one
            column. ``prefix``: one column.
        feature: Which feature.
        length: How many characters a prefix has.
    """

    columns: tuple[str, ...]
    feature: Feature = "value"
    length: int = 0

    def labels(self, columns: Columns, schema: TableSchema) -> tuple[list[str], Codes]:
        """The labels of some rows.

        Args:
            columns: The spelled columns.
            schema: Their schema.

        Returns:
            The distinct labels, and for each row the index of its label; -1 if it is null.
        """
        arrays = [compact(columns[name]) for name in self.columns]
        if self.feature == "null":
            return list(_NULLS), (codes_of(arrays[0]) < 0).astype(np.int32)
        if self.feature == "sign":
            return list(_SIGNS), self._signs(arrays, schema)
        if self.feature == "prefix":
            return prefixes_of(arrays[0].dictionary.to_pylist(), codes_of(arrays[0]), self.length)
        if len(arrays) == 1:
            return arrays[0].dictionary.to_pylist(), codes_of(arrays[0])
        return _combinations(arrays)

    def positions(
        self, columns: Columns, schema: TableSchema, known: pa.StringArray, closest: bool
    ) -> npt.NDArray[np.int64]:
        """For each row, the index of its label among some known ones, or -1.

        Args:
            columns: The spelled columns.
            schema: Their schema.
            known: The known labels, each once; null is a label, too.
            closest: Whether a number or a date-time that is not known has the index of the nearest one that is.
        """
        labels, codes = self.labels(columns, schema)
        found = pc.index_in(pa.array([*labels, None], pa.string()), value_set=known).fill_null(-1)
        indices = np.asarray(found, dtype=np.int64)
        if closest and self.is_ordered(schema) and (indices[:-1] < 0).any():
            indices[:-1] = self._nearest(labels, indices[:-1], schema[self.columns[0]], known)
        return indices[codes]

    def is_ordered(self, schema: TableSchema) -> bool:
        """Whether labels are numbers or date-times."""
        return self.feature == "value" and len(self.columns) == 1 and is_ordered(schema[self.columns[0]])

    def describe(self) -> str:
        """The notation of the label."""
        return label_text(self.columns, self.feature, self.length)

    def _signs(self, arrays: list[pa.DictionaryArray], schema: TableSchema) -> Codes:
        first, *others = (_row_numbers(array, schema[name]) for array, name in zip(arrays, self.columns, strict=True))
        difference = np.round(first - others[0] if others else first, _DIGITS)
        missing = np.isnan(difference)
        return np.where(missing, -1, np.sign(np.where(missing, 0, difference)) + 1).astype(np.int32)

    @staticmethod
    def _nearest(
        labels: list[str], indices: npt.NDArray[np.int64], column: ColumnSchema, known: pa.StringArray
    ) -> npt.NDArray[np.int64]:
        numbers = numbers_of(known, column)
        order = np.argsort(numbers, kind="stable")
        order = order[~np.isnan(numbers[order])]
        if not order.size:
            return indices
        closest = order[nearest(numbers_of(pa.array(labels, pa.string()), column), numbers[order])]
        return np.where(indices < 0, closest, indices)


def prefixes_of(values: Sequence[str], codes: Codes, length: int) -> tuple[list[str], Codes]:
    """The first characters of each row's value.

    Args:
        values: The distinct values.
        codes: The index of each row's value; -1 for null.
        length: How many characters.

    Returns:
        The distinct prefixes, and the index of each row's; -1 for null.
    """
    array = spelled_unique([value[:length] for value in values], np.arange(len(values), dtype=np.int32))
    return array.dictionary.to_pylist(), np.append(codes_of(array), -1)[codes].astype(np.int32)


def is_ordered(column: ColumnSchema) -> bool:
    """Whether the values of a column are numbers or date-times."""
    return column.type in (ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.DATETIME)


def numbers_of(values: pa.StringArray, column: ColumnSchema) -> npt.NDArray[np.float64]:
    """Spelled numbers, or spelled date-times as seconds since 1970; NaN for null."""
    if column.type is not ColumnType.DATETIME:
        return parse_numbers(values)
    if column.datetime_format is None:
        raise DataError(f"column {column.name!r}: a date-time without a format")
    moments = parse_datetimes(values, column.datetime_format)
    seconds = moments.astype("datetime64[us]").astype(np.int64) / 1e6
    return np.where(np.isnat(moments), np.nan, seconds)


def _row_numbers(array: pa.DictionaryArray, column: ColumnSchema) -> npt.NDArray[np.float64]:
    return np.append(numbers_of(array.dictionary, column), np.nan)[codes_of(array)]


def _combinations(arrays: list[pa.DictionaryArray]) -> tuple[list[str], Codes]:
    """The combinations of values, as JSON lists."""
    codes = [codes_of(array) for array in arrays]
    combined = combine_codes(codes, len(arrays[0]))
    _, rows = np.unique(combined, return_index=True)
    pairs = zip(arrays, codes, strict=True)
    values = [array.dictionary.take(pa.array(each[rows], mask=each[rows] < 0)) for array, each in pairs]
    texts = [json.dumps(each, ensure_ascii=False) for each in zip(*(each.to_pylist() for each in values), strict=True)]
    return texts, combined.astype(np.int32)
