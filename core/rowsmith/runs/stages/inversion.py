"""The data action of every run: from what the model writes back to the user's table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from attrs import evolve

from rowsmith.dialect import RecordDialect
from rowsmith.generation.actions import RECORD_ID, REJECT_REASON, Accepted, ColumnActions, ColumnOutcome
from rowsmith.randomness.draws import Draws
from rowsmith.table.frames import misfits, named_frame
from rowsmith.transforms.numbering import Numbering

if TYPE_CHECKING:
    from rowsmith.conditions import Condition, Constraint
    from rowsmith.model import Bundle
    from rowsmith.sequences import GivenNames
    from rowsmith.table.schema import TableSchema

__all__ = ["InverseTransforms"]

_MISFIT = "a value does not fit its column's dtype"


class InverseTransforms(ColumnActions):
    """Undoes a bundle's transforms, batch by batch.

    Draws are keyed by the record id, so that a row does not depend on its batch.

    Args:
        bundle: The trained model.
        seed: Seed of the draws.
        names: Names of the groups instead of new names; None for new names.
        numbering: The first number of new keys; its ``rows`` is updated with each batch.
        conditions: What rows must meet; others are rejected.

    Attributes:
        rows: Rows so far.
        unmet: Rows rejected by each condition so far.
    """

    def __init__(
        self,
        bundle: Bundle,
        seed: int,
        names: GivenNames | None = None,
        numbering: Numbering | None = None,
        conditions: Sequence[Condition | Constraint] = (),
    ) -> None:
        self._bundle = bundle
        self._seed = seed
        self._names = names
        self._dialect = RecordDialect(bundle.model_schema)
        self._carry: dict[str, Any] = {}
        self._numbering = numbering or Numbering()
        self._conditions = tuple(conditions)
        self.rows = 0
        self.unmet: dict[str, int] = {}

    def fresh_copy(self) -> InverseTransforms:
        """The same action without the state of earlier batches."""
        names = self._names and evolve(self._names, used=0)
        return InverseTransforms(self._bundle, self._seed, names, self._numbering, self._conditions)

    def __call__(self, rows: pd.DataFrame, accepted: Accepted) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Give the rows of the user's table.

        Args:
            rows: Records of the model schema with their hidden id.
            accepted: Rows accepted before; not needed here.

        Returns:
            Rows of the table schema in the user's dtypes; and the rows with a value that a column's
            dtype cannot hold, as far as a hidden id and a reason.
        """
        ids = rows[RECORD_ID].to_numpy(dtype="int64")
        records = rows.drop(columns=[RECORD_ID]).to_dict("records")
        outcome = self.on_columns(self._dialect.spell(records), ids)  # type: ignore[arg-type]
        left = list(outcome.rejected)
        frame = self.to_frame(outcome.valid)
        frame[RECORD_ID] = np.delete(ids, left)
        return frame, pd.DataFrame({RECORD_ID: ids[left], REJECT_REASON: list(outcome.rejected.values())})

    def on_columns(self, columns: pa.Table, record_ids: npt.NDArray[np.int64]) -> ColumnOutcome:
        """The same from and to spelled tables: of the model schema, and of the table schema."""
        return self._inverted(columns, record_ids, None)

    def on_series(
        self, columns: pa.Table, record_ids: npt.NDArray[np.int64], timed: Callable[[pa.Table, TableSchema], pa.Table]
    ) -> ColumnOutcome:
        """The same with records whose times are known, so that what depends on them comes back right."""
        return self._inverted(columns, record_ids, timed)

    def _inverted(
        self,
        columns: pa.Table,
        record_ids: npt.NDArray[np.int64],
        timed: Callable[[pa.Table, TableSchema], pa.Table] | None,
    ) -> ColumnOutcome:
        draws = Draws(self._seed, record_ids, self._numbering.first)
        inverted = self._bundle.transforms.invert(columns, draws, self._carry, timed)
        self.rows += len(draws)
        self._numbering.rows = max(self._numbering.rows, self.rows)
        if self._names is not None:
            inverted = self._names.put(inverted)
        # The time of a series is not yet as the user has it.
        wrong = misfits(inverted, self._bundle.transforms.schema_before)
        rejected = dict.fromkeys(np.flatnonzero(wrong).tolist(), _MISFIT)
        for condition in self._conditions:
            unmet = ~condition.met(inverted, self._bundle.transforms.schema_before) & ~wrong
            rejected |= dict.fromkeys(np.flatnonzero(unmet).tolist(), f"{condition} is not met")
            self.unmet[str(condition)] = self.unmet.get(str(condition), 0) + int(unmet.sum())
            wrong = wrong | unmet
        valid = inverted.filter(pa.array(~wrong)) if wrong.any() else inverted
        return ColumnOutcome(valid, rejected)

    def to_frame(self, columns: pa.Table) -> pd.DataFrame:
        """Rows of the table schema in the user's dtypes, each column labelled by its name."""
        return named_frame(columns, self._bundle.table_schema)
