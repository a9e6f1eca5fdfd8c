"""The dialect as a regular expression and as a JSON Schema.

``decode`` accepts everything that the regular expression matches, and the regular expression matches
everything that ``encode`` writes (except markers of unseen values). It uses only what
Python, Rust and guided-decoding engines share: literals, classes, counted repeats, plain groups.
"""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import Any

from rowsmith.dialect.booleans import boolean_spellings
from rowsmith.dialect.numbers import GREATEST, LEAST, number_regex
from rowsmith.dialect.text import ESCAPES, json_string
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema
from rowsmith.table.types.text_shapes import characters_of

__all__ = ["STRING", "closed_texts", "columns_regex", "json_schema", "leads", "literal", "record_regex", "value_regex"]

_END = r"\}\n"
_IN_CLASS = re.compile(r"[\\\]\[^-]")
_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}]")


def _string_regex() -> str:
    """A regular expression of a JSON string as the dialect writes it."""
    printed = "".join(_IN_CLASS.sub(r"\\\g<0>", character) for character in ESCAPES if character >= " ")
    hidden = [ord(character) for character in ESCAPES if character < " "]
    plain = f"[^{printed}\\x{min(hidden):02x}-\\x{max(hidden):02x}]"
    by_start: dict[str, str] = {}
    for text in sorted(ESCAPES.values()):
        by_start[text[:-1]] = by_start.get(text[:-1], "") + text[-1]
    escaped = [literal(start) + _character_class(lasts) for start, lasts in by_start.items()]
    return f'"(?:{"|".join([plain, *escaped])})*"'


def _character_class(characters: str) -> str:
    """A character class, ascending; three or more consecutive characters become a range."""
    codes = [ord(character) - index for index, character in enumerate(characters)]
    runs = ["".join(each for _, each in run) for _, run in groupby(zip(codes, characters, strict=True), lambda p: p[0])]
    parts = [f"{run[0]}-{run[-1]}" if len(run) > 2 else _IN_CLASS.sub(r"\\\g<0>", run) for run in runs]
    return f"[{''.join(parts)}]"


def record_regex(schema: ModelSchema) -> str:
    """A regular expression of one record with its line end.

    Args:
        schema: The columns of a record.

    Returns:
        An expression to match against the whole text.
    """
    return columns_regex(schema, 0)


def columns_regex(schema: ModelSchema, start: int) -> str:
    """A regular expression of the rest of a record from one column on, key included."""
    parts = zip(leads(schema)[start:], schema.columns[start:], strict=True)
    return "".join(literal(lead) + value_regex(column) for lead, column in parts) + _END


def leads(schema: ModelSchema) -> list[str]:
    """The text before the value of each column: a brace or a comma, and the key."""
    return [("," if index else "{") + json_string(column.name) + ":" for index, column in enumerate(schema)]


def value_regex(column: ModelColumn) -> str:
    """A regular expression of the values of a column."""
    choices = ["null"] if column.nullable else []
    if column.values is not None:
        choices = [*map(literal, closed_texts(column)), *choices]
    elif column.kind is JsonKind.STRING:
        choices.insert(0, STRING if column.alphabet is None else _text_regex(column))
    elif column.kind is JsonKind.BOOLEAN:
        choices = ["false", "true", *choices]
    else:
        choices.insert(0, number_regex(column))
    return f"(?:{'|'.join(choices)})"


def _text_regex(column: ModelColumn) -> str:
    """A regular expression of the strings of a column's characters, limited to its shapes if it has any."""
    alphabet = column.alphabet or ""
    if column.shapes:
        return f'"(?:{"|".join(_shape_regex(shape, alphabet) for shape in column.shapes)})"'
    times = "*" if not column.shortest else "+" if column.shortest == 1 else f"{{{column.shortest},}}"
    return f'"{_any_character(alphabet)}{times}"' if alphabet else '""'


def _shape_regex(shape: str, alphabet: str) -> str:
    runs = ((kind, len(list(run))) for kind, run in groupby(shape))
    return "".join(_any_character(characters_of(kind, alphabet)) + (f"{{{n}}}" if n > 1 else "") for kind, n in runs)


def _any_character(characters: str) -> str:
    """A regular expression that matches one of some characters as written in JSON."""
    texts = [json_string(character)[1:-1] for character in characters]
    plain = "".join(_IN_CLASS.sub(r"\\\g<0>", text) for text in texts if len(text) == 1)
    escaped = [literal(text) for text in texts if len(text) > 1]
    choices = [*([f"[{plain}]"] if plain else []), *escaped]
    return choices[0] if len(choices) == 1 and plain else f"(?:{'|'.join(choices)})"


def closed_texts(column: ModelColumn) -> list[str]:
    """The JSON text of each value of a closed column, without null."""
    values = list(column.values or ())
    if column.kind is JsonKind.STRING:
        return [json_string(value) for value in values]
    if column.kind is JsonKind.BOOLEAN:
        true = boolean_spellings(column)[1]
        return ["true" if value == true else "false" for value in values]
    return values


def literal(text: str) -> str:
    """A regular expression that matches exactly one text."""
    # Not re.escape: it escapes characters that some regular expression engines refuse to see escaped.
    return _SPECIAL.sub(r"\\\g<0>", text)


def json_schema(schema: ModelSchema) -> dict[str, Any]:
    """The JSON Schema of one record.

    Args:
        schema: The columns of a record.

    Returns:
        A schema of draft 2020-12: an object with exactly the schema's keys. It does not constrain the
        order of keys or the spelling of numbers.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {column.name: _column_schema(column) for column in schema},
        "required": list(schema.names),
        "additionalProperties": False,
    }


def _column_schema(column: ModelColumn) -> dict[str, Any]:
    if column.values is not None:
        values = [json.loads(text) for text in closed_texts(column)]
        return {"enum": [*values, None] if column.nullable else values}
    word = "integer" if column.kind is JsonKind.NUMBER and column.integral else column.kind.value
    described: dict[str, Any] = {"type": [word, "null"] if column.nullable else word}
    if word == "integer":
        described |= {"minimum": LEAST, "maximum": GREATEST}
    return described


STRING = _string_regex()
"""A regular expression of a JSON string as the dialect writes it."""
