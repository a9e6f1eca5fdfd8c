"""Base of evaluations that compare what a model says of rows of real tables."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from attrs import frozen

from rowsmith.errors import BundleError, EvaluationError
from rowsmith.evaluation import Evaluation, ModelScore, ModelTables
from rowsmith.model import Bundle
from rowsmith.table.schema import ModelColumn
from rowsmith.table.table import Table
from rowsmith_plugins.evaluations.marginal_code import MarginalCode
from rowsmith_plugins.evaluations.record_lines import RecordLine, record_lines, sampled

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["RecordComponent", "RecordEvaluation", "named"]

_MARGINAL_ROWS = 20_000


class RecordEvaluation(Evaluation):
    """An evaluation of a trained model on rows of tables.

    Args:
        bundle: The trained model.
        tables: The tables.
        options: Options of the component.

    Attributes:
        kind: The component's name.
        parts: The tables that it cannot do without.
    """

    kind: ClassVar[str]
    parts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, bundle: Bundle, tables: ModelTables, options: Any) -> None:
        self.bundle = bundle
        self.tables = tables
        self.options = options
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

    def lines(self, part: str, inference: Any, *, most: int | None = None) -> tuple[list[RecordLine], int]:
        """Records of a sample of a table, and the number of its rows that no record can hold.

        Raises:
            EvaluationError: The table is missing, or no row is left.
        """
        table = self.tables.train if part == "train" else self.tables.required(part, self.kind)
        chosen = sampled(table, most or self.options.max_rows, inference.spec.seed, f"{self.kind}.{part}")
        lines, lost = record_lines(self.bundle, chosen)
        if not lines:
            raise EvaluationError(
                f"the evaluation {self.kind!r} has no row of {part} that a record of the model can hold"
            )
        return lines, lost

    def marginals(self, inference: Any) -> list[MarginalCode]:
        """The marginal of each column of the training table, from a sample of its rows where they are many."""
        lines, _ = self.lines("train", inference, most=_MARGINAL_ROWS)
        return [
            MarginalCode.of(column, [line.value(index) for line in lines]) for index, column in enumerate(self.columns)
        ]


@frozen
class RecordComponent:
    """A component that becomes an evaluation once it is bound to tables.

    Attributes:
        evaluation: Its class.
        bundle: The trained model.
        options: Its options.
    """

    evaluation: type[RecordEvaluation]
    bundle: Bundle
    options: Any

    @classmethod
    def of(cls, evaluation: type[RecordEvaluation], context: BuildContext, options: Any) -> RecordComponent:
        """The component of a class.

        Raises:
            BundleError: There is no trained model.
        """
        if context.bundle is None:
            raise BundleError(f"the evaluation {evaluation.kind!r} needs a trained model: run 'rowsmith train' first.")
        return cls(evaluation, context.bundle, options)

    def bind(self, tables: ModelTables) -> RecordEvaluation:
        """The evaluation on some tables."""
        return self.evaluation(self.bundle, tables, self.options)


def named(columns: Sequence[ModelColumn], values: Iterable[Any]) -> dict[str, Any]:
    """Values by the name of their column; those without one are left out."""
    pairs = zip(columns, values, strict=True)
    return {column.name: None if value is None else float(value) for column, value in pairs}
