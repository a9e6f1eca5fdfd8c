"""A table through its transforms and back without a model between: what the encoding alone does to it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.zoo.outcomes import Effort, Outcome, told_of
from rowsmith.components import ComponentRef, Kind
from rowsmith.config import load_config
from rowsmith.context import BuildContext
from rowsmith.plugins import Registry
from rowsmith.randomness.draws import Draws
from rowsmith.randomness.seeds import Seeds
from rowsmith.table import from_frame, to_frame
from rowsmith.transforms import FittedTransforms, Transform, default_transforms, fit_transforms


def encode(table: pd.DataFrame, effort: Effort) -> Outcome:
    """Fit the default transforms, draw rows of the encoded table, and give them back."""
    found = from_frame(table)
    fitted, columns = fit_transforms(found.columns, found.schema, _transforms(found.schema, effort.seed))
    rows = effort.rows(table)
    # Every row as often as any other: what differs beyond that is the encoding's doing.
    random, copies = np.random.default_rng(effort.seed), -(-rows // len(table))
    order = np.concatenate([random.permutation(len(table)) for _ in range(copies)])[:rows]
    inverted = fitted.invert(columns.take(pa.array(order)), Draws(effort.seed, np.arange(rows)), {})
    return Outcome(
        real=table, synthetic=to_frame(inverted, found.schema), told=told_of(fitted.state(), tuple(_notes(fitted)))
    )


def _transforms(schema: object, seed: int) -> list[tuple[str, Transform]]:
    context = BuildContext(config=load_config(values={"seed": seed}), registry=Registry(), seeds=Seeds(seed))
    context = context.evolve(table_schema=schema)
    names = default_transforms()
    return [(name, context.resolve(Kind.TRANSFORM, ComponentRef(name=name))) for name in names]  # type: ignore[misc]


def _notes(fitted: FittedTransforms) -> list[str]:
    notes = getattr(fitted, "notes", list)
    return list(notes())
