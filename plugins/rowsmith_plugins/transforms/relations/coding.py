"""How one column of a table follows from other columns of its row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import pyarrow as pa
from attrs import AttrsInstance

from rowsmith.randomness.draws import Draws
from rowsmith.table.schema import ColumnSchema, TableSchema

__all__ = ["Coding", "creates_cycle", "decoding_order"]


class Coding(AttrsInstance, Protocol):
    """The fitted encoding of one column by other columns of the table; frozen, made of JSON values.

    The column is replaced by the columns of ``columns_after``, or none. For every spelled column x of the schema,
    ``encode(decode(encode(x))) == encode(x)`` if the columns that it needs are the same.
    """

    @property
    def name(self) -> str:
        """The column."""

    @property
    def support(self) -> float:
        """Share of the training rows in which the relation holds, from 0 to 1."""

    def needs(self) -> frozenset[str]:
        """The other columns of the table before, from which it is decoded."""

    def columns_after(self, column: ColumnSchema) -> tuple[ColumnSchema, ...]:
        """The columns that it becomes, each named like the column or ``<column>.<suffix>``.

        Args:
            column: The schema of the column.
        """

    def encode(self, columns: pa.Table, schema: TableSchema) -> dict[str, pa.DictionaryArray]:
        """These columns of a table.

        Args:
            columns: A spelled table with the column and those it needs; values not seen in training are allowed.
            schema: The table's schema.
        """

    def decode(
        self,
        columns: pa.Table,
        restored: Mapping[str, pa.DictionaryArray],
        schema: TableSchema,
        draws: Draws,
    ) -> pa.DictionaryArray:
        """The column, in its own spelling; total: any labels and numbers are accepted.

        Args:
            columns: A spelled table with the columns of ``columns_after``.
            restored: The columns that it needs, as they are in the output.
            schema: The schema of the table before.
            draws: Random numbers, one stream per row.
        """

    def describe(self) -> str:
        """The relation, in the notation in which a user may state it, such as ``gross = net + vat``."""

    def holds(self, columns: pa.Table, schema: TableSchema) -> float:
        """Share of the rows of a spelled table in which the relation holds, from 0 to 1."""


def creates_cycle(codings: Iterable[Coding], name: str, needs: Iterable[str]) -> bool:
    """Whether a column could not be decoded any more if it needed some others.

    Args:
        codings: The encodings so far.
        name: A column that is not encoded yet.
        needs: The columns that it would need.
    """
    of = {coding.name: coding.needs() for coding in codings}
    seen, pending = set[str](), list(needs)
    while pending:
        each = pending.pop()
        if each == name:
            return True
        if each not in seen:
            seen.add(each)
            pending.extend(of.get(each, ()))
    return False


def decoding_order(codings: Sequence[Coding]) -> list[Coding]:
    """The encodings in an order in which each comes after those it needs.

    Args:
        codings: Encodings without a cycle.

    Raises:
        ValueError: There is a cycle.
    """
    pending, ordered = list(codings), list[Coding]()
    while pending:
        waiting = {coding.name for coding in pending}
        ready = [coding for coding in pending if not coding.needs() & waiting]
        if not ready:
            raise ValueError(f"the relations of {', '.join(sorted(waiting))} depend on each other")
        ordered += ready
        pending = [coding for coding in pending if coding not in ready]
    return ordered
