"""What a statement about the columns of a row consists of; frozen, and written in the notation that is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from attrs import frozen

__all__ = [
    "Binary",
    "Column",
    "Comparison",
    "Dependency",
    "Expression",
    "Feature",
    "Negative",
    "Number",
    "Refusal",
    "Rounded",
    "Statement",
    "label_text",
    "names_in",
    "quoted",
]

Comparator = Literal["=", "<=", "<", ">=", ">"]
Feature = Literal["value", "sign", "null", "prefix"]

_PLAIN = re.compile(r"[^\W\d]\w*(\.\w+)*")
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2}


def quoted(name: str) -> str:
    """The name of a column as statements write it: in backticks if it is not a plain word."""
    return name if _PLAIN.fullmatch(name) and name != "not" else f"`{name.replace('`', '``')}`"


def label_text(columns: Sequence[str], feature: Feature, length: int = 0) -> str:
    """What a column follows from, as statements write it.

    Args:
        columns: The columns.
        feature: The feature of them.
        length: How many characters a prefix has.
    """
    names = [quoted(name) for name in columns]
    if feature == "sign":
        return f"sign({' - '.join(names)})"
    if feature == "null":
        return f"is_null({names[0]})"
    return f"prefix({names[0]}, {length})" if feature == "prefix" else ", ".join(names)


@frozen
class Number:
    """A number.

    Attributes:
        text: The number as written.
    """

    text: str

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)

    def __str__(self) -> str:
        return self.text


@frozen
class Column:
    """The value of a column.

    Attributes:
        name: The column.
    """

    name: str

    def __str__(self) -> str:
        return quoted(self.name)


@frozen
class Negative:
    """The negative of an expression."""

    operand: Expression

    def __str__(self) -> str:
        return f"-({self.operand})" if isinstance(self.operand, Binary) else f"-{self.operand}"


@frozen
class Binary:
    """Two expressions joined by an operator.

    Attributes:
        operator: ``+``, ``-``, ``*`` or ``/``.
        left: The first.
        right: The second.
    """

    operator: Literal["+", "-", "*", "/"]
    left: Expression
    right: Expression

    def __str__(self) -> str:
        own = _STRENGTH[self.operator]
        return f"{_enclosed(self.left, own)} {self.operator} {_enclosed(self.right, own + 1)}"


@frozen
class Rounded:
    """An expression rounded to digits after the point.

    Attributes:
        function: ``round`` to the nearest, or ``floor`` downwards.
        operand: The expression.
        digits: Digits after the point; -1 is tens.
    """

    function: Literal["round", "floor"]
    operand: Expression
    digits: int = 0

    def __str__(self) -> str:
        return f"{self.function}({self.operand}{f', {self.digits}' if self.digits else ''})"


Expression = Number | Column | Negative | Binary | Rounded


@frozen
class Comparison:
    """Two expressions compared, such as ``gross = net + vat``.

    Attributes:
        left: The first.
        comparator: ``=``, ``<=``, ``<``, ``>=`` or ``>``.
        right: The second.
    """

    left: Expression
    comparator: Comparator
    right: Expression

    def names(self) -> tuple[str, ...]:
        """The columns, each once."""
        return tuple(dict.fromkeys([*names_in(self.left), *names_in(self.right)]))

    def __str__(self) -> str:
        return f"{self.left} {self.comparator} {self.right}"


@frozen
class Dependency:
    """A column whose value follows from others, such as ``city -> region``.

    Attributes:
        columns: The columns it follows from; none for any (in refusals alone).
        feature: What it follows from: their ``value``, the ``sign`` of a number or of a difference, whether a value
            is ``null``, or the ``prefix`` of a value.
        column: The column that follows; None for any (in refusals alone).
        several: Whether there may be several values, a list for each label (``->>``).
        prefix: How many of its first characters follow; None for the whole value.
        length: How many characters a prefix has from which it follows; 0 without one.
    """

    columns: tuple[str, ...]
    column: str | None
    feature: Feature = "value"
    several: bool = False
    prefix: int | None = None
    length: int = 0

    def names(self) -> tuple[str, ...]:
        """The columns, each once."""
        return tuple(dict.fromkeys([*self.columns, *((self.column,) if self.column is not None else ())]))

    def __str__(self) -> str:
        left = label_text(self.columns, self.feature, self.length) or "..."
        right = "..." if self.column is None else quoted(self.column)
        if self.prefix is not None:
            right = f"prefix({right}, {self.prefix})"
        return f"{left} {'->>' if self.several else '->'} {right}"


@frozen
class Refusal:
    """A statement that shall not be used as a relation, such as ``not age -> ...``.

    Attributes:
        statement: The statement; None for any.
    """

    statement: Comparison | Dependency | None

    def names(self) -> tuple[str, ...]:
        """The columns, each once."""
        return () if self.statement is None else self.statement.names()

    def __str__(self) -> str:
        return f"not {'...' if self.statement is None else self.statement}"


Statement = Comparison | Dependency | Refusal


def names_in(expression: Expression) -> tuple[str, ...]:
    """The columns of an expression, in order, possibly repeated."""
    match expression:
        case Column(name):
            return (name,)
        case Binary(_, left, right):
            return (*names_in(left), *names_in(right))
        case Negative(operand) | Rounded(_, operand, _):
            return names_in(operand)
    return ()


def _enclosed(expression: Expression, strength: int) -> str:
    """An expression in parentheses if it binds less strongly than its surroundings."""
    weak = isinstance(expression, Binary) and _STRENGTH[expression.operator] < strength
    return f"({expression})" if weak else str(expression)
