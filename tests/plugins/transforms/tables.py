"""Small spelled tables, by hand and at random."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from rowsmith.config import RunConfig
from rowsmith.context import BuildContext
from rowsmith.randomness.draws import Draws
from rowsmith.randomness.seeds import Seeds
from rowsmith.table.columns import CODED_TEXT
from rowsmith.table.schema import ColumnSchema, ColumnType, Marked, TableSchema
from rowsmith.table.types.spelling import spell_numbers
from rowsmith.transforms import FittedTransform, FittedTransforms, Transform
from rowsmith_plugins.transforms.common.constant import ConstantTransform
from rowsmith_plugins.transforms.common.narrow_first import NarrowFirstTransform
from rowsmith_plugins.transforms.datetime.transform import DatetimeTransform
from rowsmith_plugins.transforms.keys.transform import KeysTransform
from rowsmith_plugins.transforms.options import QuantizeOptions
from rowsmith_plugins.transforms.quantize.transform import QuantizeTransform
from rowsmith_plugins.transforms.rare.transform import ProtectRareTransform
from rowsmith_plugins.transforms.relations.transform import RelationsTransform
from rowsmith_plugins.transforms.texts.codes import CodesTransform
from rowsmith_plugins.transforms.texts.marks import MarksTransform
from rowsmith_plugins.transforms.texts.texts import TextsTransform

T = ColumnType


def context(**sections: Any) -> BuildContext:
    """What a builder is given, for a run with these sections of a configuration."""
    nothing: Any = None
    return BuildContext(config=RunConfig(**sections), registry=nothing, seeds=Seeds(0))


def all_transforms() -> dict[str, Transform]:
    return {
        "keys": KeysTransform(),
        "marks": MarksTransform(seed=5),
        "constant": ConstantTransform(),
        "relations": RelationsTransform(k=5),
        "codes": CodesTransform(seed=11),
        "protect-rare": ProtectRareTransform(seed=7, quantize=QuantizeOptions()),
        "texts": TextsTransform(seed=9),
        "datetime": DatetimeTransform(k=5),
        "quantize": QuantizeTransform(),
        "narrow-first": NarrowFirstTransform(),
    }


def column(name: str, type_: ColumnType = T.CATEGORICAL, **fields: Any) -> ColumnSchema:
    return ColumnSchema(name=name, type=type_, **fields)


def table(columns: Mapping[str, Sequence[str | None]]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()).cast(CODED_TEXT) for name, values in columns.items()})


def schema(*columns: ColumnSchema) -> TableSchema:
    return TableSchema(columns=columns)


def draws(rows: int, seed: int = 0, start: int = 0) -> Draws:
    return Draws(seed, np.arange(start, start + rows))


def texts(columns: pa.Table) -> dict[str, list[str | None]]:
    return {name: columns.column(name).to_pylist() for name in columns.column_names}


def check_round_trip(fitted: FittedTransform | FittedTransforms, columns: pa.Table, seed: int = 0) -> pa.Table:
    """The promise of every transform; gives the inverted table."""
    applied = fitted.apply(columns)
    inverted = fitted.invert(applied, draws(columns.num_rows, seed), {})
    assert tuple(inverted.column_names) == fitted.schema_before.names
    assert tuple(applied.column_names) == fitted.schema_after.names
    assert inverted.num_rows == columns.num_rows
    assert texts(fitted.apply(inverted)) == texts(applied)
    return inverted


def check_state(transform: Transform, fitted: FittedTransform, columns: pa.Table) -> None:
    """A transform restored from JSON does the same."""
    state = json.loads(json.dumps(fitted.state()))
    restored = transform.restore(state)
    assert json.loads(json.dumps(restored.state())) == state
    assert restored.schema_before == fitted.schema_before
    assert restored.schema_after == fitted.schema_after
    assert restored.inventory() == fitted.inventory()
    applied = fitted.apply(columns)
    assert texts(restored.apply(columns)) == texts(applied)
    rows = draws(columns.num_rows, 3)
    assert texts(restored.invert(applied, rows, {})) == texts(fitted.invert(applied, rows, {}))


def _numbers(rng: np.random.Generator, rows: int) -> np.ndarray:
    scale = 10.0 ** rng.integers(0, 7)
    kind = rng.integers(4)
    if kind == 0:
        numbers = rng.normal(0, scale, rows)
    elif kind == 1:
        numbers = rng.exponential(scale, rows) * (rng.random(rows) < 0.7)
    elif kind == 2:
        numbers = rng.integers(-3, 4, rows) * scale
    else:
        numbers = rng.choice(rng.normal(0, scale, 30), rows)
    return np.asarray(numbers)


def _integers(rng: np.random.Generator, rows: int, name: str) -> tuple[ColumnSchema, list[str]]:
    schema_ = column(name, T.INTEGER)
    return schema_, spell_numbers(_numbers(rng, rows) * rng.choice([1, 1e9]), schema_)


def _decimals(rng: np.random.Generator, rows: int, name: str) -> tuple[ColumnSchema, list[str]]:
    style: dict[str, Any] = [
        {"scale": 2, "max_scale": 2},
        {"scale": 9, "max_scale": 9},
        {"max_scale": 3},
        {"max_scale": 2, "whole_point": False},
        {},
    ][rng.integers(5)]
    schema_ = column(name, T.DECIMAL, **style)
    return schema_, spell_numbers(_numbers(rng, rows), schema_)


def _moments(rng: np.random.Generator, rows: int, name: str) -> tuple[ColumnSchema, list[str]]:
    format_ = ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S.%f+01:00", "%Y-%m-%d %H:%M:%SZ"]
    chosen = format_[rng.integers(len(format_))]
    start = datetime(int(rng.integers(1000, 2100)), 1, 31, tzinfo=UTC)
    seconds = rng.integers(0, 10 ** rng.integers(1, 10), rows)
    micros = rng.integers(0, 1000, rows) * rng.choice([0, 1, 1000])
    moments = [start + timedelta(seconds=int(s), microseconds=int(m)) for s, m in zip(seconds, micros, strict=True)]
    return column(name, T.DATETIME, datetime_format=chosen), [moment.strftime(chosen) for moment in moments]


def _labels(rng: np.random.Generator, rows: int, name: str) -> tuple[ColumnSchema, list[str]]:
    type_ = [T.CATEGORICAL, T.TEXT][rng.integers(2)]
    pool = ["", "a", "Zürich", "_RARE_", "é x", '"', "\\", "b\nc", *(f"v{i}" for i in range(int(rng.integers(60))))]
    weights = rng.dirichlet(np.full(len(pool), 0.3))
    return column(name, type_), [pool[i] for i in rng.choice(len(pool), rows, p=weights)]


def _booleans(rng: np.random.Generator, rows: int, name: str) -> tuple[ColumnSchema, list[str]]:
    values = ["True" if one else "False" for one in rng.random(rows) < rng.random()]
    return column(name, T.BOOLEAN, spellings=("False", "True")), values


def _codes(rng: np.random.Generator, rows: int, name: str) -> tuple[ColumnSchema, list[str]]:
    if rng.integers(2):
        return column(name, T.TEXT), [f"CUST-{i:05d}" for i in rng.permutation(rows) + 17]
    return column(name, T.TEXT), [f"{i:08x}-{i % 7}" for i in rng.permutation(2**20)[:rows]]


def _constants(rng: np.random.Generator, rows: int, name: str) -> tuple[ColumnSchema, list[str]]:
    return column(name, T.TEXT), [f"same {rng.integers(9)}"] * rows


def _marked(rng: np.random.Generator, rows: int, name: str) -> tuple[ColumnSchema, list[str]]:
    """Numbers or dates with marks among them, words for null, slips, and numbers of another style."""
    inner, values = [_integers, _decimals, _moments][rng.integers(3)](rng, rows, name)
    pool = np.array(["NA", "<5", "?", "12..5", "+7", "unknown"])[: int(rng.integers(1, 7))]
    odd = rng.random(rows) < rng.choice([0.02, 0.2, 0.9])
    texts_ = np.where(odd, rng.choice(pool, rows), np.array(values, dtype=object)).tolist()
    fields = {each: getattr(inner, each) for each in ("type", "scale", "max_scale", "whole_point", "datetime_format")}
    return column(name, T.TEXT, marked=Marked(marks=("NA", "<5", "?"), **fields)), texts_


MAKERS = {
    T.INTEGER: _integers,
    T.DECIMAL: _decimals,
    T.DATETIME: _moments,
    T.CATEGORICAL: _labels,
    T.BOOLEAN: _booleans,
    "key": _codes,
    "constant": _constants,
    "marked": _marked,
}


def random_table(seed: int, rows: int, kinds: Sequence[Any]) -> tuple[TableSchema, pa.Table]:
    """A table with a column of each kind; some columns have nulls, some nothing else."""
    rng = np.random.default_rng(seed)
    schemas, columns = [], {}
    for place, kind in enumerate(kinds):
        found, values = MAKERS[kind](rng, rows, f"c{place}")
        share = rng.choice([0.0, 0.0, 0.2, 1.0], p=[0.45, 0.1, 0.4, 0.05])
        holed = [None if missing else value for value, missing in zip(values, rng.random(rows) < share, strict=True)]
        schemas.append(ColumnSchema(**{**_fields(found), "nullable": bool(share)}))
        columns[found.name] = holed
    return schema(*schemas), table(columns)


def _fields(column_: ColumnSchema) -> dict[str, Any]:
    return {each: getattr(column_, each) for each in column_.__slots__ if each != "__weakref__"}


seeds = st.integers(0, 2**32 - 1)
row_counts = st.integers(1, 150)
