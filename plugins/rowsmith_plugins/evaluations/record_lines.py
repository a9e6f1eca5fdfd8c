"""Rows of a table as records of a model: their text, and which token belongs to which column.

A token belongs to the column whose value it overlaps; to several of them, the first. A token that overlaps none but
holds the character after a value belongs to that value, since it ends it. All others are structure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import frozen

from rowsmith.dialect import RecordDialect, json_string
from rowsmith.errors import DataError, EvaluationError
from rowsmith.evaluation import Executor, ScoredTokens, ScoreRequest
from rowsmith.model import Bundle
from rowsmith.randomness.seeds import Seeds
from rowsmith.table.schema import ModelSchema
from rowsmith.table.table import Table

__all__ = ["STRUCTURE", "RecordLine", "ScoredRecord", "encode_with_offsets", "record_lines", "sampled", "score_lines"]

STRUCTURE = -1
"""The owner of a token that belongs to no column."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_OTHER = re.compile(r"[^,}]*")


@frozen
class RecordLine:
    """A record as the model writes it.

    Attributes:
        row: The number of its row in the table.
        text: Its text, with the line end.
        spans: The characters of each column's value, in column order.
    """

    row: int
    text: str
    spans: tuple[tuple[int, int], ...]

    def value(self, column: int) -> str:
        """The JSON text of a value."""
        start, stop = self.spans[column]
        return self.text[start:stop]

    def replaced(self, column: int, value: str, schema: ModelSchema) -> RecordLine:
        """This record with another value, as JSON text."""
        start, stop = self.spans[column]
        text = self.text[:start] + value + self.text[stop:]
        return RecordLine(self.row, text, _spans(text, schema))


@frozen(eq=False)
class ScoredRecord:
    """A record with the scores of its tokens.

    Attributes:
        line: The record.
        owners: Column of each token, -1 for structure: int64 ``[n]``.
        scored: The scores.
    """

    line: RecordLine
    owners: npt.NDArray[np.int64]
    scored: ScoredTokens

    @property
    def bits(self) -> float:
        """Code length of the record."""
        return self.scored.nll / math.log(2)

    def column_bits(self, columns: int) -> npt.NDArray[np.float64]:
        """Code length of structure, then of each column: float64 ``[1 + columns]``; they add up to ``bits``."""
        bits = -np.nan_to_num(self.scored.log_probs, nan=0.0, neginf=-np.inf) / math.log(2)
        return np.bincount(self.owners + 1, weights=bits, minlength=columns + 1).astype(np.float64)


def sampled(table: Table, most: int, seed: int, stage: str) -> Table:
    """Rows drawn without repetition, in their order; all of them if they are few."""
    if len(table) <= most:
        return table
    chosen = Seeds(seed).generator(f"evaluation.{stage}").choice(len(table), most, replace=False)
    return table.take(np.sort(chosen))


def record_lines(bundle: Bundle, table: Table) -> tuple[list[RecordLine], int]:
    """The rows of a table as records.

    Args:
        bundle: The trained model.
        table: Rows with the columns of the table it was trained on.

    Returns:
        The records, and the number of rows that no record of the model can hold.

    Raises:
        EvaluationError: The model writes groups or series, or the columns are others.
    """
    if bundle.model_schema.step is not None or bundle.series is not None:
        raise EvaluationError("the model writes groups of records; this evaluation is for independent rows")
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
    dialect = RecordDialect(bundle.model_schema)
    texts = _texts(bundle, dialect, table.columns, 0)
    lines = [RecordLine(row, text, _spans(text, bundle.model_schema)) for row, text in texts]
    return lines, len(table) - len(lines)


def _texts(bundle: Bundle, dialect: RecordDialect, columns: pa.Table, first: int) -> list[tuple[int, str]]:
    """The records of some rows; a row that cannot be written is found by halving, and left out."""
    if not columns.num_rows:
        return []
    try:
        return list(enumerate(dialect.encode(bundle.transforms.apply(columns)), first))
    except DataError:
        if columns.num_rows == 1:
            return []
    half = columns.num_rows // 2
    return [
        *_texts(bundle, dialect, columns.slice(0, half).combine_chunks(), first),
        *_texts(bundle, dialect, columns.slice(half).combine_chunks(), first + half),
    ]


def _spans(text: str, schema: ModelSchema) -> tuple[tuple[int, int], ...]:
    spans, position = [], 0
    for name in schema.names:
        position += 1 + len(json_string(name)) + 1
        found = (_STRING if text[position] == '"' else _OTHER).match(text, position)
        assert found is not None
        spans.append((position, found.end()))
        position = found.end()
    return tuple(spans)


def encode_with_offsets(encoding: Any, lines: Sequence[RecordLine]) -> list[tuple[list[int], list[tuple[int, int]]]]:
    """Token ids of records, and the range of characters of each.

    Raises:
        EvaluationError: The encoding does not give the characters of a token.
    """
    method = getattr(encoding, "encode_with_offsets", None)
    if method is None:
        raise EvaluationError(
            f"the encoding, a {type(encoding).__name__}, has no method encode_with_offsets, which gives the "
            "characters of a token; evaluate with the model's own encoding"
        )
    encoded: list[tuple[list[int], list[tuple[int, int]]]] = method([line.text for line in lines])
    return encoded


def _owners(offsets: Sequence[tuple[int, int]], line: RecordLine) -> npt.NDArray[np.int64]:
    length = len(line.text) + 1
    values = np.full(length, STRUCTURE, dtype=np.int64)
    ends = np.full(length, STRUCTURE, dtype=np.int64)
    for column, (start, stop) in enumerate(line.spans):
        values[start:stop] = column
        ends[stop] = column
    return np.array([_owner(values[start:stop], ends[start:stop]) for start, stop in offsets], dtype=np.int64)


def _owner(values: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> int:
    for candidates in (values, ends):
        held = candidates[candidates != STRUCTURE]
        if len(held):
            return int(held[0])
    return STRUCTURE


def score_lines(
    inference: Any, encoding: Any, lines: Sequence[RecordLine], *, predictions: bool = False, model: Any = None
) -> list[ScoredRecord]:
    """Score records, each as the first one after the model's prompt.

    Args:
        inference: The inference job.
        encoding: The tokenizer.
        lines: The records.
        predictions: Whether predictions are needed.
        model: Another model than the job's, such as its reference.
    """
    executor = inference.executor
    if model is not None:
        executor = Executor(
            model=model, max_rows=executor.max_rows, max_tokens=executor.max_tokens, exchange=executor.exchange
        )
    encoded = encode_with_offsets(encoding, lines)
    scored = executor.score([ScoreRequest(tuple(ids)) for ids, _ in encoded], predictions=predictions)
    owners = [_owners(offsets, line) for line, (_, offsets) in zip(lines, encoded, strict=True)]
    return [ScoredRecord(*each) for each in zip(lines, owners, scored, strict=True)]
