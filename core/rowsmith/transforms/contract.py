"""Reversible steps between the user's table and the table that a model learns.

A :class:`Transform`, fitted on the training table, gives a :class:`FittedTransform`: frozen, made of
JSON values, a pure function of the table one way (``apply``) and of a table and some random numbers
the other way (``invert``). All tables are spelled tables (see ``rowsmith.table.schema``).

What every fitted transform promises:

* ``apply(invert(apply(table)))`` equals ``apply(table)``, for any table of ``schema_before``;
* ``apply`` gives the columns of ``schema_after`` and ``invert`` those of ``schema_before``, in
  order, spelled as the schema says, with as many rows as they were given;
* ``invert`` is total: whatever values a model writes in the columns of ``schema_after``, odd ones
  are repaired by drawing and never raise;
* neither changes its arguments, ``carry`` excepted.

:func:`fit_transforms` fits a sequence of them and checks all this at the boundary as far as it is
cheap; a breach is a ``PluginContractError`` that names the transform.
"""

from __future__ import annotations

import enum
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import cattrs
import numpy as np
import pyarrow as pa
from attrs import evolve, frozen

from rowsmith.errors import BundleError, PluginContractError
from rowsmith.plugins.blame import attribute_errors
from rowsmith.randomness.draws import Draws
from rowsmith.table.schema import TableSchema, check_columns
from rowsmith.transforms.changed_values import added, check_shares, columns_traced, compared, describe_changes

__all__ = [
    "FittedTransform",
    "FittedTransforms",
    "Scope",
    "Transform",
    "fit_transforms",
    "schema_from_state",
    "schema_state",
]

_SPELLED = pa.dictionary(pa.int32(), pa.string())


class Scope(enum.StrEnum):
    """How many rows a transform must see together."""

    ROW = "row"
    GROUP = "group"


class FittedTransform(ABC):
    """A transform that knows its table; frozen.

    Attributes:
        scope: ``GROUP`` when ``invert`` needs the complete groups, or ``carry``, to be exact.
        schema_before: The table that ``apply`` takes and ``invert`` gives.
        schema_after: The table that ``apply`` gives and ``invert`` takes.
    """

    scope: ClassVar[Scope] = Scope.ROW
    schema_before: TableSchema
    schema_after: TableSchema

    @property
    def regenerated_columns(self) -> frozenset[str]:
        """Columns of ``schema_before`` whose values ``invert`` makes anew, such as identifiers.

        The summary of a run does not compare how they are distributed, but counts those that are not new, and shows
        none of them. By itself there are none.
        """
        return frozenset()

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
            carry: What is kept from batch to batch of one generation; empty at the first one.

        Returns:
            The spelled table of ``schema_before``, row by row.

        Raises:
            GenerationError: No value is left that the column may hold.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that :meth:`Transform.restore` needs, as JSON values."""

    @abstractmethod
    def inventory(self) -> list[str]:
        """What it holds of the training data, a line for people per thing."""

    def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Mapping[str, float]:
        """How many values of the training table do not come back as they were, because ``apply`` changed them.

        What a draw of ``invert`` spreads over the values around it as the data has them is not counted. By itself
        it compares the table with what ``invert`` makes of ``applied`` where the schema stays as it is, and counts
        nothing where it does not.

        Args:
            columns: The spelled training table that ``apply`` was given.
            applied: What ``apply`` gave.

        Returns:
            The share of rows, from 0 to 1, by column of ``schema_before``; 0 for those that are not there.
        """
        if self.schema_after != self.schema_before or not compared(columns, applied):
            return {}
        back = self.invert(applied, Draws(0, np.arange(columns.num_rows)), {})
        return compared(columns, back)

    def keeping_clear(self, columns: pa.Table) -> FittedTransform:
        """The same transform, which also never makes anew what rows hold that are not trained on.

        By itself it is the transform as it is: only what makes new values need care.

        Args:
            columns: All rows of the spelled table of ``schema_before``, in any order.
        """
        return self

    def notes(self) -> Sequence[str]:
        """What the user should be told once it is fitted, such as a choice that was made; a line each."""
        return ()


class Transform(ABC):
    """A reversible step, not yet fitted.

    Attributes:
        scope: ``GROUP`` when it must see the complete groups.
        narrowed_because: Why ``narrowed`` leaves categories out, and what the user can do about it; it goes on with
            the note that says how many.
    """

    scope: ClassVar[Scope] = Scope.ROW
    narrowed_because: ClassVar[str] = ""

    def narrowed(self, columns: pa.Table, schema: TableSchema) -> TableSchema:
        """What may be known of a table once it is learned, before any step is fitted: a schema of the same columns.

        By itself it is the schema as it is: only what keeps values out need narrow what the schema says of them.

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
        """Make a fitted transform from what its ``state()`` gave.

        Args:
            state: The state, perhaps after a trip through JSON.
        """


