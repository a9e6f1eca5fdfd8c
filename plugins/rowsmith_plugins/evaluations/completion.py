"""Completing a record: the rest of a record from its first columns."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsmith.dialect import RecordDialect
from rowsmith.errors import RecordError
from rowsmith.evaluation import ModelScore, Sampling
from rowsmith.table.schema import JsonKind, ModelColumn
from rowsmith_plugins.evaluations.completed_records import completed_lines, number_of_given
from rowsmith_plugins.evaluations.estimates import bootstrap_by_group
from rowsmith_plugins.evaluations.model_options import CompletionOptions
from rowsmith_plugins.evaluations.number_distributions import (
    completed_numbers,
    number_columns,
    number_score,
    numbers_of,
    within_rows,
)
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation, named
from rowsmith_plugins.evaluations.record_samples import Sample

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["Completion", "build"]


class Completion(RecordEvaluation):
    """The share of values that a greedy completion of a held-out record gets right, from its first columns.

    A number is right within ``tolerance`` times the interquartile range of its column. A completion that is no record,
    has no end, or changes what was given, is wrong in every column: the denominator never shrinks. The baseline always
    says the most frequent value of the training rows. Details: accuracy and mean absolute error (in interquartile
    ranges) of each column, shares of valid records and of those that hold what was given; and for the number columns of
    the table that are completed, ``crps``: the continuous ranked probability score of ``samples`` completions at
    temperature 1, in interquartile ranges, lower is better, beside that of the numbers of the training rows. Records of
    groups are completed after those before them; of long groups, ``n_sampled`` records near the beginning are sampled.
    """

    kind = "completion"
    parts = ("holdout",)

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        sample = self.records("holdout", inference)
        lines = sample.lines
        given = number_of_given(self.options.given, len(self.columns))
        texts = completed_lines(inference, encoding, lines, given, self.bundle.metadata.max_seq_length)
        made = [self._parsed(text) for text in texts]
        consistent = [
            found is not None and _same_start(found, json.loads(line.text), self.columns[:given])
            for found, line in zip(made, lines, strict=True)
        ]
        wanted = self.columns[given:]
        marginals = self.marginals(inference)
        ranges = [
            _interquartile_range(column, marginals.first[index].counts + marginals.later[index].counts)
            for index, column in enumerate(self.columns)
        ]
        right = np.zeros((len(lines), len(wanted)))
        modal = np.zeros((len(lines), len(wanted)))
        errors: list[list[float]] = [[] for _ in wanted]
        for row, (line, found) in enumerate(zip(lines, made, strict=True)):
            truth, modes = json.loads(line.text), [json.loads(code.mode) for code in marginals.at(line)]
            for index, column in enumerate(wanted):
                spread = ranges[given + index]
                modal[row, index] = self._is_right(column, truth[column.name], modes[given + index], spread)
                if found is not None and consistent[row]:
                    right[row, index] = self._is_right(column, truth[column.name], found[column.name], spread)
                    errors[index] += _errors(truth[column.name], found[column.name], spread)
        return ModelScore(
            value=float(right.mean()),
            n=len(lines),
            interval=bootstrap_by_group(right.mean(axis=1), sample.sizes, inference.spec.seed),
            baseline=float(modal.mean()),
            details={
                "given": [column.name for column in self.columns[:given]],
                "column_accuracy": named(wanted, right.mean(axis=0)),
                "mode_accuracy": named(wanted, modal.mean(axis=0)),
                "mean_error": named(wanted, [float(np.mean(each)) if each else None for each in errors]),
                "valid_rate": float(np.mean([found is not None for found in made])),
                "consistent_rate": float(np.mean(consistent)),
                **self._distributions(inference, encoding, sample, given),
                **self.counts(holdout=sample),
            },
        )

    def _distributions(self, inference: Any, encoding: Any, sample: Sample, given: int) -> dict[str, Any]:
        """Scores of the distributions of numbers, over several completions of each record."""
        columns, samples = number_columns(self.bundle, given), self.options.samples
        if not columns or not samples:
            return {"samples": 0}
        lines, longest = within_rows(sample.lines, samples), self.bundle.metadata.max_seq_length
        if not lines:
            return {"samples": 0, "reason": "the records are too far from the beginning of their groups"}
        repeated = [line for line in lines for _ in range(samples)]
        seed = inference.sampling_seed(self.kind)
        texts = completed_lines(
            inference, encoding, repeated, given, longest, sampling=Sampling(temperature=1.0, seed=seed)
        )
        valid = [
            row
            for row, (text, line) in enumerate(zip(texts, repeated, strict=True))
            if (found := self._parsed(text)) is not None
            and _same_start(found, json.loads(line.text), self.columns[:given])
        ]
        dialect = RecordDialect(self.bundle.model_schema)
        numbers = completed_numbers(
            self.bundle, [repeated[row] for row in valid], [dialect.decode(texts[row]) for row in valid], columns, seed
        )
        scores = {}
        for name in columns:
            drawn: list[list[float]] = [[] for _ in lines]
            for row, found in zip(valid, numbers, strict=True):
                if not math.isnan(found[name]):
                    drawn[row // samples].append(found[name])
            truths = numbers_of(sample.table, name)[[line.row for line in lines]]
            scores[name] = number_score(
                [np.array(each) for each in drawn], truths, numbers_of(self.source("train").table, name)
            )
        known = {name: score for name, score in scores.items() if score is not None}
        return {
            "samples": samples,
            "n_sampled": len(lines),
            "sampled_valid_rate": len(valid) / len(texts),
            "crps": {name: score.model for name, score in known.items()},
            "marginal_crps": {name: score.marginal for name, score in known.items()},
            "crps_skill": {name: score.skill for name, score in known.items()},
        }

    def _parsed(self, text: str) -> Mapping[str, Any] | None:
        """The values of a whole record; None for anything else."""
        try:
            RecordDialect(self.bundle.model_schema).decode(text)
        except RecordError:
            return None
        values: Mapping[str, Any] | None = json.loads(text) if text.endswith("\n") else None
        return values

    def _is_right(self, column: ModelColumn, truth: Any, found: Any, spread: float | None) -> bool:
        if truth is None or found is None or column.kind is not JsonKind.NUMBER or spread is None:
            return bool(truth == found)
        return bool(abs(float(found) - float(truth)) <= self.options.tolerance * spread)


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
