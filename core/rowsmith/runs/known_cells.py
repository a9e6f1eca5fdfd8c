"""Frames of which some cells are known, as the trained model completes and scores them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rowsmith.config.conversion import did_you_mean
from rowsmith.errors import DataError, ParameterError
from rowsmith.runs.arguments import with_labels
from rowsmith.runs.completing import Mask, RowCompleter, row_completer
from rowsmith.table import to_frame
from rowsmith.table.column_labels import name_of
from rowsmith.table.columns import codes_of, from_codes, single_array
from rowsmith.table.frames.respelling import spell_frame
from rowsmith.table.schema import TableSchema

if TYPE_CHECKING:
    import pandas as pd

    from rowsmith.model import Bundle
    from rowsmith.runs.stages import Run

__all__ = ["class_probabilities", "imputed", "imputed_frame", "log_probabilities"]


def _spelled_with_holes(frame: pd.DataFrame, schema: TableSchema) -> tuple[pa.Table, dict[str, Mask]]:
    """A frame in the spelling of a table, and its cells without a value, ``[rows]`` bool by column.

    Args:
        frame: Rows with some of the table's columns, at least one; the cells of the others have no value.
        schema: The table.

    Raises:
        DataError: No column is one of the table, or a value does not fit its column.
    """
    known = [name for name in schema.names if name in {name_of(label) for label in frame.columns}]
    if not known or not len(frame):
        raise DataError(f"the rows have none of the columns {list(schema.names)}, or there are none; give at least one")
    part = TableSchema(columns=tuple(schema[name] for name in known), labels=None)
    spelled = spell_frame(frame, part)
    blank = from_codes([], np.full(len(frame), -1))
    arrays = [single_array(spelled.column(name)) if name in known else blank for name in schema.names]
    holes = {name: codes_of(array) < 0 for name, array in zip(schema.names, arrays, strict=True)}
    return pa.Table.from_arrays(arrays, names=list(schema.names)), holes


def _report_replaced(run: Run, completer: RowCompleter, columns: pa.Table, holes: dict[str, Mask]) -> None:
    """Report the cells whose label the model was not trained on."""
    for name, rows in completer.replaced(columns, holes).items():
        run.reporter.note(
            f"column {name!r}: {rows:,} of {columns.num_rows:,} rows have a label that the model does not have (too "
            "few training rows had it); it is given another one in these rows"
        )


def _unknown(holes: dict[str, Mask], schema: TableSchema, filled: Collection[str]) -> dict[str, Mask]:
    """The cells that the model does not get: those to fill, and nulls of columns that have none in the table."""
    return {name: hole for name, hole in holes.items() if name in filled or not schema[name].nullable}


def imputed(run: Run, bundle: Bundle, frame: pd.DataFrame, names: Collection[str] | None) -> pa.Table:
    """Rows with their missing cells filled, as a spelled table of the model's table schema.

    Args:
        run: The run.
        bundle: The trained model.
        frame: Rows with some or all of the table's columns.
        names: The columns to fill; None for all. Null in the others counts as a value where the table has nulls.

    Raises:
        DataError: A value does not fit its column, or the model writes no row with the known cells.
        ParameterError: A column is none of the table, or the backend cannot complete rows.
    """
    schema = bundle.table_schema
    for name in names or ():
        if name not in schema.names:
            raise ParameterError(f"there is no column {name!r}{did_you_mean(name, schema.names)}; name columns to fill")
    columns, holes = _spelled_with_holes(frame, schema)
    filled = schema.names if names is None else names
    with row_completer(run, bundle) as completer:
        _report_replaced(run, completer, columns, holes)
        complete = completer.complete(columns, _unknown(holes, schema, filled))
    chosen = [single_array((complete if name in filled else columns).column(name)) for name in schema.names]
    return pa.Table.from_arrays(chosen, names=list(schema.names))


def imputed_frame(run: Run, bundle: Bundle, frame: pd.DataFrame, names: Collection[str] | None) -> pd.DataFrame:
    """The same as a frame in the dtypes of the table, indexed like the rows that were given."""
    table = imputed(run, bundle, frame, names)
    result = with_labels(to_frame(table, bundle.table_schema), bundle)
    result.index = frame.index
    return result


def log_probabilities(run: Run, bundle: Bundle, frame: pd.DataFrame) -> pd.Series:
    """The natural logarithm of the probability of the known cells of each row, indexed like the frame.

    Args:
        run: The run.
        bundle: The trained model.
        frame: Rows with some or all of the table's columns; null counts as a value where the table has nulls.
    """
    import pandas as pd

    schema = bundle.table_schema
    columns, holes = _spelled_with_holes(frame, schema)
    absent = set(schema.names) - {name_of(label) for label in frame.columns}
    with row_completer(run, bundle) as completer:
        _report_replaced(run, completer, columns, holes)
        found = completer.log_probs(columns, _unknown(holes, schema, absent))
    return pd.Series(found, index=frame.index, name="log_prob")


def class_probabilities(run: Run, bundle: Bundle, frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """The probability of each value of a column in each row, given the other cells.

    Args:
        run: The run.
        bundle: The trained model.
        frame: Rows with the other columns.
        column: The column.

    Returns:
        A column for each value, as text, and a row for each of the frame.
    """
    import pandas as pd

    if column not in bundle.table_schema.names:
        hint = did_you_mean(column, bundle.table_schema.names)
        raise ParameterError(f"there is no column {column!r}{hint}; name a column of categories")
    rest = frame.loc[:, [name_of(label) != column for label in frame.columns]]
    schema = bundle.table_schema
    columns, holes = _spelled_with_holes(rest, schema)
    absent = set(schema.names) - {name_of(label) for label in rest.columns}
    with row_completer(run, bundle) as completer:
        _report_replaced(run, completer, columns, holes)
        values, log_probs = completer.class_log_probs(columns, column, _unknown(holes, schema, absent))
    return pd.DataFrame(np.exp(log_probs), index=frame.index, columns=list(values))
