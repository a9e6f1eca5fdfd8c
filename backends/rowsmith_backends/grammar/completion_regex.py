"""Regular expression of a completion: a sequence of records, possibly from within the first one.

With it, engines that take a regular expression follow the same grammar as a columnar model under the token
automaton. Values that follow from earlier records, such as a position from its step, are beyond a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import evolve

from rowsmith.dialect.grammar import STRING, closed_texts, columns_regex, leads, literal, record_regex, value_regex
from rowsmith.errors import GenerationError
from rowsmith.table.schema import ModelColumn, ModelSchema, TimingRole

__all__ = ["completion_regex"]


def completion_regex(
    schema: ModelSchema, *, begun: str = "", follows: bool = False, most_records: int | None = None
) -> str:
    """Regular expression of a completion, for a full match.

    Independent records repeat freely. In a group, the first record has neither step nor change, and every later one
    has a step.

    Args:
        schema: The columns of a record.
        begun: Text that the completion begins with; it may end anywhere but inside an open value, after an open
            number, or after a number that begins another one.
        follows: Whether records of the same group precede the completion.
        most_records: The most records of the completion; None for any number.

    Returns:
        The expression of the text after ``begun``.

    Raises:
        GenerationError: No record begins like ``begun``, or it ends where the continuation is ambiguous.
    """
    later = _later_record(schema)
    first = later if follows or schema.step is None else _first_record(schema)
    most = None if most_records is None else most_records - 1
    count = "*" if most is None else f"{{0,{most}}}"
    rest = "" if most == 0 else f"(?:{record_regex(later)}){count}"
    return _after(first, begun) + rest


def _first_record(schema: ModelSchema) -> ModelSchema:
    """The columns of the first record of a group: steps and changes are null."""
    return ModelSchema(
        columns=tuple(_without_values(column) if _is_step_or_change(column) else column for column in schema)
    )


def _later_record(schema: ModelSchema) -> ModelSchema:
    """The columns of the later records of a group: a step is never null."""
    step = schema.step
    return ModelSchema(columns=tuple(evolve(each, nullable=False) if each is step else each for each in schema))


def _is_step_or_change(column: ModelColumn) -> bool:
    return column.timing is not None and column.timing.role in (TimingRole.STEP, TimingRole.CHANGE)


def _without_values(column: ModelColumn) -> ModelColumn:
    return evolve(column, values=(), nullable=True)


def _after(schema: ModelSchema, begun: str) -> str:
    """Regular expression of the rest of a record."""
    rest = begun
    for index, (column, lead) in enumerate(zip(schema, leads(schema), strict=True)):
        if len(rest) <= len(lead):
            if not lead.startswith(rest):
                raise _unknown(begun)
            return literal(lead[len(rest) :]) + value_regex(column) + columns_regex(schema, index + 1)
        if not rest.startswith(lead):
            raise _unknown(begun)
        rest = rest[len(lead) :]
        following = leads(schema)[index + 1] if index + 1 < len(schema) else "}\n"
        value_length = _value_end(column, rest, following)
        if value_length is None:
            return _rest_of_value(column, rest, begun) + columns_regex(schema, index + 1)
        rest = rest[value_length:]
    if not "}\n".startswith(rest):
        raise _unknown(begun)
    return literal("}\n"[len(rest) :])


def _value_end(column: ModelColumn, rest: str, following: str) -> int | None:
    """Length of the value at the start of a text; None if the text may end inside it."""
    for found in _value_lengths(column, rest):
        after = rest[found:]
        if after and (after.startswith(following) or following.startswith(after)):
            return found
    return None


def _value_lengths(column: ModelColumn, rest: str) -> list[int]:
    """Lengths of the values that a text may begin with."""
    lengths = [len(text) for text in _texts(column) if rest.startswith(text)]
    if column.values is None:
        found = re.match(STRING if rest.startswith('"') else r"[^,}]*", rest)
        lengths += [found.end()] if found is not None and re.fullmatch(value_regex(column), found.group()) else []
    return lengths


def _texts(column: ModelColumn) -> Sequence[str]:
    texts = [] if column.values is None else closed_texts(column)
    return [*texts, "null"] if column.nullable else texts


def _rest_of_value(column: ModelColumn, rest: str, begun: str) -> str:
    """Regular expression of the rest of a value that has begun."""
    if column.values is None:
        if re.fullmatch(STRING, rest):
            return ""
        raise GenerationError(
            f"the forced text {begun!r} ends inside a value of {column.name!r}, a column of any values: "
            "force whole values"
        )
    endings = [text[len(rest) :] for text in _texts(column) if text.startswith(rest)]
    if not endings:
        raise _unknown(begun)
    return f"(?:{'|'.join(map(literal, endings))})"


def _unknown(begun: str) -> GenerationError:
    return GenerationError(
        f"no record begins with the forced text {begun!r}: force cells as the record dialect writes them"
    )
