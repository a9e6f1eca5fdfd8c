"""The data action of every run: from what the model writes back to the user's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from rowsmith.dialect import RecordDialect
from rowsmith.draws import Draws
from rowsmith.generation.actions import RECORD_ID, REJECT_REASON, Accepted
from rowsmith.table.frames import misfits, to_frame

if TYPE_CHECKING:
    from rowsmith.bundle import Bundle

__all__ = ["InverseTransforms"]


class InverseTransforms:
    """Undoes a bundle's transforms, batch by batch.

    Draws are keyed by the record id, so that a row does not depend on its batch.

    Args:
        bundle: The trained model.
        seed: Seed of the draws.
    """

    def __init__(self, bundle: Bundle, seed: int) -> None:
        self._bundle = bundle
        self._seed = seed
        self._dialect = RecordDialect(bundle.model_schema)
        self._carry: dict[str, Any] = {}

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
        spelled = self._dialect.spell(records)  # type: ignore[arg-type]
        inverted = self._bundle.transforms.invert(spelled, Draws(self._seed, ids), self._carry)
        fits = ~misfits(inverted, self._bundle.table_schema)
        frame = to_frame(inverted.filter(pa.array(fits)), self._bundle.table_schema)
        frame[RECORD_ID] = ids[fits]
        rejected = pd.DataFrame({RECORD_ID: ids[~fits], REJECT_REASON: "a value does not fit its column's dtype"})
        return frame, rejected
