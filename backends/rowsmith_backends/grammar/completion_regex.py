"""The grammar of a completion: records one after another, perhaps from the middle of the first one.

Engines that take a regular expression write by it what the token automaton lets a columnar model write. What
follows from the records before, as the place of a record from its step, is beyond a regular expression.
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
    """A regular expression of a completion, to match against the whole of it.

    Records that stand alone come any number of times. Of records that form groups, the first of a group has no
    step and no change, and every other one has a step.

    Args:
        schema: The columns of a record.
        begun: What the completion begins with already; it may end anywhere but inside an open value, or
            after an open number or a number that begins another one.
        follows: Whether records of the same group stand before the completion.
        most_records: The most records of the completion; None for any number.

    Returns:
        An expression of what comes after ``begun``.

    Raises:
        GenerationError: No record begins like ``begun``, or it ends where nobody can tell what may follow.
    """
    more = _later(schema)
    first = more if follows or schema.step is None else _first(schema)
    most = None if most_records is None else most_records - 1
    count = "*" if most is None else f"{{0,{most}}}"
    rest = "" if most == 0 else f"(?:{record_regex(more)}){count}"
    return _after(first, begun) + rest


def _first(schema: ModelSchema) -> ModelSchema:
    """The columns of the first record of a group: null where there is nothing before it to go on from."""
    return ModelSchema(columns=tuple(_without_values(column) if _goes_on(column) else column for column in schema))


def _later(schema: ModelSchema) -> ModelSchema:
    """The columns of every other record of a group: a step is never null."""
    step = schema.step
    return ModelSchema(columns=tuple(evolve(each, nullable=False) if each is step else each for each in schema))


def _goes_on(column: ModelColumn) -> bool:
    return column.timing is not None and column.timing.role in (TimingRole.STEP, TimingRole.CHANGE)


def _without_values(column: ModelColumn) -> ModelColumn:
    return evolve(column, values=(), nullable=True)


def _after(schema: ModelSchema, begun: str) -> str:
    """A regular expression of what comes after the beginning of a record."""
    left = begun
    for place, (column, lead) in enumerate(zip(schema, leads(schema), strict=True)):
        if len(left) <= len(lead):
            if not lead.startswith(left):
                raise _unknown(begun)
            return literal(lead[len(left) :]) + value_regex(column) + columns_regex(schema, place + 1)
        if not left.startswith(lead):
            raise _unknown(begun)
        left = left[len(lead) :]
        following = leads(schema)[place + 1] if place + 1 < len(schema) else "}\n"
        ended = _value_end(column, left, following)
        if ended is None:
            return _rest_of_value(column, left, begun) + columns_regex(schema, place + 1)
        left = left[ended:]
    if not "}\n".startswith(left):
        raise _unknown(begun)
    return literal("}\n"[len(left) :])


def _value_end(column: ModelColumn, left: str, following: str) -> int | None:
    """Where the value that a text begins with ends, if something after it tells so."""
    for found in _whole(column, left):
        after = left[found:]
        if after and (after.startswith(following) or following.startswith(after)):
            return found
    return None


def _whole(column: ModelColumn, left: str) -> list[int]:
    """How long the values are that a text may begin with."""
    lengths = [len(text) for text in _texts(column) if left.startswith(text)]
    if column.values is None:
        found = re.match(STRING if left.startswith('"') else r"[^,}]*", left)
        lengths += [found.end()] if found is not None and re.fullmatch(value_regex(column), found.group()) else []
    return lengths


def _texts(column: ModelColumn) -> Sequence[str]:
    texts = [] if column.values is None else closed_texts(column)
    return [*texts, "null"] if column.nullable else texts


def _rest_of_value(column: ModelColumn, left: str, begun: str) -> str:
    """A regular expression of what ends a value that has begun."""
    if column.values is None:
        if re.fullmatch(STRING, left):
            return ""
        raise GenerationError(
            f"the forced text {begun!r} ends inside a value of {column.name!r}, a column of any values: "
            "force whole values"
        )
    endings = [text[len(left) :] for text in _texts(column) if text.startswith(left)]
    if not endings:
        raise _unknown(begun)
    return f"(?:{'|'.join(map(literal, endings))})"


def _unknown(begun: str) -> GenerationError:
    return GenerationError(
        f"no record begins with the forced text {begun!r}: force cells as the record dialect writes them"
    )
