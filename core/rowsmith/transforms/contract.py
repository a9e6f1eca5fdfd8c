"""Reversible steps between the user's table and the table that a model learns.

A :class:`Transform`, fitted on the training table, gives a :class:`FittedTransform`: frozen, made of
JSON values, a pure function of the table in one direction (``apply``), and of a table and random numbers in
the other (``invert``). All tables are spelled tables (see ``rowsmith.table.schema``).

Every fitted transform guarantees:

* ``apply(invert(apply(table)))`` equals ``apply(table)``, for any table of ``schema_before``;
* ``apply`` returns the columns of ``schema_after`` and ``invert`` those of ``schema_before``, in
  order, spelled as the schema says, with as many rows as they were given;
* ``invert`` is total: a model may write any values in the columns of ``schema_after``; invalid ones
  are replaced by drawn values and never raise;
* neither changes its arguments, except ``carry``.

:func:`rowsmith.transforms.fit_transforms` fits a sequence of them and checks these guarantees where that is
cheap; a violation is a ``PluginContractError`` that names the transform.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from attrs import frozen

from rowsmith.randomness.draws import Draws
from rowsmith.table.schema import TableSchema
from rowsmith.transforms.changed_values import compared

__all__ = ["FittedTransform", "RetainedRelation", "Scope", "Transform"]


class Scope(enum.StrEnum):
    """Which rows a transform must see together."""

    ROW = "row"
    GROUP = "group"


@frozen
class RetainedRelation:
    """A relation between columns that a transform retains.

    Attributes:
        statement: The relation, such as ``gross = net + vat``.
        support: Share of the training rows in which it holds, from 0 to 1.
        holds: Share of the rows of another table in which it holds, from 0 to 1.
    """

    statement: str
    support: float
    holds: float


class FittedTransform(ABC):
    """A transform fitted to a table; frozen.

    Attributes:
        scope: ``GROUP`` if ``invert`` needs the complete groups, or ``carry``, to be exact.
        schema_before: Input of ``apply``, output of ``invert``.
        schema_after: Output of ``apply``, input of ``invert``.
    """

    scope: ClassVar[Scope] = Scope.ROW
    schema_before: TableSchema
    schema_after: TableSchema

    @property
    def regenerated_columns(self) -> frozenset[str]:
        """Columns of ``schema_before`` whose values ``invert`` generates, such as identifiers.

        The summary of a run does not compare their distributions. It counts the values that are not new, and shows
        none of them. The default is no columns.
        """
        return frozenset()

    @property
    def invented_columns(self) -> frozenset[str]:
        """Columns of ``schema_before`` in which ``invert`` puts invented labels for rare ones; by itself none."""
        return frozenset()

    @property
    def dependencies(self) -> Mapping[str, frozenset[str]]:
        """Columns of ``schema_before`` that a column of ``schema_after`` is computed from, besides its own.

        Rows are completed from known cells: a column is known only if all that it is computed from are. The default is
        no columns: each depends on the column of its name alone.
        """
        return {}

    @abstractmethod
    def apply(self, columns: pa.Table) -> pa.Table:
        """Transform a table.

        Args:
            columns: A spelled table of ``schema_before``; values not seen in training are allowed.

        Returns:
            The spelled table of ``schema_after``, row by row.
        """

    @abstractmethod
    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Undo the transform.

        Args:
            columns: A spelled table of ``schema_after``.
            draws: Random numbers, one stream per row.
            carry: State that is passed from batch to batch of one generation; empty at the start.

        Returns:
            The spelled table of ``schema_before``, row by row.

        Raises:
            GenerationError: The column has no unused values left.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything that :meth:`Transform.restore` needs, as JSON values."""

    @abstractmethod
    def inventory(self) -> list[str]:
        """What it holds of the training data, for display, one line per item."""

    def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Mapping[str, float]:
        """Shares of training values that do not survive ``apply`` and ``invert``, because ``apply`` changed them.

        Values that ``invert`` draws from the range of a training value, as the data has them, are not counted. The
        default compares the table with the inverse of ``applied`` if the schema is unchanged, and counts nothing
        otherwise.

        Args:
            columns: The spelled training table given to ``apply``.
            applied: The result of ``apply``.

        Returns:
            The share of rows, from 0 to 1, by column of ``schema_before``; missing columns count as 0.
        """
        if self.schema_after != self.schema_before or not compared(columns, applied):
            return {}
        back = self.invert(applied, Draws(0, np.arange(columns.num_rows)), {})
        return compared(columns, back)

    def keeping_clear(self, columns: pa.Table) -> FittedTransform:
        """A copy of the transform that also never generates values of rows that are not trained on.

        The default returns the transform itself: only transforms that generate values override this.

        Args:
            columns: All rows of the spelled table of ``schema_before``, in any order.
        """
        return self

    def relations(self, columns: pa.Table) -> Sequence[RetainedRelation]:
        """The relations between columns that it retains, and how often each holds in a table; by itself none.

        Args:
            columns: A spelled table of ``schema_before``, such as generated rows.
        """
        return ()

    def notes(self) -> Sequence[str]:
        """Notes for the user after fitting, such as an automatic choice; one line each."""
        return ()


class Transform(ABC):
    """A reversible step before fitting.

    Attributes:
        scope: ``GROUP`` if it must see the complete groups.
        narrowed_because: Why ``narrowed`` leaves categories out, and what the user can do about it; appended to
            the note that says how many.
    """

    scope: ClassVar[Scope] = Scope.ROW
    narrowed_because: ClassVar[str] = ""

    def narrowed(self, columns: pa.Table, schema: TableSchema) -> TableSchema:
        """The part of a schema that may be learned, with the same columns; called before any step is fitted.

        The default returns the schema itself: only transforms that exclude values override this.

        Args:
            columns: The spelled training table, before all steps.
            schema: Its schema.
        """
        return schema

    @abstractmethod
    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedTransform:
        """Learn from the training table.

        Args:
            columns: The spelled training table, after the transforms before this one.
            schema: Its schema.

        Returns:
            The fitted transform; ``schema_before`` is ``schema``.
        """

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> FittedTransform:
        """Restore a fitted transform from its ``state()``.

        Args:
            state: The state; it may have been through JSON.
        """