@frozen
class FittedTransforms:
    """Fitted transforms in the order of ``apply``.

    Attributes:
        schema_before: The user's table.
        steps: Name and fitted transform, each taking what the one before it gives.
        changes: For each step, the share of training rows that it changed for good, by the user's column.
    """

    schema_before: TableSchema
    steps: tuple[tuple[str, FittedTransform], ...] = ()
    changes: tuple[Mapping[str, float], ...] = ()

    @property
    def schema_after(self) -> TableSchema:
        """The table that the model learns."""
        return self.steps[-1][1].schema_after if self.steps else self.schema_before

    @property
    def scope(self) -> Scope:
        """``GROUP`` when some step is group-scoped."""
        return Scope.GROUP if any(step.scope is Scope.GROUP for _, step in self.steps) else Scope.ROW

    @property
    def changed(self) -> dict[str, float]:
        """The share of training rows that were changed for good, for every column of the user's table."""
        return dict.fromkeys(self.schema_before.names, 0.0) | added(self.changes)

    @property
    def regenerated_columns(self) -> frozenset[str]:
        """Columns whose values some step makes anew."""
        return frozenset().union(*(step.regenerated_columns for _, step in self.steps))

    def notes(self) -> list[str]:
        """What the user should be told of the steps: their own notes, and what they changed for good."""
        own = [note for _, step in self.steps for note in step.notes()]
        pairs = zip(self.steps, self.changes, strict=False)
        told = [describe_changes(name, shares) for (name, _), shares in pairs]
        return own + [line for line in told if line is not None]

    def keeping_clear(self, columns: pa.Table) -> FittedTransforms:
        """The same steps, which also never make anew what rows hold that are not trained on.

        Steps after the first one that needs whole groups stay as they are.

        Args:
            columns: All rows of the spelled table of ``schema_before``, in any order.
        """
        steps = list(self.steps)
        for place, (name, step) in enumerate(steps):
            steps[place] = (name, step.keeping_clear(columns))
            if step.scope is Scope.GROUP:
                break
            columns = step.apply(columns)
        return evolve(self, steps=tuple(steps))

    def apply(self, columns: pa.Table) -> pa.Table:
        """Apply every step.

        Args:
            columns: A spelled table of ``schema_before``.

        Raises:
            PluginContractError: A step gave another table than its schema says.
        """
        for name, step in self.steps:
            with attribute_errors(step):
                rows, columns = columns.num_rows, step.apply(columns)
                _check_table(f"apply of transform {name!r}", columns, step.schema_after, rows)
        return columns

    def invert(
        self,
        columns: pa.Table,
        draws: Draws,
        carry: dict[str, Any],
        timed: Callable[[pa.Table, TableSchema], pa.Table] | None = None,
    ) -> pa.Table:
        """Undo every step, the last one first.

        Args:
            columns: A spelled table of ``schema_after``.
            draws: Random numbers, one stream per row.
            carry: What is kept from batch to batch of one generation; start with an empty dict.
                It can be pickled; each step owns the part under its place and name.
            timed: Puts the times in that are known of records, given the table and its schema once the time column is
                back.

        Raises:
            PluginContractError: A step gave another table than its schema says.
            GenerationError: A step has no value left that a column may hold.
        """
        for place, (name, step) in reversed(list(enumerate(self.steps))):
            with attribute_errors(step):
                rows, columns = columns.num_rows, step.invert(columns, draws, carry.setdefault(f"{place}.{name}", {}))
                _check_table(f"invert of transform {name!r}", columns, step.schema_before, rows)
            if timed is not None and _is_timed(step.schema_after) and not _is_timed(step.schema_before):
                columns = timed(columns, step.schema_before)
        return columns

    def state(self) -> dict[str, Any]:
        """All that :meth:`restore` needs, as JSON values."""
        steps = [{"name": name, "state": step.state()} for name, step in self.steps]
        changes = [dict(shares) for shares in self.changes]
        return {"schema": schema_state(self.schema_before), "steps": steps, "changes": changes}

    @classmethod
    def restore(cls, state: Mapping[str, Any], resolve: Callable[[str], Transform]) -> FittedTransforms:
        """Make fitted transforms from what ``state()`` gave.

        Args:
            state: The state, perhaps after a trip through JSON.
            resolve: Gives the transform of a name.

        Raises:
            BundleError: The steps do not follow on from each other.
        """
        schema = schema_from_state(state["schema"])
        steps = tuple((step["name"], resolve(step["name"]).restore(step["state"])) for step in state["steps"])
        before = schema
        for name, step in steps:
            if step.schema_before != before:
                raise BundleError(
                    f"transform {name!r} of the saved model does not take what the one before it gives; "
                    "the model is damaged or another version's: train it again"
                )
            before = step.schema_after
        return cls(schema, steps, tuple(state.get("changes", ())))

    def inventory(self) -> list[str]:
        """What the steps hold of the training data, a line for people per thing."""
        return [f"{name}: {line}" for name, step in self.steps for line in step.inventory()]


