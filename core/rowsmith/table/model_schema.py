"""Schema of the columns after all transforms, which vocabulary, dialect, grammar and validator use."""

from __future__ import annotations

import enum
from collections.abc import Iterator

from attrs import frozen

from rowsmith.table.timing import Timing, TimingRole

__all__ = ["JsonKind", "ModelColumn", "ModelSchema"]


class JsonKind(enum.StrEnum):
    """JSON kind of a column in the record dialect."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"


@frozen(kw_only=True)
class ModelColumn:
    """A column of the model schema.

    Attributes:
        name: The key of the column in a record.
        kind: How the dialect writes its values.
        nullable: Whether a record may hold null here.
        values: Spelled values of a closed column, in order; None for an open one.
        other: Whether training mapped unseen values to an extra "other" value; it is never
            generated.
        integral: Open numbers only: whether they have no fraction.
        scale: Open numbers only: digits after the point of every value; None for any number.
        spellings: Booleans only: the text of false and of true in the spelled table; None for
            ``false`` and ``true``, or for ``values``.
        timing: Position or change that it encodes; None for ordinary columns.
        ascending: How many of ``values``, from the first on, are numbers or labels of numbers, in numeric order.
        alphabet: Open text only: characters of its values; None for any.
        shapes: Open text with an alphabet only: the shapes that its values have (see ``table.types.text_shapes``); none
            for any.
        shortest: Open text with an alphabet only: minimum length of a value, capped.
    """

    name: str
    kind: JsonKind
    nullable: bool
    values: tuple[str, ...] | None = None
    other: bool = False
    integral: bool = False
    scale: int | None = None
    spellings: tuple[str, str] | None = None
    timing: Timing | None = None
    ascending: int = 0
    alphabet: str | None = None
    shapes: tuple[str, ...] = ()
    shortest: int = 0

    @property
    def closed(self) -> bool:
        """Whether the column has a fixed set of values."""
        return self.values is not None


@frozen(kw_only=True)
class ModelSchema:
    """The columns after all transforms, in the order the model writes them."""

    columns: tuple[ModelColumn, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def step(self) -> ModelColumn | None:
        """The column of steps between the records of a group; None for plain tables."""
        timed = (column for column in self.columns if column.timing is not None)
        return next((column for column in timed if column.timing.role is TimingRole.STEP), None)  # type: ignore[union-attr]

    def __iter__(self) -> Iterator[ModelColumn]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)
