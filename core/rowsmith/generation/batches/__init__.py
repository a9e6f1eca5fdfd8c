"""From completions to rows: one batch, all batches of a job, and how they are counted.

``batch`` reads the completions of one call to an engine, as columns or as text; ``accumulator`` adds batches up until
a job has enough rows. Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.generation.batches.accounting import BatchFinished
    from rowsmith.generation.batches.accumulator import GenerationBatches
    from rowsmith.generation.batches.batch import Batch
    from rowsmith.generation.batches.columns import ColumnReader

__all__ = ["Batch", "BatchFinished", "ColumnReader", "GenerationBatches"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.generation.batches.accounting": ["BatchFinished"],
        "rowsmith.generation.batches.accumulator": ["GenerationBatches"],
        "rowsmith.generation.batches.batch": ["Batch"],
        "rowsmith.generation.batches.columns": ["ColumnReader"],
    },
)
