"""Relations that the user states or refuses in the configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowsmith.config.problems import did_you_mean
from rowsmith.errors import ConfigError, ParameterError
from rowsmith.expressions import Comparison, Dependency, Refusal, Statement, held_by
from rowsmith.expressions.evaluation import check_types
from rowsmith.table.columns import combine_codes, distinct, single_array
from rowsmith.table.schema import TableSchema
from rowsmith_plugins.transforms.options import RelationsOptions
from rowsmith_plugins.transforms.relations.coding import Coding, creates_cycle
from rowsmith_plugins.transforms.relations.determinants import Determinant, prefixes_of
from rowsmith_plugins.transforms.relations.number_finder import number_as_stated
from rowsmith_plugins.transforms.relations.prefix_search import prefixed_as_stated
from rowsmith_plugins.transforms.relations.value_lists import listed_as_stated

__all__ = ["CODERS", "Coder", "is_refused", "stated_codings"]

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

Coder = Callable[
    [Comparison, pa.Table, TableSchema, Sequence[Coding], RelationsOptions, int, npt.NDArray[np.int64] | None],
    Coding | None,
]
"""Encodes a column as a comparison says, given the training table, its schema, the encodings so far, the options, k
and the number of each row's group; None if it is not a kind that it knows."""

CODERS: Sequence[Coder] = (number_as_stated,)
"""In this order; the first that gives an encoding is used."""

_MOST_ROWS = 5


def stated_codings(
    statements: Sequence[Statement],
    columns: pa.Table,
    schema: TableSchema,
    options: RelationsOptions,
    k: int,
    groups: Ints | None,
) -> list[Coding]:
    """The encodings that the user's statements ask for.

    Args:
        statements: The statements; refusals are only checked for unknown columns.
        columns: The spelled training table.
        schema: Its schema.
        options: The least support.
        k: The least number of rows that share what is learned.
        groups: The number of each row's group; None if rows are not grouped.

    Raises:
        ConfigError: A statement names an unknown column, holds in too few rows, or cannot be combined with the others;
            with all such statements.
    """
    codings, problems = list[Coding](), list[str]()
    for index, statement in enumerate(statements):
        try:
            _check_names(statement, schema, options)
            if not isinstance(statement, Refusal):
                codings.append(_coding(statement, columns, schema, codings, options, k, groups))
        except ParameterError as error:
            problems.append(f"{error} @ relations[{index}]")
    if problems:
        raise ConfigError(problems)
    return codings


def is_refused(coding: Coding, statements: Sequence[Statement]) -> bool:
    """Whether the user refuses an encoding: its columns are those of a statement after ``not``."""
    return any(isinstance(each, Refusal) and _concerns(each, coding) for each in statements)


def _concerns(refusal: Refusal, coding: Coding) -> bool:
    refused = refusal.statement
    if refused is None:
        return True
    if isinstance(refused, Comparison):
        return set(refused.names()) == {coding.name, *coding.needs()}
    columns = not refused.columns or (
        set(refused.columns) <= coding.needs() if refused.column is None else set(refused.columns) == coding.needs()
    )
    return columns and refused.column in (None, coding.name)


def _check_names(statement: Statement, schema: TableSchema, options: RelationsOptions) -> None:
    for name in statement.names():
        if name not in schema.names:
            raise ParameterError(
                f"{str(statement)!r}: there is no column {name!r} that is learned{did_you_mean(name, schema.names)}"
            )
        if name in options.exclude and not isinstance(statement, Refusal):
            raise ParameterError(f"{str(statement)!r}: column {name!r} is excluded, or groups or orders the rows")


def _coding(
    statement: Comparison | Dependency,
    columns: pa.Table,
    schema: TableSchema,
    codings: Sequence[Coding],
    options: RelationsOptions,
    k: int,
    groups: Ints | None,
) -> Coding:
    if isinstance(statement, Comparison):
        check_types(statement, schema)
        holds, known = held_by(statement, columns, schema)
        _check_support(statement, holds, known, options)
        given = (code(statement, columns, schema, codings, options, k, groups) for code in CODERS)
        found = next((each for each in given if each is not None), None)
    else:
        holds = _follows(statement, columns, schema)
        _check_support(statement, holds, np.ones(len(holds), dtype=bool), options)
        determinant = _determinant(statement)
        name = str(statement.column)
        if statement.prefix is not None:
            found = prefixed_as_stated(name, statement.prefix, determinant, columns, schema, k, groups)
        else:
            found = listed_as_stated(name, determinant, statement.several, columns, schema, k, groups)
    if found is None:
        raise ParameterError(
            f"{str(statement)!r} cannot be encoded: its form is not supported, or fewer than {k} rows share its "
            "values; leave it out"
        )
    if any(each.name == found.name for each in codings):
        raise ParameterError(f"{str(statement)!r}: another statement already says what {found.name!r} follows from")
    if creates_cycle(codings, found.name, found.needs()):
        raise ParameterError(f"{str(statement)!r}: {found.name!r} would follow from itself by the statements before")
    return found


def _determinant(statement: Dependency) -> Determinant:
    return Determinant(statement.columns, statement.feature, statement.length)


def _check_support(statement: Statement, holds: Mask, known: Mask, options: RelationsOptions) -> None:
    support = float(holds.mean()) if len(holds) else 0.0
    if support >= options.min_support:
        return
    broken = np.flatnonzero(known & ~holds)
    rows = ", ".join(f"{row + 1:,}" for row in broken[:_MOST_ROWS])
    more = ", ..." if len(broken) > _MOST_ROWS else ""
    where = f"; {len(broken):,} rows break it (of the training rows, {rows}{more})" if len(broken) else ""
    raise ParameterError(
        f"{str(statement)!r} holds in {support:.1%} of the rows, less than the least support of "
        f"{options.min_support:.1%}{where}; correct or remove it"
    )


def _follows(statement: Dependency, columns: pa.Table, schema: TableSchema) -> Mask:
    """The rows whose value is the most frequent one beside their label, or any for a list."""
    if statement.several:
        return np.ones(columns.num_rows, dtype=bool)
    arrays = {name: single_array(columns.column(name)) for name in statement.columns}
    _, labels = _determinant(statement).labels(arrays, schema)
    texts, values = distinct(columns, str(statement.column))
    if statement.prefix is not None:
        _, values = prefixes_of(texts, values, statement.prefix)
    pairs = combine_codes([labels, values], columns.num_rows)
    sizes = np.bincount(pairs)
    order = np.lexsort((-sizes[pairs], labels))
    first = order[np.flatnonzero(np.append(True, np.diff(labels[order]) != 0))] if len(order) else order
    most = np.zeros(int(labels.max(initial=-1)) + 2, dtype=np.int64)
    most[labels[first]] = pairs[first]
    found: Mask = most[labels] == pairs
    return found
