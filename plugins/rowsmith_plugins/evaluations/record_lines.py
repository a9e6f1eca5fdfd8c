"""Rows of a table as records of a model: independent ones, and groups of records that are read in order."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.dialect import RecordDialect, json_string
from rowsmith.errors import DataError, EvaluationError
from rowsmith.model import Bundle
from rowsmith.sequences import Arranged, group_bounds
from rowsmith.table.schema import ModelSchema
from rowsmith.table.table import Table

__all__ = ["RecordGroup", "RecordLine", "check_columns", "group_lines", "record_lines"]

Ints = npt.NDArray[np.int64]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_OTHER = re.compile(r"[^,}]*")


@frozen(eq=False)
class RecordGroup:
    """Records that are read together, each after those before it.

    Attributes:
        number: The number of the group.
        texts: The records in order, with line ends.
        end_id: The token after the last record; None if the sequence continues.
        most_records: The most records of a sequence in training; None for no limit but the context.
    """

    number: int
    texts: tuple[str, ...]
    end_id: int | None = None
    most_records: int | None = None

    def reordered(self, order: Sequence[int], schema: ModelSchema) -> RecordGroup:
        """These records with their columns in another order; see ``RecordLine.reordered``."""
        lines = (RecordLine(0, text, _spans(text, schema)).reordered(order, schema) for text in self.texts)
        return evolve(self, texts=tuple(line.text for line in lines))


@frozen
class RecordLine:
    """A record as the model writes it.

    Attributes:
        row: The number of its row in the table.
        text: Its text, with the line end.
        spans: The characters of each column's value, in the order of the model's columns.
        group: Its group; None for an independent record.
        position: Its index in the group.
    """

    row: int
    text: str
    spans: tuple[tuple[int, int], ...]
    group: RecordGroup | None = field(default=None)
    position: int = 0

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The token that follows the last record of a group; none elsewhere."""
        group = self.group
        if group is None or group.end_id is None or self.position < len(group.texts) - 1:
            return ()
        return (group.end_id,)

    def follows(self, before: RecordLine) -> bool:
        """Whether it is the next record of another one's group, which is as the group has it."""
        group = self.group
        if group is None or before.group is not group or self.position != before.position + 1:
            return False
        return before.text == group.texts[before.position]

    def value(self, column: int) -> str:
        """The JSON text of a value."""
        start, stop = self.spans[column]
        return self.text[start:stop]

    def replaced(self, column: int, value: str, schema: ModelSchema) -> RecordLine:
        """This record with another value, as JSON text."""
        start, stop = self.spans[column]
        text = self.text[:start] + value + self.text[stop:]
        return RecordLine(self.row, text, _spans(text, schema), self.group, self.position)

    def reordered(self, order: Sequence[int], schema: ModelSchema) -> RecordLine:
        """This record with its columns in another order; the spans stay in that of the model.

        Args:
            order: The numbers of the columns, in their new order.
            schema: The model's columns.
        """
        text, spans = "{", list(self.spans)
        for column in order:
            text += f"{json_string(schema.names[column])}:"
            value = self.value(column)
            spans[column] = (len(text), len(text) + len(value))
            text += f"{value},"
        return RecordLine(self.row, text[:-1] + "}\n", tuple(spans), self.group, self.position)


def check_columns(bundle: Bundle, table: Table) -> None:
    """Check that a table has the columns that the model was trained on.

    Raises:
        EvaluationError: They are others, or hold values of another kind.
    """
    names = list(bundle.table_schema.names)
    if table.columns.column_names != names:
        raise EvaluationError(
            f"the table has the columns {table.columns.column_names}; the model was trained on {names}"
        )
    for own, known in zip(table.schema, bundle.table_schema, strict=True):
        if own.json_kind is not known.json_kind and table.columns.column(own.name).null_count < len(table):
            raise EvaluationError(
                f"column {own.name!r} holds {own.type} values; the model was trained on {known.type} values. Read the "
                "table as the training table was read, such as with data.types"
            )


def record_lines(bundle: Bundle, table: Table) -> tuple[list[RecordLine], int]:
    """The rows of a table as independent records.

    Args:
        bundle: The trained model.
        table: Rows with the columns of the table it was trained on.

    Returns:
        The records, and the number of rows that no record of the model can hold.

    Raises:
        EvaluationError: The columns are others.
    """
    check_columns(bundle, table)
    starts = np.arange(len(table) + 1, dtype=np.int64)
    schema, texts = bundle.model_schema, _texts(bundle, RecordDialect(bundle.model_schema), table.columns, starts)
    lines = [RecordLine(row, text, _spans(text, schema)) for row, (text,) in texts]
    return lines, len(table) - len(lines)


def group_lines(bundle: Bundle, arranged: Arranged) -> tuple[list[tuple[RecordLine, ...]], int]:
    """The rows of a grouped table as the records of its groups.

    Args:
        bundle: The trained model.
        arranged: Whole groups, each in its order.

    Returns:
        The records of each group, and the number of groups of which some row fits no record of the model.
    """
    schema, metadata = bundle.model_schema, bundle.metadata
    starts, _ = group_bounds(arranged.groups)
    bounds = np.append(starts, len(arranged.table)).astype(np.int64)
    # Of a series, an example has at most so many records; of other tables, so many groups.
    most = metadata.max_sequences_per_example if bundle.series is not None else None
    found = []
    for first, texts in _texts(bundle, RecordDialect(schema), arranged.table.columns, bounds):
        number = int(arranged.groups[first])
        group = RecordGroup(number, texts, metadata.prompt_config.eos_token_id, most)
        lines = (RecordLine(first + at, text, _spans(text, schema), group, at) for at, text in enumerate(texts))
        found.append(tuple(lines))
    return found, len(starts) - len(found)


def _texts(
    bundle: Bundle, dialect: RecordDialect, columns: pa.Table, bounds: Ints
) -> list[tuple[int, tuple[str, ...]]]:
    """First row and records of each group; a group that cannot be written is found by halving, and left out."""
    if len(bounds) < 2:
        return []
    try:
        rows = columns.slice(int(bounds[0]), int(bounds[-1] - bounds[0])).combine_chunks()
        texts = tuple(dialect.encode(bundle.transforms.apply(rows)))
        cuts = zip((bounds[:-1] - bounds[0]).tolist(), (bounds[1:] - bounds[0]).tolist(), strict=True)
        return [(int(bounds[0]) + start, texts[start:stop]) for start, stop in cuts]
    except DataError:
        if len(bounds) == 2:
            return []
    half = len(bounds) // 2
    return [*_texts(bundle, dialect, columns, bounds[: half + 1]), *_texts(bundle, dialect, columns, bounds[half:])]


def _spans(text: str, schema: ModelSchema) -> tuple[tuple[int, int], ...]:
    spans, position = [], 0
    for name in schema.names:
        position += 1 + len(json_string(name)) + 1
        found = (_STRING if text[position] == '"' else _OTHER).match(text, position)
        assert found is not None
        spans.append((position, found.end()))
        position = found.end()
    return tuple(spans)
