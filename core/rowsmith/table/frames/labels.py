"""Column labels of DataFrames that are not text: names of such columns, and restoring of labels.

Inside Rowsmith a column has a name, which is text. A label of another kind, such as ``0``, a ``Timestamp`` or the
tuple of a column with several levels, is named by its text; the schema holds the label itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rowsmith.errors import DataError
from rowsmith.table.column_labels import ColumnLabel, ColumnLabels, LabelPart, name_of
from rowsmith.table.frames.objects import NULLS, element_reader, encode_objects
from rowsmith.table.read_options import ReadOptions
from rowsmith.table.schema import Storage, TableSchema

__all__ = ["column_labels", "labelled", "names_of"]

_RANGE = "range"


def names_of(index: pd.Index) -> list[str]:
    """The names of a frame's columns.

    Raises:
        DataError: Two different labels have one name.
    """
    labels = index.tolist()
    names = [name_of(label) for label in labels]
    first: dict[str, int] = {}
    for position, name in enumerate(names):
        before = first.setdefault(name, position)
        if before != position and type(labels[before]) is not type(labels[position]):
            raise DataError(
                f"the labels of columns {before + 1} and {position + 1}, {labels[before]!r} and {labels[position]!r}, "
                "are the same as text; rename one"
            )
    return names


def column_labels(index: pd.Index) -> ColumnLabels | None:
    """Save the labels of a frame's columns for ``labelled``; None for text labels of an unnamed index.

    Raises:
        DataError: A label is of an unsupported kind.
    """
    labels = index.tolist()
    levels = isinstance(index, pd.MultiIndex)
    plain = not levels and all(type(label) is str for label in labels) and index.name is None
    if plain and index.dtype == pd.Index(labels).dtype:
        return None
    categories = index.categories if isinstance(index, pd.CategoricalIndex) else None
    return ColumnLabels(
        labels=tuple(_saved_label(label, position) for position, label in enumerate(labels, start=1)),
        names=tuple(_saved_label(name, 0) for name in index.names),
        levels=levels,
        dtype=_RANGE if isinstance(index, pd.RangeIndex) else "" if levels else str(index.dtype),
        categories=None if categories is None else tuple(_saved_label(each, 0) for each in categories.tolist()),
        ordered=bool(isinstance(index, pd.CategoricalIndex) and index.ordered),
    )


def labelled(frame: pd.DataFrame, schema: TableSchema) -> pd.DataFrame:
    """A frame whose columns have their names, with the labels of the user's frame instead.

    Args:
        frame: All columns of the table, in order; it is not changed.
        schema: The table's schema.
    """
    return frame if schema.labels is None else frame.set_axis(_index(schema.labels), axis=1)


def _index(saved: ColumnLabels) -> pd.Index:
    labels, names = [_label(each) for each in saved.labels], [_label(each) for each in saved.names]
    if saved.levels:
        return pd.MultiIndex.from_tuples(labels, names=names)
    if saved.dtype == _RANGE:
        step = labels[1] - labels[0] if len(labels) > 1 else 1
        return pd.RangeIndex(labels[0], labels[-1] + step, step, name=names[0])
    if saved.categories is not None:
        categories = [_label(each) for each in saved.categories]
        return pd.CategoricalIndex(labels, categories=categories, ordered=saved.ordered, name=names[0])
    return pd.Index(labels, dtype=saved.dtype, name=names[0], tupleize_cols=False)


def _saved_label(label: Any, column: int) -> ColumnLabel:
    parts = label if isinstance(label, tuple) else (label,)
    return ColumnLabel(parts=tuple(_part(each, column) for each in parts), scalar=not isinstance(label, tuple))


def _part(value: Any, column: int) -> LabelPart:
    cell = np.empty(1, dtype=object)
    cell[0] = value
    try:
        encoded = encode_objects("labels", pd.Series(cell, dtype=object), ReadOptions())
    except DataError as error:
        where = f"the label of column {column}" if column else "a name or category of the column labels"
        raise DataError(f"{where} is {value!r}, which is not supported ({error}); rename it") from error
    storage = encoded.storage
    (text,) = encoded.array.to_pylist()
    return LabelPart(text=text, element=storage.element, null=storage.null, zone=storage.zone, unit=storage.unit)


def _label(saved: ColumnLabel) -> Any:
    values = [_value(part) for part in saved.parts]
    return values[0] if saved.scalar else tuple(values)


def _value(part: LabelPart) -> Any:
    if part.text is None:
        return NULLS[part.null]
    return element_reader(Storage(element=part.element, zone=part.zone, unit=part.unit))(part.text)
