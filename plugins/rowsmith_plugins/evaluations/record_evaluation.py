"""Base of evaluations that compare what a model says of rows of real tables."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
from attrs import frozen

from rowsmith.errors import BundleError, EvaluationError
from rowsmith.evaluation import Evaluation, ModelScore, ModelTables
from rowsmith.model import Bundle
from rowsmith.table.schema import ModelColumn
from rowsmith.table.table import Table
from rowsmith_plugins.evaluations.marginals import Marginals
from rowsmith_plugins.evaluations.record_samples import ROWS_PER_UNIT, Sample, Source, chance_of, is_grouped

if TYPE_CHECKING:
    from rowsmith.config import RunConfig
    from rowsmith.context import BuildContext

__all__ = ["RecordComponent", "RecordEvaluation", "named"]

_MARGINAL_ROWS = 20_000


class RecordEvaluation(Evaluation):
    """An evaluation of a trained model on rows of tables.

    Args:
        bundle: The trained model.
        tables: The tables.
        options: Options of the component.
        config: The configuration of the training, which says which rows form a group; None for independent rows.

    Attributes:
        kind: The component's name.
        parts: The tables that it cannot do without.
    """

    kind: ClassVar[str]
    parts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, bundle: Bundle, tables: ModelTables, options: Any, config: RunConfig | None = None) -> None:
        self.bundle = bundle
        self.tables = tables
        self.options = options
        self.config = config
        self._sources: dict[str, Source] = {}
        for part in self.parts:
            tables.required(part, self.kind)

    @property
    def name(self) -> str:
        """Name of this evaluation."""
        return self.kind

    @property
    def columns(self) -> tuple[ModelColumn, ...]:
        """The columns of a record."""
        return tuple(self.bundle.model_schema)

    def __len__(self) -> int:
        """Number of rows that are looked at, at most."""
        table = self.tables.train if self.tables.holdout is None else self.tables.holdout
        return min(len(table), getattr(self.options, "max_rows", len(table)))

    def __call__(self, inference: Any, encoding: Any, **kwargs: Any) -> float:
        """Run the evaluation and return its score."""
        return self.measure(inference, encoding, **kwargs).value

    @abstractmethod
    def measure(self, inference: Any, encoding: Any, **kwargs: Any) -> ModelScore:
        """Run the evaluation and return its score with details."""

    def fingerprint(self) -> str:
        """A hash of class, options and all rows."""
        digest = hashlib.sha256(f"{type(self).__qualname__}/{self.options!r}".encode())
        for part in ("train", "holdout", "synthetic", "canaries"):
            table: Table | None = getattr(self.tables, part)
            digest.update(part.encode())
            if table is not None:
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, table.columns.schema) as stream:
                    stream.write_table(table.columns)
                digest.update(sink.getvalue())
        return digest.hexdigest()

    @property
    def grouped(self) -> bool:
        """Whether the model writes groups of records, or series."""
        return is_grouped(self.bundle)

    def source(self, part: str) -> Source:
        """A table that samples are drawn from.

        Raises:
            EvaluationError: The table is missing, or cannot be grouped as that of the training.
        """
        if part not in self._sources:
            table = self.tables.train if part == "train" else self.tables.required(part, self.kind)
            self._sources[part] = Source.of(self.bundle, table, self.config)
        return self._sources[part]

    def records(self, part: str, inference: Any) -> Sample:
        """A sample of the records of a table, those of groups in their context.

        Raises:
            EvaluationError: The table is missing, or no row is left.
        """
        return self._held(part, self.source(part).records(self.options.max_rows, self._chance(part, inference)))

    def units(self, part: str, inference: Any, most: int | None = None) -> Sample:
        """A sample of independent rows, or of whole groups: what an attack is about.

        Raises:
            EvaluationError: The table is missing, or no row is left.
        """
        chance = self._chance(part, inference)
        return self._held(part, self.source(part).units(most or self.options.max_rows, chance))

    def pairs(self, inference: Any) -> tuple[Sample, Sample]:
        """As many rows or groups of the training table as held-out ones.

        Raises:
            EvaluationError: There are no two groups of either.
        """
        counts = {part: self.source(part).count for part in ("train", "holdout")}
        size = min(*counts.values(), self.options.max_rows)
        if self.grouped and size < 2:
            raise EvaluationError(
                f"the evaluation {self.kind!r} compares whole groups, and there are {counts['train']} of training and "
                f"{counts['holdout']} held out; give at least 2 of each"
            )
        return self.units("train", inference, size), self.units("holdout", inference, size)

    def marginals(self, inference: Any) -> Marginals:
        """The marginal of each column of the training table, from a sample of its rows where they are many."""
        chance, source = self._chance("train", inference), self.source("train")
        whole = max(1, _MARGINAL_ROWS // ROWS_PER_UNIT) if self.grouped else _MARGINAL_ROWS
        return Marginals.of(self.columns, self._held("train", source.units(whole, chance)).lines)

    def counts(self, **samples: Sample) -> dict[str, Any]:
        """Numbers of what was sampled, for the details of a score: of groups, also those of their records."""
        unit = "groups" if self.grouped else "rows"
        return {
            "unit": unit,
            **{f"n_{part}": len(sample.units) for part, sample in samples.items()},
            **({f"n_{part}_records": len(sample.lines) for part, sample in samples.items()} if self.grouped else {}),
            "n_unrepresentable": sum(sample.lost for sample in samples.values()),
        }

    def _chance(self, part: str, inference: Any) -> np.random.Generator:
        return chance_of(inference.spec.seed, f"{self.kind}.{part}")

    def _held(self, part: str, sample: Sample) -> Sample:
        if not sample.units:
            raise EvaluationError(
                f"the evaluation {self.kind!r} has no row of {part} that a record of the model can hold"
            )
        return sample


@frozen
class RecordComponent:
    """A component that becomes an evaluation once it is bound to tables.

    Attributes:
        evaluation: Its class.
        bundle: The trained model.
        options: Its options.
        config: The configuration of the training.
    """

    evaluation: type[RecordEvaluation]
    bundle: Bundle
    options: Any
    config: RunConfig | None = None

    @classmethod
    def of(cls, evaluation: type[RecordEvaluation], context: BuildContext, options: Any) -> RecordComponent:
        """The component of a class.

        Raises:
            BundleError: There is no trained model.
        """
        if context.bundle is None:
            raise BundleError(f"the evaluation {evaluation.kind!r} needs a trained model: run 'rowsmith train' first.")
        return cls(evaluation, context.bundle, options, context.config)

    def bind(self, tables: ModelTables) -> RecordEvaluation:
        """The evaluation on some tables."""
        return self.evaluation(self.bundle, tables, self.options, self.config)


def named(columns: Sequence[ModelColumn], values: Iterable[Any]) -> dict[str, Any]:
    """Values by the name of their column; those without one are left out."""
    pairs = zip(columns, values, strict=True)
    return {column.name: None if value is None else float(value) for column, value in pairs}
