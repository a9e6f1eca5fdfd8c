r"""The token vocabulary of a columnar model: the ids of a record and the order in which they may follow.

A record ``{"age":39,"name":"Ann"}\n`` is cut at column boundaries. A closed column has one token per
value, which is the whole JSON fragment (``{"age":39``); its ids are contiguous. An open column
has a token that opens it (``,"name":"``), learned byte pieces, and for text a token that closes it
(``"}\n``); its null is one token. So the text is plain JSON lines, and the allowed next tokens are known at
every step.

Ids: special tokens first, then the byte alphabet and the learned pieces (only if a column is
open), then the tokens of each column in column order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import define, field, frozen

from rowsmith.dialect import OTHER, json_string
from rowsmith.dialect.writing import CellWriter
from rowsmith.errors import DataError
from rowsmith.table.columns import count_codes, distinct
from rowsmith.table.schema import ColumnSchema, ColumnType, JsonKind, ModelColumn, ModelSchema, TableSchema
from rowsmith.table.types.spelling import parse_numbers
from rowsmith.table.types.text_shapes import whole_shapes
from rowsmith.vocabulary.byte_automata import INTEGER, NUMBER, STRING, ByteAutomaton, text_automaton

__all__ = ["BOS", "EOS", "PAD", "UNKNOWN", "ClosedField", "OpenField", "Vocabulary", "model_schema_of"]

# The dialect escapes control characters, so no cell can contain one of these.
PAD, BOS, EOS, UNKNOWN = "<\x00pad>", "<\x02record>", "<\x03end>", "<\x1aunknown>"
_SPECIALS = (PAD, BOS, EOS, UNKNOWN)

MAX_CLOSED_VALUES = 2_000
# The minimum length is enforced up to this number of characters; each costs a state.
_MOST_SHORTEST = 16


def model_schema_of(columns: pa.Table, schema: TableSchema, max_values: int = MAX_CLOSED_VALUES) -> ModelSchema:
    """Derive the model schema of a transformed table: closed and open columns.

    Text is open; so are numbers with more than ``max_values`` distinct values. Every other column is
    closed; beyond ``max_values`` its rarest values share the "other" token, which is never generated. Text is
    limited to the characters that occur, and to the shapes that occur if they are few.

    Args:
        columns: The spelled training table after all transforms.
        schema: Its schema.
        max_values: The most values of a closed column.

    Returns:
        The model schema, in the order of ``schema``.

    Raises:
        DataError: A closed column holds the reserved text for other values.
    """
    return ModelSchema(columns=tuple(_model_column(columns, column, max_values) for column in schema))


def _model_column(columns: pa.Table, column: ColumnSchema, max_values: int) -> ModelColumn:
    values, codes = distinct(columns, column.name)
    nullable = bool((codes < 0).any())
    numeric = column.json_kind is JsonKind.NUMBER
    if column.type is ColumnType.TEXT or (numeric and len(values) > max_values):
        text = column.type is ColumnType.TEXT
        return ModelColumn(
            name=column.name,
            kind=column.json_kind,
            nullable=nullable,
            integral=column.type is ColumnType.INTEGER,
            scale=column.scale,
            alphabet="".join(sorted(set().union(*values))) if text else None,
            shapes=whole_shapes(values, count_codes(codes, len(values))) if text else (),
            shortest=min(_MOST_SHORTEST, *map(len, values)) if text and values else 0,
        )
    counts = count_codes(codes, len(values))
    frequent = np.argsort(-counts, kind="stable")[:max_values]
    frequent = frequent[counts[frequent] > 0]
    chosen = [values[i] for i in frequent]
    if OTHER in chosen:
        raise DataError(f"column {column.name!r} holds {OTHER!r}, which is reserved; change that value")
    ranks = {label: rank for rank, label in enumerate(_ascending(column, chosen))}
    chosen.sort(key=lambda value: (ranks.get(value, len(ranks)), value))
    return ModelColumn(
        name=column.name,
        kind=column.json_kind,
        nullable=nullable,
        values=tuple(chosen),
        spellings=column.spellings,
        other=bool((counts > 0).sum() > max_values),
        timing=column.timing,
        ascending=sum(value in ranks for value in chosen),
    )


def _ascending(column: ColumnSchema, values: Sequence[str]) -> Sequence[str]:
    """A column's values sorted by number, if they are numbers or labels of numbers."""
    if column.json_kind is JsonKind.NUMBER:
        return [values[i] for i in np.argsort(parse_numbers(values), kind="stable")]
    if column.timing is not None and column.timing.amounts:
        return [label for label, _ in sorted(column.timing.amounts, key=lambda pair: pair[1])]
    return column.ascending


@frozen(kw_only=True)
class ClosedField:
    """The tokens of a closed column.

    Attributes:
        name: The column.
        start: The first id.
        values: Spelled value by id offset; null is None, "other" comes last.
        fragments: Token text by id offset.
        generated: How many of the ids may be generated; "other" is not among them.
    """

    name: str
    start: int
    values: tuple[str | None, ...]
    fragments: tuple[str, ...]
    generated: int

    @property
    def stop(self) -> int:
        """One past the last id."""
        return self.start + len(self.fragments)


