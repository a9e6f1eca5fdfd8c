"""A commented starting configuration for a table."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsmith.cli.display.wording import percent, shortened
from rowsmith.config.sections import COLUMN_TYPES
from rowsmith.config.yaml_file import dump
from rowsmith.errors import RunDirectoryError
from rowsmith.runs.result_files import beside
from rowsmith.table.columns import distinct
from rowsmith.table.schema import ColumnType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowsmith.table import Table
    from rowsmith.table.columns import Codes
    from rowsmith.table.read_options import ReadOptions
    from rowsmith.table.schema import ColumnSchema

__all__ = ["starting_config", "write_text"]

_MOST_COLUMNS = 200
_MOST_MARKS = 4
_KEY_NAME = re.compile(r"(^|[^A-Za-z])(id|ID|Id|key|Key)$|[a-z](Id|ID|Key)$")

_TEXT = """\
# {rows} rows and {columns} columns. Every setting below may be left out; these are the defaults.
# Check the file with: rowsmith validate FILE

data:
  source: {source}
  encoding: {encoding:<12} # of text files, as Python names it; rows are written as UTF-8
  header: true           # whether the first line of a CSV file names the columns
  skip_rows: {skip_rows:<11} # lines before the table
  null_values: {null_values:<9} # texts that mean null beside blank fields; written back as found
  drop: []               # columns to leave out
  holdout: 0.05          # rows never trained on: a share, a number of rows, or a file
  max_holdout: 2000      # the most rows that a share may hold out
  group_training_examples_by: null   # the column whose equal values make rows a group{group}
  order_training_examples_by: null   # the column that orders the rows of a group{order}
  # What was found in the table:
{profile}
  # To read a column otherwise, name it here, as in  types: {{zip: categorical}}
  # ({types})
  types: {{}}

transforms: auto         # reversible steps: keys, marks, constant, codes, protect-rare, texts, datetime, quantize

model: scratch           # a small language model, trained on this table alone

training:
  max_time: 120s         # from the first optimizer step to the last
  validation_ratio: 0.02 # rows for early stopping

backend: transformers    # what runs the model; see: rowsmith plugins list

stopping: patience       # when to give up before the target

generation:
  num_records: {target}
  temperature: 1.0       # below 1 the likelier rows, 1 the table as it was learned
  patience: 3            # bad batches in a row before generation stops
  invalid_fraction_threshold: 0.8

seed: 0
"""


def starting_config(source: str, table: Table, options: ReadOptions) -> str:
    """The text of the configuration.

    Args:
        source: The table's file.
        table: The table.
        options: The read options.

    Returns:
        YAML that ``load_config`` reads.
    """
    columns = list(table.schema)
    width = min(30, max(len(_name(column)) for column in columns))
    lines = [_profile(column, table, width) for column in columns[:_MOST_COLUMNS]]
    lines += [f"  # {_printable(note, 400)}" for note in table.notes[:_MOST_COLUMNS]]
    if len(columns) > _MOST_COLUMNS:
        lines.append(f"  #   … and {len(columns) - _MOST_COLUMNS} more")
    return _TEXT.format(
        encoding=options.encoding,
        skip_rows=options.skip_rows,
        null_values=_flow(options.null_values),
        rows=f"{len(table):,}",
        columns=len(columns),
        source=_scalar(source),
        profile="\n".join(lines),
        types=", ".join(COLUMN_TYPES),
        group=_perhaps([column for column in columns if _may_group(column, table)]),
        order=_perhaps([column for column in columns if _may_order(column)]),
        target=min(len(table), 10_000),
    )


def _may_group(column: ColumnSchema, table: Table) -> bool:
    """Whether a column looks like a group key."""
    if column.nullable or column.type in (ColumnType.DECIMAL, ColumnType.DATETIME, ColumnType.BOOLEAN):
        return False
    values, _ = distinct(table.columns, column.name)
    return bool(_KEY_NAME.search(column.name)) and 1 < len(values) <= len(table) / 2


def _may_order(column: ColumnSchema) -> bool:
    if column.nullable:
        return False
    return column.type is ColumnType.DATETIME or (
        column.type is ColumnType.INTEGER and column.name.lower() in ("year", "time", "timestamp", "step")
    )


def _perhaps(columns: list[ColumnSchema]) -> str:
    return f"; perhaps {_name(columns[0])}" if columns else ""


def _profile(column: ColumnSchema, table: Table, width: int) -> str:
    values, codes = distinct(table.columns, column.name)
    nulls = int((codes < 0).sum()) / len(codes)
    counted = f"{len(values):,} value{'' if len(values) == 1 else 's'}"
    empty = f", {percent(nulls)} missing" if nulls else ""
    type_ = column.type if column.marked is None else column.marked.type
    marks = "" if column.marked is None else _marks(column.marked.marks, values, codes)
    return f"  #   {_name(column):<{width}}  {type_.value:<11}  {counted}{empty}{marks}"


def _marks(marks: Sequence[str], values: Sequence[str], codes: Codes) -> str:
    """Null marks among the values of a column, with their shares."""
    indices = {value: index for index, value in enumerate(values)}
    shares = [(mark, float((codes == indices[mark]).mean())) for mark in marks[:_MOST_MARKS] if mark in indices]
    listed = ", ".join(f"{_printable(repr(mark), 20)} {percent(share)}" for mark, share in shares)
    more = ", …" if len(marks) > _MOST_MARKS else ""
    return f"; marks: {listed}{more}" if listed else ""


def _name(column: ColumnSchema) -> str:
    return _printable(column.name, 30)


def _printable(text: str, most: int) -> str:
    # On one line: the text becomes part of a comment.
    return shortened("".join(each if each.isprintable() else " " for each in text), most)


def _flow(texts: Sequence[str]) -> str:
    """A list of texts as YAML writes it on one line."""
    return f"[{', '.join(json.dumps(text, ensure_ascii=False) for text in texts)}]"


def _scalar(value: Any) -> str:
    """A value as YAML writes it, on one line."""
    return dump({"x": value}).removeprefix("x:").strip()


def write_text(path: Path, text: str, *, force: bool) -> None:
    """Write the configuration to a file.

    Args:
        path: The file.
        text: The configuration.
        force: Whether an existing file may be overwritten.

    Raises:
        RunDirectoryError: The file exists, or cannot be written.
    """
    if path.exists() and not force:
        raise RunDirectoryError(f"{path} exists. Give another name with -o, or overwrite it with --force.")
    with beside(path) as partial:
        partial.write_text(text, encoding="utf-8")
