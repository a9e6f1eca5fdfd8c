"""Reading statements about the columns of a row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

from attrs import field, frozen

from rowsmith.errors import ParameterError
from rowsmith.expressions.statements import (
    Binary,
    Column,
    Comparison,
    Dependency,
    Expression,
    Feature,
    Negative,
    Number,
    Refusal,
    Rounded,
    Statement,
)

__all__ = ["parse_statement"]

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)"
    r"|(?P<name>[^\W\d]\w*(?:\.\w+)*)"
    r"|(?P<quoted>`(?:[^`]|``)+`)"
    r"|(?P<mark>->>|->|\.\.\.|<=|>=|[=<>+\-*/(),])"
)
_COMPARATORS = ("=", "<=", "<", ">=", ">")
_ARROWS = ("->", "->>")
_ROUNDINGS = ("round", "floor")
_FEATURES: dict[str, Feature] = {"sign": "sign", "is_null": "null", "prefix": "prefix"}
_LONGEST = 2000
_MOST_TOKENS = 300
_DEEPEST = 50
_MOST_DIGITS = 15


def parse_statement(text: str) -> Statement:
    """Read a statement.

    ``expression = expression`` (or ``<=``, ``<``, ``>=``, ``>``) compares; ``columns -> column`` says that a column
    follows from others. Before either, ``not`` refuses it; there ``...`` is any column, and alone any statement.

    Args:
        text: The statement. Names that are no plain words are in backticks, with a backtick doubled.

    Raises:
        ParameterError: It is no statement; the message says where it ends to be one.
    """
    if len(text) > _LONGEST:
        raise ParameterError(f"a statement has at most {_LONGEST:,} characters, this one has {len(text):,}")
    tokens = [*_tokens(text)]
    if len(tokens) > _MOST_TOKENS:
        raise ParameterError(f"a statement has at most {_MOST_TOKENS} names, numbers and signs")
    return _Parser(text, tokens).statement()


@frozen
class _Token:
    kind: str
    text: str
    start: int


def _tokens(text: str) -> Iterator[_Token]:
    start = 0
    while start < len(text):
        found = _TOKEN.match(text, start)
        if found is None:
            why = "a backtick without its partner" if text[start] == "`" else f"{text[start]!r} is unknown here"
            _refuse(text, start, why)
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found.group(), start)
        start = found.end()
    yield _Token("end", "", len(text))


def _refuse(text: str, start: int, why: str) -> NoReturn:
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    raise ParameterError(f"character {start + 1} of {shown!r}: {why}")


@frozen(eq=False)
class _Parser:
    """Reads tokens from left to right; ``position`` holds the index of the next one."""

    text: str
    tokens: list[_Token]
    position: list[int] = field(factory=lambda: [0])

    def statement(self) -> Statement:
        """The whole statement."""
        refused = self._is_refusal()
        if refused:
            self._next()
            if self._at("...") and self.tokens[self.position[0] + 1].kind == "end":
                return Refusal(None)
        arrow = any(token.kind == "mark" and token.text in _ARROWS for token in self.tokens)
        found = self._dependency(refused) if arrow else self._comparison()
        if self._peek().kind != "end":
            self._expected("the end of the statement")
        if not found.names():
            _refuse(self.text, 0, "a statement names at least one column")
        return Refusal(found) if refused else found

    def _is_refusal(self) -> bool:
        """Whether it begins with the word ``not``, which is no column compared or added."""
        first, second = self.tokens[0], self.tokens[min(1, len(self.tokens) - 1)]
        follows = second.kind in ("name", "quoted", "number") or second.text in ("(", "-", "...")
        return first.kind == "name" and first.text == "not" and follows

    def _dependency(self, any_column: bool) -> Dependency:
        feature, columns, length = self._determinants(any_column)
        arrow = self._next()
        if arrow.text not in _ARROWS:
            self._expected("'->' or a comma", arrow)
        several = arrow.text == "->>"
        if any_column and self._at("..."):
            self._next()
            return Dependency(columns, None, feature, several, length=length)
        if self._call() != "prefix":
            return self._checked(Dependency(columns, self._name(), feature, several, length=length))
        self._next()
        self._take("(")
        column = self._name()
        prefix = self._length()
        self._take(")")
        return self._checked(Dependency(columns, column, feature, several, prefix, length))

    def _checked(self, found: Dependency) -> Dependency:
        if found.column in found.columns:
            _refuse(self.text, 0, f"{found.column!r} is on both sides; a column follows from others")
        return found

    def _determinants(self, any_column: bool) -> tuple[Feature, tuple[str, ...], int]:
        """What a column follows from: the feature, the columns, and the length of a prefix."""
        if any_column and self._at("..."):
            self._next()
            return "value", (), 0
        feature, length = _FEATURES.get(self._call() or ""), 0
        if feature is None:
            columns = [self._name()]
            while self._at(","):
                self._next()
                columns.append(self._name())
            if len(set(columns)) < len(columns):
                _refuse(self.text, 0, "a column is named twice")
            return "value", tuple(columns), 0
        self._next()
        self._take("(")
        columns = [self._name()]
        if feature == "sign" and self._at("-"):
            self._next()
            columns.append(self._name())
        if feature == "prefix":
            length = self._length()
        self._take(")")
        return feature, tuple(columns), length

    def _length(self) -> int:
        """How many characters a prefix has, after a comma."""
        self._take(",")
        return self._whole(1)

    def _comparison(self) -> Comparison:
        left = self._sum(0)
        comparator = self._next()
        if comparator.text not in _COMPARATORS:
            self._expected("an operator, such as '=', '<=', '+' or '->'", comparator)
        kind: Any = comparator.text
        return Comparison(left, kind, self._sum(0))

    def _sum(self, depth: int) -> Expression:
        found = self._product(depth)
        while self._peek().text in ("+", "-"):
            operator: Any = self._next().text
            found = Binary(operator, found, self._product(depth))
        return found

    def _product(self, depth: int) -> Expression:
        found = self._factor(depth)
        while self._peek().text in ("*", "/"):
            operator: Any = self._next().text
            found = Binary(operator, found, self._factor(depth))
        return found

    def _factor(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            _refuse(self.text, self._peek().start, f"nested more than {_DEEPEST} deep")
        if self._at("-"):
            self._next()
            return Negative(self._factor(depth + 1))
        if self._at("("):
            self._next()
            found = self._sum(depth + 1)
            self._take(")")
            return found
        if self._peek().kind == "number":
            return Number(self._next().text)
        function: Any = self._call()
        if function is None:
            return Column(self._name())
        if function not in _ROUNDINGS:
            _refuse(self.text, self._peek().start, f"unknown function {function!r}; there are round and floor")
        self._next()
        self._take("(")
        found = self._sum(depth + 1)
        digits = 0
        if self._at(","):
            self._next()
            digits = self._whole(-_MOST_DIGITS)
        self._take(")")
        return Rounded(function, found, digits)

    def _call(self) -> str | None:
        """The name of a function if one is called next."""
        token, after = self._peek(), self.tokens[min(self.position[0] + 1, len(self.tokens) - 1)]
        return token.text if token.kind == "name" and after.text == "(" else None

    def _name(self) -> str:
        token = self._next()
        if token.kind == "quoted":
            return token.text[1:-1].replace("``", "`")
        if token.kind != "name":
            self._expected("the name of a column", token)
        return token.text

    def _whole(self, least: int) -> int:
        negative = self._at("-")
        if negative:
            self._next()
        token = self._next()
        if token.kind != "number" or not token.text.isdigit() or len(token.text) > 3:
            self._expected("a whole number", token)
        number = -int(token.text) if negative else int(token.text)
        if not least <= number <= _MOST_DIGITS:
            _refuse(self.text, token.start, f"must be from {least} to {_MOST_DIGITS}")
        return number

    def _take(self, mark: str) -> None:
        token = self._next()
        if token.text != mark or token.kind != "mark":
            self._expected(repr(mark), token)

    def _at(self, mark: str) -> bool:
        return self._peek().kind == "mark" and self._peek().text == mark

    def _peek(self) -> _Token:
        return self.tokens[self.position[0]]

    def _next(self) -> _Token:
        token = self._peek()
        if token.kind != "end":
            self.position[0] += 1
        return token

    def _expected(self, what: str, token: _Token | None = None) -> NoReturn:
        token = token or self._peek()
        got = f"got {token.text!r}" if token.text else "the statement ends"
        hint = "; write a name that is not a plain word in backticks" if token.kind in ("name", "number") else ""
        _refuse(self.text, token.start, f"expected {what}, {got}{hint}")