@frozen(kw_only=True)
class OpenField:
    """The tokens of an open column besides its pieces.

    Attributes:
        name: The column.
        start: The id of the token that opens a value.
        opening: Its text.
        null: The text of the null token, whose id is ``start + 1``; None if never null.
        closing: The text of the token that closes a value, the field's last id; None if the quote piece or
            the token of the next column does.
        quote: The id of the quote piece if it closes a value, else None.
        automaton: Which pieces may follow which.
    """

    name: str
    start: int
    opening: str
    null: str | None
    closing: str | None
    quote: int | None
    automaton: ByteAutomaton

    @property
    def fragments(self) -> tuple[str, ...]:
        """Token texts in id order."""
        return tuple(text for text in (self.opening, self.null, self.closing) if text is not None)

    @property
    def stop(self) -> int:
        """One past the last id."""
        return self.start + len(self.fragments)

    @property
    def null_id(self) -> int | None:
        """The id of the null token."""
        return None if self.null is None else self.start + 1

    @property
    def closing_id(self) -> int | None:
        """The id of the token that closes a value; None for numbers followed by another column."""
        return self.quote if self.closing is None else self.stop - 1


Field = ClosedField | OpenField


def _fields(schema: ModelSchema, pieces: int) -> tuple[Field, ...]:
    fields: list[Field] = []
    start = len(_SPECIALS) + pieces
    for index, column in enumerate(schema):
        first, last = index == 0, index == len(schema) - 1
        made = _closed(column, start, first, last) if column.closed else _open(column, start, first, last)
        fields.append(made)
        start = made.stop
    return tuple(fields)


def _closed(column: ModelColumn, start: int, first: bool, last: bool) -> ClosedField:
    writer = CellWriter(column, first=first, last=last)
    values: list[str | None] = [*(column.values or ()), *([None] if column.nullable else [])]
    generated = len(values)
    if column.other:
        values.append(OTHER)
    fragments = tuple(writer.cell(value) for value in values)
    return ClosedField(name=column.name, start=start, values=tuple(values), fragments=fragments, generated=generated)


def _open(column: ModelColumn, start: int, first: bool, last: bool) -> OpenField:
    text = column.kind is JsonKind.STRING
    before = ("{" if first else ",") + json_string(column.name) + ":"
    after = "}\n" if last else ""
    return OpenField(
        name=column.name,
        start=start,
        opening=before + ('"' if text else ""),
        null=before + "null" + after if column.nullable else None,
        closing=('"' if text else "") + after if after else None,
        quote=len(_SPECIALS) + ord('"') if text and not after else None,
        automaton=_automaton(column),
    )


def _automaton(column: ModelColumn) -> ByteAutomaton:
    if column.kind is not JsonKind.STRING:
        return INTEGER if column.integral else NUMBER
    return STRING if column.alphabet is None else text_automaton(column.alphabet, column.shapes, column.shortest)


@define(frozen=True, kw_only=True, slots=False)
class Vocabulary:
    """All tokens of a columnar model.

    Attributes:
        schema: The columns, in the order in which they are written.
        pieces: Byte texts of the pieces of open columns: the 256 single bytes, then the results of
            ``merges`` in order; empty when every column is closed.
        merges: Pairs of pieces to merge, in order of preference.
    """

    schema: ModelSchema
    pieces: tuple[bytes, ...] = ()
    merges: tuple[tuple[bytes, bytes], ...] = ()
    fields: tuple[Field, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "fields", _fields(self.schema, len(self.pieces)))

    pad_id, bos_id, eos_id, unknown_id = range(4)

    @property
    def specials(self) -> tuple[str, ...]:
        """Special tokens, by id from 0."""
        return _SPECIALS

    @property
    def pieces_start(self) -> int:
        """The id of the first piece; piece ``i`` of the first 256 is byte ``i``."""
        return len(_SPECIALS)

    def __len__(self) -> int:
        return self.fields[-1].stop

    @property
    def closed(self) -> bool:
        """Whether every column is closed, so that all records have the same length."""
        return all(isinstance(item, ClosedField) for item in self.fields)

    @cached_property
    def texts(self) -> tuple[bytes, ...]:
        """The UTF-8 text of every token, by id; of special tokens too."""
        own = [text.encode() for item in self.fields for text in item.fragments]
        return (*(special.encode() for special in _SPECIALS), *self.pieces, *own)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids; special tokens are left out."""
        texts = self.texts
        return b"".join(texts[i] for i in ids if i >= len(_SPECIALS)).decode("utf-8", "replace")

    def state(self) -> dict[str, Any]:
        """The pieces and merges as JSON; the rest follows from the schema."""
        return {
            "pieces": [piece.hex() for piece in self.pieces],
            "merges": [[left.hex(), right.hex()] for left, right in self.merges],
        }

    @classmethod
    def restore(cls, schema: ModelSchema, state: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary of a ``state``."""
        return cls(
            schema=schema,
            pieces=tuple(bytes.fromhex(piece) for piece in state["pieces"]),
            merges=tuple((bytes.fromhex(left), bytes.fromhex(right)) for left, right in state["merges"]),
        )

    def closed_lookup(self, item: ClosedField, values: Sequence[str], nulls: bool) -> npt.NDArray[np.int64]:
        """The ids of a closed column's values.

        Args:
            item: The column's tokens.
            values: Spelled values, each once.
            nulls: Whether null occurs.

        Returns:
            The id of each value, and last the id of null.

        Raises:
            DataError: A value has no token, and the column has no "other" token.
        """
        known = {value: item.start + offset for offset, value in enumerate(item.values)}
        other = known.get(OTHER)
        ids = [known.get(value, other) for value in (*values, None)]
        for value, found in zip((*values, None), ids, strict=True):
            if found is None and (nulls or value is not None):
                raise DataError(
                    f"column {item.name!r}: {'null' if value is None else repr(value)} was not in the training "
                    "table, and the column has no token for other values"
                )
        return np.array([self.unknown_id if found is None else found for found in ids], dtype=np.int64)
