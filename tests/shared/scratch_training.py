"""A small trained model, made once for the tests that need real weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from attrs import frozen

from rowsmith.assembly import TrainingExamples, as_dataset
from rowsmith.assembly.ranges import ExampleRanges
from rowsmith.config import TrainingConfig
from rowsmith.model import PreparedModel, TrainingJob, TrainingReport
from rowsmith.randomness.seeds import Seeds
from rowsmith.table.schema import ColumnType, TableSchema
from rowsmith_backends.scratch.model import ScratchModel
from rowsmith_backends.scratch.options import ScratchOptions

from .spelled_tables import schema, table

OPTIONS = ScratchOptions(width=32, layers=1, dtype="float32", batch_size=32)


@frozen(eq=False)
class Trained:
    """A model and how it was trained."""

    prepared: PreparedModel
    report: TrainingReport
    directory: Path


def closed_table(rows: int) -> tuple[pa.Table, TableSchema]:
    """``b`` follows from ``a``; ``c`` is noise with nulls."""
    numbers = np.random.default_rng(0).integers(0, 4, size=(rows, 2))
    columns = table(
        a=[str(n) for n in numbers[:, 0]],
        b=["even" if n % 2 == 0 else "odd" for n in numbers[:, 0]],
        c=[None if n == 0 else str(n) for n in numbers[:, 1]],
    )
    return columns, schema(a=ColumnType.INTEGER, b=ColumnType.CATEGORICAL, c=ColumnType.INTEGER)


def number_table(rows: int, numbers: int = 24) -> tuple[pa.Table, TableSchema]:
    """``x`` is one of some numbers; the greater, the oftener is ``high`` a yes: never for 0, always for the last."""
    draw = np.random.default_rng(0)
    x = draw.integers(0, numbers, size=rows)
    high = draw.random(rows) < x / (numbers - 1)
    columns = table(x=[str(n) for n in x], high=["yes" if each else "no" for each in high])
    return columns, schema(x=ColumnType.INTEGER, high=ColumnType.CATEGORICAL)


def open_table(rows: int) -> tuple[pa.Table, TableSchema]:
    """``name`` is open text."""
    draw = np.random.default_rng(1)
    names = ["".join(draw.choice(list('abé"\\\n'), size=draw.integers(0, 6))) for _ in range(rows)]
    columns = table(
        name=[None if i % 7 == 0 else name for i, name in enumerate(names)], a=[str(i % 3) for i in range(rows)]
    )
    return columns, schema(name=ColumnType.TEXT, a=ColumnType.INTEGER)


def examples(prepared: PreparedModel, validation: int = 0) -> TrainingExamples:
    """One record an example."""
    store = prepared.token_store
    assert store is not None

    def ranges(rows: np.ndarray) -> object:
        starts = np.arange(len(rows), dtype=np.int64)
        return as_dataset(
            ExampleRanges(
                store=store, order=rows, starts=starts, stops=starts + 1, prompt_ids=(), bos_id=1, eos_id=2, pad_id=0
            )
        )

    order = np.random.default_rng(2).permutation(len(store))
    held = ranges(order[:validation]) if validation else None
    return TrainingExamples(ranges(order[validation:]), {}, held)


def train(made: tuple[pa.Table, TableSchema], directory: Path, *, validation: int = 0, **training: object) -> Trained:
    """Train a tiny model for real."""
    model = ScratchModel(OPTIONS)
    prepared = model.prepare(*made)
    job = TrainingJob(
        examples=examples(prepared, validation),
        training=TrainingConfig(**training),
        seeds=Seeds(0),
        directory=directory,
    )
    return Trained(prepared, model.train(prepared, job), directory)
