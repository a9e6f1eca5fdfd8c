"""What a model expects of the numbers of a record: distributions of drawn completions, by a proper score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen

from rowsmith.dialect import RecordDialect
from rowsmith.model import Bundle
from rowsmith.randomness.draws import Draws
from rowsmith.table.schema import ColumnType
from rowsmith.table.table import Table
from rowsmith.table.types.spelling import parse_numbers
from rowsmith.transforms.changed_values import trace_columns
from rowsmith_plugins.evaluations.estimates import Floats
from rowsmith_plugins.evaluations.record_lines import RecordLine

__all__ = ["NumberScore", "completed_numbers", "crps", "number_columns", "number_score", "numbers_of", "within_rows"]

_MOST_ROWS = 100_000
"""Rows that are decoded and inverted for the numbers of completions."""
_NUMBERS = (ColumnType.INTEGER, ColumnType.DECIMAL)


def crps(samples: Floats, truth: float) -> float:
    """The continuous ranked probability score of a sample, in the unit of the numbers; lower is better.

    ``E|X - y| - E|X - X'| / 2`` (Gneiting & Raftery 2007, "Strictly proper scoring rules", JASA 102, eq. 21). The
    second mean is over pairs of different draws, so that the score of a few draws is an unbiased estimate of that of
    their distribution (Ferro 2014, "Fair scores for ensemble forecasts", QJRMS 140). It may be below 0 by chance.

    Args:
        samples: At least two draws.
        truth: The true number.
    """
    ordered, count = np.sort(samples), len(samples)
    # The sum of |x_i - x_j| over all pairs: the i-th of n sorted numbers is above i of them and below n - 1 - i.
    spread = float((2 * np.arange(count) - count + 1) @ ordered) / (count * (count - 1))
    return float(np.abs(ordered - truth).mean()) - spread


@frozen
class NumberScore:
    """How well the numbers of a column are expected.

    Attributes:
        model: The mean score of drawn completions, in interquartile ranges of the training rows.
        marginal: The same of the numbers of the training rows.
    """

    model: float
    marginal: float

    @property
    def skill(self) -> float | None:
        """1 - model / marginal: 1 is perfect, 0 no better than the marginal."""
        return 1 - self.model / self.marginal if self.marginal > 0 else None


def number_score(drawn: Sequence[Floats], truths: Floats, train: Floats) -> NumberScore | None:
    """Score the draws of some records; None without any true number, or where training numbers do not vary.

    A record without two valid draws gets the score of the marginal, so that nothing is left out.

    Args:
        drawn: The valid numbers drawn for each record.
        truths: The true numbers; nan for none.
        train: The numbers of the training rows.
    """
    known = np.flatnonzero(~np.isnan(truths)).tolist()
    train = np.sort(train[~np.isnan(train)])
    spread = float(np.subtract(*np.quantile(train, [0.75, 0.25]))) if len(train) > 1 else 0.0
    if not known or spread <= 0:
        return None
    marginal = np.array([crps(train, truths[row]) for row in known])
    own = [crps(drawn[row], truths[row]) if len(drawn[row]) > 1 else marginal[index] for index, row in enumerate(known)]
    return NumberScore(model=float(np.mean(own)) / spread, marginal=float(marginal.mean()) / spread)


def number_columns(bundle: Bundle, given: int) -> list[str]:
    """The number columns of the user's table that come from columns of the record after the given ones.

    Args:
        bundle: The trained model.
        given: Columns of the record that a prompt holds.
    """
    names = bundle.model_schema.names
    origins = trace_columns({name: name for name in bundle.table_schema.names}, bundle.transforms.schema_after)
    first = {known: index for index, name in reversed(list(enumerate(names))) if (known := origins.get(name))}
    made = bundle.transforms.regenerated_columns
    return [
        column.name
        for column in bundle.table_schema
        if column.type in _NUMBERS and column.name not in made and first.get(column.name, -1) >= given
    ]


def numbers_of(table: Table, column: str) -> Floats:
    """The numbers of a column, nan for null."""
    return parse_numbers(table.columns.column(column))


def within_rows(lines: Sequence[RecordLine], samples: int) -> list[RecordLine]:
    """The records whose completions can be read: a record of a group is read with all before it.

    Args:
        lines: The records.
        samples: Completions of each record.

    Returns:
        All records, or those nearest to the beginning of their groups whose rows are not too many.
    """
    costs = np.array([(line.position + 1) * samples for line in lines], dtype=np.int64)
    order = np.argsort(costs, kind="stable")
    fitting = order[np.cumsum(costs[order]) <= _MOST_ROWS]
    return [lines[index] for index in np.sort(fitting).tolist()]


def completed_numbers(
    bundle: Bundle, lines: Sequence[RecordLine], records: Sequence[Any], columns: Sequence[str], seed: int
) -> list[dict[str, float]]:
    """The numbers of the user's table that completed records represent.

    Args:
        bundle: The trained model.
        lines: The true record of each completion, with the group before it.
        records: The completed records, decoded.
        columns: The user's columns.
        seed: Of the draws within the ranges that records represent.

    Returns:
        The numbers of each record by column, nan for null.
    """
    if not records:
        return []
    dialect = RecordDialect(bundle.model_schema)
    rows, own = [], []
    for line, record in zip(lines, records, strict=True):
        # A record of a group is read with those before it.
        before = () if line.group is None else line.group.texts[: line.position]
        rows += [*(dialect.decode(text) for text in before), record]
        own.append(len(rows) - 1)
    inverted = bundle.transforms.invert(dialect.spell(rows), Draws(seed, np.arange(len(rows))), {})
    found = {name: parse_numbers(inverted.column(name)) for name in columns}
    return [{name: float(numbers[row]) for name, numbers in found.items()} for row in own]
