"""The tables that evaluations of a model are bound to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from rowsmith.errors import EvaluationError

if TYPE_CHECKING:
    from rowsmith.table.table import Table

__all__ = ["ModelTables"]


@frozen(kw_only=True, eq=False)
class ModelTables:
    """Real and synthetic rows, for evaluations that compare what a model says of them.

    Attributes:
        train: Rows that the model was trained on.
        holdout: Rows of the same source that it was not trained on; None if there are none.
        synthetic: Rows that it wrote; None if there are none.
        canaries: Rows that were inserted into the training table to measure memorisation; None if there are none.
    """

    train: Table
    holdout: Table | None = None
    synthetic: Table | None = None
    canaries: Table | None = field(default=None)

    def required(self, part: str, name: str) -> Table:
        """A part that an evaluation cannot do without.

        Args:
            part: ``holdout``, ``synthetic`` or ``canaries``.
            name: The evaluation, for the message.

        Raises:
            EvaluationError: It is missing, or has no rows.
        """
        table: Table | None = getattr(self, part)
        if table is None or not len(table):
            raise EvaluationError(f"the evaluation {name!r} needs {_WORDS[part]}; give ModelTables.{part}")
        return table


_WORDS = {
    "holdout": "real rows that the model was not trained on",
    "synthetic": "rows that the model wrote",
    "canaries": "rows that were inserted into the training table",
}
