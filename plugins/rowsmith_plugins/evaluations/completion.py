"""Completing a record: the rest of a record from its first columns."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsmith.dialect import RecordDialect
from rowsmith.errors import EvaluationError, RecordError
from rowsmith.evaluation import ModelScore
from rowsmith.table.schema import JsonKind, ModelColumn
from rowsmith_plugins.evaluations.estimates import bootstrap_mean
from rowsmith_plugins.evaluations.model_options import CompletionOptions
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation, named
from rowsmith_plugins.evaluations.record_lines import RecordLine, encode_with_offsets

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["Completion", "build", "completed_lines", "number_of_given"]


class Completion(RecordEvaluation):
    """The share of values that a greedy completion of a held-out record gets right, from its first columns.

    A number is right within ``tolerance`` times the interquartile range of its column. A completion that is no record,
    has no end, or changes what was given, is wrong in every column: the denominator never shrinks. The baseline always
    says the most frequent value of the training rows. Details: accuracy and mean absolute error (in interquartile
    ranges) of each column, shares of valid records and of those that hold what was given.
    """

    kind = "completion"
    parts = ("holdout",)

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        lines, lost = self.lines("holdout", inference)
        given = number_of_given(self.options.given, len(self.columns))
        dialect = RecordDialect(self.bundle.model_schema)
        texts = completed_lines(inference, encoding, lines, given, self.bundle.metadata.max_seq_length)
        made = [_parsed(dialect, text) for text in texts]
        consistent = [
            found is not None and _same_start(found, json.loads(line.text), self.columns[:given])
            for found, line in zip(made, lines, strict=True)
        ]
        wanted = self.columns[given:]
        marginals = self.marginals(inference)
        modes = [json.loads(code.counts.most_common(1)[0][0]) for code in marginals]
        ranges = [
            _interquartile_range(column, code.counts) for column, code in zip(self.columns, marginals, strict=True)
        ]
        right = np.zeros((len(lines), len(wanted)))
        modal = np.zeros((len(lines), len(wanted)))
        errors: list[list[float]] = [[] for _ in wanted]
        for row, (line, found) in enumerate(zip(lines, made, strict=True)):
            truth = json.loads(line.text)
            for index, column in enumerate(wanted):
                spread = ranges[given + index]
                modal[row, index] = self._is_right(column, truth[column.name], modes[given + index], spread)
                if found is not None and consistent[row]:
                    right[row, index] = self._is_right(column, truth[column.name], found[column.name], spread)
                    errors[index] += _errors(truth[column.name], found[column.name], spread)
        return ModelScore(
            value=float(right.mean()),
            n=len(lines),
            interval=bootstrap_mean(right.mean(axis=1), inference.spec.seed),
            baseline=float(modal.mean()),
            details={
                "given": [column.name for column in self.columns[:given]],
                "column_accuracy": named(wanted, right.mean(axis=0)),
                "mode_accuracy": named(wanted, modal.mean(axis=0)),
                "mean_error": named(wanted, [float(np.mean(each)) if each else None for each in errors]),
                "valid_rate": float(np.mean([found is not None for found in made])),
                "consistent_rate": float(np.mean(consistent)),
                "n_unrepresentable": lost,
            },
        )

    def _is_right(self, column: ModelColumn, truth: Any, found: Any, spread: float | None) -> bool:
        if truth is None or found is None or column.kind is not JsonKind.NUMBER or spread is None:
            return bool(truth == found)
        return bool(abs(float(found) - float(truth)) <= self.options.tolerance * spread)


def number_of_given(given: int | None, columns: int) -> int:
    """The number of columns in a prompt.

    Raises:
        EvaluationError: None is left to complete.
    """
    count = math.ceil(columns / 2) if given is None else given
    if count >= columns:
        raise EvaluationError(f"{count} columns are given and the record has {columns}; leave at least one to complete")
    return count


def completed_lines(
    inference: Any, encoding: Any, lines: Sequence[RecordLine], given: int, context: int, **sampling: Any
) -> list[str]:
    """Records completed from their first columns; up to the line end, or as far as the model came.

    The prompt ends with the last token before the first column to be completed.

    Args:
        inference: The inference job.
        encoding: The tokenizer.
        lines: The records.
        given: The number of columns in the prompt.
        context: The most tokens of a record.
        **sampling: As for ``Executor.generate``.
    """
    prompts, limits = [], [1]
    for line, (ids, offsets) in zip(lines, encode_with_offsets(encoding, lines), strict=True):
        # What follows a given value, such as a comma, belongs to the completion: it may be one token with the next.
        end = line.spans[given - 1][1] if given else 0
        count = sum(stop <= end for _, stop in offsets)
        prompts.append(tuple(ids[:count]))
        limits.append(2 * (len(ids) - count) + 16)
    made = inference.executor.generate(prompts, max_new_tokens=min(max(limits), context), **sampling)
    texts = encoding.decode_batch([(*prompt, *ids) for prompt, ids in zip(prompts, made, strict=True)])
    return [text.partition("\n")[0] + ("\n" if "\n" in text else "") for text in texts]


def _parsed(dialect: RecordDialect, text: str) -> Mapping[str, Any] | None:
    """The values of a whole record; None for anything else."""
    try:
        dialect.decode(text)
    except RecordError:
        return None
    values: Mapping[str, Any] | None = json.loads(text) if text.endswith("\n") else None
    return values


def _same_start(found: Mapping[str, Any], truth: Mapping[str, Any], columns: Sequence[ModelColumn]) -> bool:
    return all(found[column.name] == truth[column.name] for column in columns)


def _interquartile_range(column: ModelColumn, counts: Mapping[str, int]) -> float | None:
    """The interquartile range of a number column; None for others, and where it is 0."""
    if column.kind is not JsonKind.NUMBER:
        return None
    numbers = [
        float(value)
        for value, count in counts.items()
        if value != "null" and not value.startswith('"')
        for _ in range(count)
    ]
    spread = float(np.subtract(*np.quantile(numbers, [0.75, 0.25]))) if numbers else 0.0
    return spread if spread > 0 else None


def _errors(truth: Any, found: Any, spread: float | None) -> list[float]:
    if spread is None or truth is None or found is None:
        return []
    try:
        return [abs(float(found) - float(truth)) / spread]
    except (TypeError, ValueError):
        return []


def build(context: BuildContext, options: CompletionOptions | None) -> RecordComponent:
    """Build the component."""
    return RecordComponent.of(Completion, context, options or CompletionOptions())
