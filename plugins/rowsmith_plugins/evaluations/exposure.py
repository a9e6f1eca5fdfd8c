"""Exposure of canaries: how far up a planted secret ranks among secrets of its form (Carlini et al., 2019)."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsmith.config.conversion import did_you_mean
from rowsmith.errors import EvaluationError
from rowsmith.evaluation import ModelScore
from rowsmith_plugins.evaluations.estimates import Floats, bootstrap_mean
from rowsmith_plugins.evaluations.model_options import ExposureOptions
from rowsmith_plugins.evaluations.record_evaluation import RecordComponent, RecordEvaluation
from rowsmith_plugins.evaluations.record_lines import RecordLine
from rowsmith_plugins.evaluations.scored_records import score_lines

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["Exposure", "build"]

_MOST_CANARIES = 200
_NULL = "null"


class Exposure(RecordEvaluation):
    """The mean exposure, in bits, of the secrets of rows that were inserted into the training table; lower is better.

    A secret of R possible forms, digits for digits and letters for letters, has the exposure
    ``log2 R - log2 rank``, its rank among all of them by the model's loss. The rank is that among random secrets of the
    same form; where the secret is first of them, by a normal distribution of their losses. A secret that the model
    never saw has about 1.44 bits (the mean of an exponential distribution in base 2), the baseline. In a column of few
    values, the model can write no others: the secret ranks among these, exactly.

    Of grouped tables a canary is a group, with its secret in the first record that has a value in the column; the loss
    is that of this record after those before it.
    """

    kind = "exposure"
    parts = ("canaries",)

    def __len__(self) -> int:
        """Number of canaries."""
        return min(len(self.tables.required("canaries", self.kind)), _MOST_CANARIES)

    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """See the base class."""
        sample = self.units("canaries", inference, _MOST_CANARIES)
        listed = self._listed(inference)
        column = self._column(sample.lines, listed)
        lines = [_holder(unit, column) for unit in sample.units]
        chance = np.random.default_rng(inference.spec.seed)
        found = [self._exposure(inference, encoding, line, column, listed[column], chance) for line in lines]
        exposures, spaces = np.array(found).T
        return ModelScore(
            value=float(exposures.mean()),
            n=len(lines),
            interval=bootstrap_mean(exposures, inference.spec.seed),
            baseline=1 / math.log(2),
            details={
                "column": self.columns[column].name,
                "exposures": sorted(exposures.tolist(), reverse=True),
                "most_possible": float(spaces.max()),
                **self.counts(canaries=sample),
            },
        )

    def _listed(self, inference: Any) -> list[frozenset[str] | None]:
        """The JSON texts of the values of each column of few values; None for open columns."""
        marginals = self.marginals(inference)
        return [
            frozenset((marginals.first[index].counts | marginals.later[index].counts).keys() - {_NULL})
            if column.closed
            else None
            for index, column in enumerate(self.columns)
        ]

    def _column(self, lines: list[RecordLine], listed: Sequence[frozenset[str] | None]) -> int:
        names = [column.name for column in self.columns]
        if self.options.column is None:
            spaces = [[_space(line.value(at), values) for line in lines] for at, values in enumerate(listed)]
            return int(np.argmax(np.mean(spaces, axis=1)))
        if self.options.column not in names:
            raise EvaluationError(
                f"the records have no column {self.options.column!r}{did_you_mean(self.options.column, names)}"
            )
        return names.index(self.options.column)

    def _exposure(
        self,
        inference: Any,
        encoding: Any,
        line: RecordLine,
        column: int,
        values: frozenset[str] | None,
        chance: np.random.Generator,
    ) -> tuple[float, float]:
        """Exposure of one canary, and the most that it can be."""
        true = line.value(column)
        space = _space(true, values)
        if space == 0:
            raise EvaluationError(
                f"a canary's value of {self.columns[column].name!r} could be no other: it is missing, the only value "
                "of its column, or has no digits and no letters; name another column"
            )
        drawn = {_alike(true, chance) for _ in range(self.options.alternatives)} if values is None else values
        others = [line.replaced(column, value, self.bundle.model_schema) for value in sorted(drawn - {true})]
        bits = np.array([each.bits for each in score_lines(inference, encoding, [line, *others])])
        if values is not None:
            return space - math.log2(1 + (bits[1:] <= bits[0]).sum()), space
        return min(space, _exposed(bits[0], bits[1:])), space


def _holder(unit: Sequence[RecordLine], column: int) -> RecordLine:
    """The record of a canary that holds its secret: of a group, the first with a value there."""
    return next((line for line in unit if line.value(column) != _NULL), unit[0])


def _exposed(own: float, others: Floats) -> float:
    """Minus the logarithm of the share of secrets that are at least as likely."""
    better = float((others <= own).mean())
    if better > 0:
        return -math.log2(better)
    from scipy.stats import norm

    spread = float(others.std())
    if spread == 0 or not np.isfinite(spread):
        return math.log2(len(others) + 1)
    return max(math.log2(len(others)), float(-norm.logcdf((own - others.mean()) / spread) / math.log(2)))


_SETS = (string.digits, string.ascii_lowercase, string.ascii_uppercase)


def _set_of(character: str) -> str:
    return next((each for each in _SETS if character in each), "")


def _space(value: str, values: frozenset[str] | None) -> float:
    """Bits of the number of secrets among which one is: the values of its column, or all of the same form."""
    if value == _NULL:
        return 0.0
    if values is not None:
        return math.log2(len(values | {value}))
    return sum(math.log2(len(_set_of(character))) for character in value if _set_of(character))


def _alike(value: str, chance: np.random.Generator) -> str:
    """A random secret of the same form; a number does not begin with 0."""
    number = value[:1].isdigit()
    made = []
    for index, character in enumerate(value):
        choices = _set_of(character)
        if number and index == 0 and len(value) > 1:
            choices = string.digits[1:]
        made.append(choices[int(chance.integers(len(choices)))] if choices else character)
    return "".join(made)


def build(context: BuildContext, options: ExposureOptions | None) -> RecordComponent:
    """Build the component."""
    return RecordComponent.of(Exposure, context, options or ExposureOptions())
