"""Held-out code length: bits a record and a column, with skill against the marginals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsmith.evaluation import COLUMN_ORDERS, ModelScore
from rowsmith_plugins.evaluations.estimates import bootstrap_by_group
from rowsmith_plugins.evaluations.model_options import CodeLengthOptions
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation, named
from rowsmith_plugins.evaluations.record_lines import RecordLine
from rowsmith_plugins.evaluations.record_orders import compared_orders, in_sequence, untried, with_columns_in
from rowsmith_plugins.evaluations.record_samples import chance_of
from rowsmith_plugins.evaluations.scored_records import ScoredRecord, score_lines

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["CodeLength", "build"]


class CodeLength(RecordEvaluation):
    """How many bits the model needs for records it has not seen; the score is 1/perplexity, higher is better.

    Details, all in bits: ``bits_per_record`` with its interval, ``bits_per_column`` and ``structure_bits``, whose sum
    it is; ``bits_per_byte`` of record text; ``skill`` of each column, 1 - model/marginal (1 is perfect, 0 is no better
    than the marginal); ``gap`` of each column, held-out minus training rows, which grows as a model overfits;
    ``legal_bits``, what the grammar of records saves. Records of groups are scored after those before them, and the
    end of a group is structure.

    ``column_orders`` and ``record_orders`` are the bits of the same records in orders drawn by the seed beside the
    model's own: mean and standard deviation over the orders. ``tried`` is 0, with the ``reason``, where the model knows
    one order only.
    """

    kind = "code-length"
    parts = ("holdout",)

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        sample, trained_sample = self.records("holdout", inference), self.records("train", inference)
        held = score_lines(inference, encoding, sample.lines)
        trained = score_lines(inference, encoding, trained_sample.lines)
        by_column = np.array([each.column_bits(len(self.columns)) for each in held])
        means, trained_means = by_column.mean(axis=0), _mean_bits(trained, len(self.columns))
        marginals = self.marginals(inference)
        baseline = np.mean(
            [[code.bits(line.value(i)) for i, code in enumerate(marginals.at(line))] for line in sample.lines], axis=0
        )
        bits = by_column.sum(axis=1)
        tokens = sum(each.scored.count for each in held)
        skill = [1 - own / known if known > 0 else None for own, known in zip(means[1:], baseline, strict=True)]
        return ModelScore(
            value=_inverse_perplexity(float(bits.sum()), tokens),
            n=len(held),
            baseline=_inverse_perplexity(float(baseline.sum()) * len(held), tokens),
            details={
                "bits_per_record": float(bits.mean()),
                "bits_per_record_interval": bootstrap_by_group(bits, sample.sizes, inference.spec.seed),
                "marginal_bits_per_record": float(baseline.sum()),
                "bits_per_byte": float(bits.sum() / sum(len(line.text.encode()) for line in sample.lines)),
                "structure_bits": float(means[0]),
                "bits_per_column": named(self.columns, means[1:]),
                "marginal_bits_per_column": named(self.columns, baseline),
                "skill": named(self.columns, skill),
                "gap": named(self.columns, means[1:] - trained_means[1:]),
                "legal_bits": float(np.mean([-each.scored.legal.sum() / math.log(2) for each in held])),
                "column_orders": self._column_orders(inference, encoding, sample.lines),
                "record_orders": self._record_orders(inference, encoding, sample.lines),
                **self.counts(holdout=sample),
            },
        )

    def _column_orders(self, inference: Any, encoding: Any, lines: list[RecordLine]) -> dict[str, Any]:
        """Bits of the same records with their columns in other orders."""
        if COLUMN_ORDERS not in inference.model.capabilities:
            return untried(
                f"the model has one fixed order of columns: {type(inference.model).__name__} does not declare "
                f"{COLUMN_ORDERS!r}"
            )
        if len(self.columns) < 2:
            return untried("a record has one column")
        chosen, chance = lines[: self.options.max_order_rows], chance_of(inference.spec.seed, f"{self.kind}.columns")
        orders = [np.arange(len(self.columns)), *(chance.permutation(len(self.columns)) for _ in range(self._orders))]
        schema = self.bundle.model_schema
        scored = [score_lines(inference, encoding, with_columns_in(chosen, order.tolist(), schema)) for order in orders]
        return compared_orders([_mean_bits(each, len(self.columns)) for each in scored], self.columns, len(chosen))

    def _record_orders(self, inference: Any, encoding: Any, lines: list[RecordLine]) -> dict[str, Any]:
        """Bits of the same records in one sequence, in other orders."""
        if self.grouped:
            return untried("the records of a group have one order, that of the training")
        if self.bundle.vocabulary is not None or self.bundle.metadata.max_sequences_per_example == 1:
            return untried("the model writes one record a sequence")
        chosen, chance = lines[: self.options.max_order_rows], chance_of(inference.spec.seed, f"{self.kind}.records")
        orders = [np.arange(len(chosen)), *(chance.permutation(len(chosen)) for _ in range(self._orders))]
        most = self.bundle.metadata.max_sequences_per_example
        scored = [score_lines(inference, encoding, in_sequence([chosen[i] for i in order], most)) for order in orders]
        return compared_orders([_mean_bits(each, len(self.columns)) for each in scored], self.columns, len(chosen))

    @property
    def _orders(self) -> int:
        orders: int = self.options.orders
        return orders


def _mean_bits(records: list[ScoredRecord], columns: int) -> Any:
    return np.array([each.column_bits(columns) for each in records]).mean(axis=0)


def _inverse_perplexity(bits: float, tokens: int) -> float:
    return math.exp(-bits * math.log(2) / tokens)


def build(context: BuildContext, options: CodeLengthOptions | None) -> RecordComponent:
    """Build the component."""
    return RecordComponent.of(CodeLength, context, options or CodeLengthOptions())
