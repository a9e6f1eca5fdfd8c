"""Parsing and validating records: a validator compiled once per schema.

The categories of errors are those of JSON Schema (``type``, ``enum``, ``required``,
``additionalProperties``, ``minimum``, ``maximum``, ``multipleOf``, ``pattern``), ``Invalid JSON``, and
``Float Conversion`` for numbers too large for a double. Only the first error of a record is reported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias

from rowsmith.dialect.booleans import boolean_spellings
from rowsmith.dialect.numbers import GREATEST, LEAST, decimal_of, fits_double
from rowsmith.errors import RecordError
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema
from rowsmith.table.types.text_shapes import shape_of

__all__ = ["Record", "Value", "compile_validator"]

Value: TypeAlias = int | Decimal | str | bool | None
Record: TypeAlias = dict[str, Value]
_Check: TypeAlias = Callable[[Any], Value]

_SHOWN_VALUES = 10
_TYPES: dict[JsonKind, Any] = {JsonKind.BOOLEAN: bool, JsonKind.STRING: str, JsonKind.NUMBER: (int, Decimal)}
_TYPE_WORDS = {JsonKind.BOOLEAN: "boolean", JsonKind.STRING: "string", JsonKind.NUMBER: "number"}


def compile_validator(schema: ModelSchema) -> Callable[[str], Record]:
    """Compile the function that parses and validates a line.

    Args:
        schema: The columns of a record.

    Returns:
        A function from a line to its values in schema order; it raises ``RecordError``.
    """
    checks = [(column.name, _check(column)) for column in schema]
    names = frozenset(schema.names)
    parse = json.JSONDecoder(
        parse_float=decimal_of, parse_constant=_reject_constant, object_pairs_hook=_unique_pairs
    ).decode

    def validate(line: str) -> Record:
        try:
            found = parse(line)
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise RecordError(f"Invalid JSON: {error}", "Invalid JSON") from error
        if found.__class__ is not dict:
            raise _type_error(found, "object")
        try:
            record = {name: check(found[name]) for name, check in checks}
        except KeyError:
            missing = next(name for name, _ in checks if name not in found)
            raise RecordError(f"{missing!r} is a required property", "required") from None
        if len(found) > len(record):
            raise _additional(found, names)
        return record

    return validate


def _reject_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON value")


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} occurs twice")
    return record


def _additional(found: dict[str, Any], names: frozenset[str]) -> RecordError:
    extra = ", ".join(repr(key) for key in found if key not in names)
    verb = "was" if len(found) == len(names) + 1 else "were"
    return RecordError(f"Additional properties are not allowed ({extra} {verb} unexpected)", "additionalProperties")


def _type_error(value: Any, expected: str) -> RecordError:
    return RecordError(f"{_shortened(value)} is not of type {expected!r}", "type")


def _shortened(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def _check(column: ModelColumn) -> _Check:
    if column.values is not None:
        check = _closed_check(column, column.values)
    elif column.kind is JsonKind.STRING:
        check = _open_string if column.alphabet is None else _text(column.alphabet, column.shapes, column.shortest)
    elif column.kind is JsonKind.BOOLEAN:
        check = _open_boolean
    else:
        check = _open_integer if column.integral else _open_number(column.scale)
    if not column.nullable:
        return check
    return lambda value: None if value is None else check(value)


def _closed_check(column: ModelColumn, values: Sequence[str]) -> _Check:
    """Membership in a list; returns the listed value in its listed spelling."""
    types = _TYPES[column.kind]
    listed = {_closed_value(column, text): _closed_value(column, text) for text in values}
    if len(listed) < len(values):  # 0.0 and -0.0 are equal, but listed as two values
        return _spelled_check(listed_by_text={text: _closed_value(column, text) for text in values})
    missing = object()

    def check(value: Any) -> Value:
        # Check the type first: in Python True equals 1, and lists are not hashable.
        found = listed.get(value, missing) if isinstance(value, types) else missing
        if found is missing or (value.__class__ is bool) is not (types is bool):
            raise _enum_error(value, listed)
        return found  # type: ignore[return-value]

    return check


def _spelled_check(listed_by_text: dict[str, Value]) -> _Check:
    def check(value: Any) -> Value:
        number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        if not number or str(value) not in listed_by_text:
            raise _enum_error(value, listed_by_text.values())
        return listed_by_text[str(value)]

    return check


def _closed_value(column: ModelColumn, text: str) -> Value:
    if column.kind is JsonKind.STRING:
        return text
    if column.kind is JsonKind.BOOLEAN:
        return text == boolean_spellings(column)[1]
    return int(text) if text.lstrip("-").isdigit() else decimal_of(text)


def _enum_error(value: Any, listed: Collection[Value]) -> RecordError:
    shown = ", ".join(_shortened(each) for each in islice(listed, _SHOWN_VALUES))
    more = ", …" if len(listed) > _SHOWN_VALUES else ""
    return RecordError(f"{_shortened(value)} is not one of [{shown}{more}]", "enum")


def _open_string(value: Any) -> Value:
    if value.__class__ is not str:
        raise _type_error(value, _TYPE_WORDS[JsonKind.STRING])
    if not value.isascii():
        _check_unicode(value)
    return value


def _text(alphabet: str, shapes: Sequence[str], shortest: int) -> _Check:
    """Text of some characters, of a minimum length, and in some shapes if any are given."""
    known, allowed = frozenset(alphabet), frozenset(shapes)

    def check(value: Any) -> Value:
        text = _open_string(value)
        assert isinstance(text, str)
        if not known.issuperset(text):
            strange = next(char for char in text if char not in known)
            raise RecordError(f"{_shortened(value)} holds {strange!r}, which no value of the column does", "pattern")
        if len(text) < shortest:
            raise RecordError(f"{_shortened(value)} is shorter than the column's values", "pattern")
        if allowed and shape_of(text) not in allowed:
            raise RecordError(f"{_shortened(value)} does not have the shape of the column's values", "pattern")
        return text

    return check


def _check_unicode(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RecordError("Invalid JSON: a lone surrogate in a string", "Invalid JSON") from error


def _open_boolean(value: Any) -> Value:
    if value.__class__ is not bool:
        raise _type_error(value, _TYPE_WORDS[JsonKind.BOOLEAN])
    return value


def _open_integer(value: Any) -> Value:
    if value.__class__ is not int:
        raise _type_error(value, "integer")
    if value < LEAST:
        raise RecordError(f"{value} is less than the minimum of {LEAST}", "minimum")
    if value > GREATEST:
        raise RecordError(f"{value} is greater than the maximum of {GREATEST}", "maximum")
    return value


def _open_number(scale: int | None) -> _Check:
    unit = Decimal(1).scaleb(-scale) if scale else None

    def check(value: Any) -> Value:
        if value.__class__ is not int and not isinstance(value, Decimal):
            raise _type_error(value, _TYPE_WORDS[JsonKind.NUMBER])
        if not fits_double(value):
            raise RecordError(f"Value {value!s} is too large to convert to float64", "Float Conversion")
        if unit is not None and not unit.same_quantum(value):
            raise RecordError(f"{value!s} is not written as a multiple of {unit}", "multipleOf")
        return value

    return check