def fit_transforms(
    columns: pa.Table, schema: TableSchema, transforms: Sequence[tuple[str, Transform]]
) -> tuple[FittedTransforms, pa.Table]:
    """Fit transforms one after the other.

    Args:
        columns: The spelled training table.
        schema: Its schema.
        transforms: Component name and transform, in the order of ``apply``.

    Returns:
        The fitted transforms and the training table after all of them.

    Raises:
        PluginContractError: A transform changed what it was given, or what it gave is no table of
            the schema it announced.
    """
    before, steps, changes = schema, [], []
    origins = {column: column for column in schema.names}
    for name, transform in transforms:
        fingerprint = _fingerprint(columns)
        with attribute_errors(transform):
            fitted = transform.fit(columns, schema)
            _check_fitted(name, fitted, schema)
            result = fitted.apply(columns)
            if _fingerprint(columns) != fingerprint:
                raise PluginContractError(
                    f"transform {name!r} changed the table it was given; it must build new columns and leave that alone"
                )
            _check_table(f"apply of transform {name!r}", result, fitted.schema_after, columns.num_rows)
            shares = check_shares(name, fitted.shares_changed(columns, result), schema)
        changes.append(added([{origins[column]: share} for column, share in shares.items() if column in origins]))
        steps.append((name, fitted))
        columns, schema = result, fitted.schema_after
        origins = columns_traced(origins, schema)
    return FittedTransforms(before, tuple(steps), tuple(changes)), columns


def schema_state(schema: TableSchema) -> dict[str, Any]:
    """A table schema as JSON values."""
    return dict(cattrs.unstructure(schema))


def schema_from_state(state: Mapping[str, Any]) -> TableSchema:
    """The table schema that :func:`schema_state` wrote.

    Raises:
        ValueError: A number in it is beyond any use.
    """
    schema = cattrs.structure(state, TableSchema)
    check_columns(schema)
    return schema


def _is_timed(schema: TableSchema) -> bool:
    """Whether its rows are records that tell where they stand."""
    return any(column.timing is not None for column in schema)


def _check_fitted(name: str, fitted: object, schema: TableSchema) -> None:
    if not isinstance(fitted, FittedTransform):
        given = type(fitted).__name__
        raise PluginContractError(f"fit of transform {name!r} gave a {given}; it must give a FittedTransform")
    if fitted.schema_before != schema:
        raise PluginContractError(
            f"fit of transform {name!r} gave another schema_before than it was fitted on; pass that on unchanged"
        )


def _check_table(what: str, result: object, schema: TableSchema, rows: int) -> None:
    if not isinstance(result, pa.Table):
        raise PluginContractError(f"{what} gave a {type(result).__name__}; it must give a pyarrow.Table")
    if result.num_rows != rows:
        raise PluginContractError(f"{what} gave {result.num_rows} rows for {rows}; it must keep the row count")
    if tuple(result.column_names) != schema.names:
        raise PluginContractError(
            f"{what} gave the columns {result.column_names}; its schema says {list(schema.names)}, in this order"
        )
    for field in result.schema:
        if field.type != _SPELLED:
            raise PluginContractError(f"{what} gave column {field.name!r} as {field.type}; it must be {_SPELLED}")


def _fingerprint(columns: pa.Table) -> int:
    value = 0
    for chunk in (chunk for column in columns.columns for chunk in column.chunks):
        for buffer in (*chunk.buffers(), *chunk.dictionary.buffers()):
            value = value if buffer is None else zlib.crc32(buffer, value)
    return value
