"""What holds for the transforms of a grouped run together, whatever the table."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.config.sections import DataConfig
from rowsmith.sequences import arrange
from rowsmith.table.columns import distinct
from rowsmith.table.schema import TimingRole
from rowsmith.table.table import Table
from rowsmith.transforms import FittedTransforms, Transform, default_transforms, fit_transforms
from rowsmith_plugins.transforms.common import constant
from rowsmith_plugins.transforms.datetime import transform as datetime
from rowsmith_plugins.transforms.groups import transform as groups
from rowsmith_plugins.transforms.keys import transform as keys
from rowsmith_plugins.transforms.quantize import transform as quantize
from rowsmith_plugins.transforms.rare import transform as protect_rare
from rowsmith_plugins.transforms.relations import transform as relations
from rowsmith_plugins.transforms.texts import codes, marks
from rowsmith_plugins.transforms.texts import texts as texts_

from .tables import MAKERS, T, context, draws, random_table, row_counts, schema, seeds, table, texts
from .test_contract import check_support

NAMES, ORDER = ("c0",), "c1"
ORDERS = [T.INTEGER, T.DECIMAL, T.DATETIME]
OTHERS = [T.INTEGER, T.DECIMAL, T.DATETIME, T.CATEGORICAL, T.BOOLEAN, "key", "constant", "marked"]
DATA = DataConfig(group_training_examples_by=NAMES, order_training_examples_by=ORDER)
MODULES: dict[str, Any] = {
    "keys": keys,
    "marks": marks,
    "constant": constant,
    "relations": relations,
    "groups": groups,
    "codes": codes,
    "protect-rare": protect_rare,
    "texts": texts_,
    "datetime": datetime,
    "quantize": quantize,
}


def transforms() -> list[tuple[str, Transform]]:
    return [(name, MODULES[name].build(context(data=DATA), None)) for name in default_transforms(grouped=True)]


def grouped_table(seed: int, rows: int, order: Any) -> tuple[Table, Table]:
    """Two tables with names of groups, an order, a column of each kind, and two that are constant in groups."""
    rng = np.random.default_rng(seed)
    found, columns = random_table(seed, 2 * rows, [T.CATEGORICAL, order, *OTHERS, T.INTEGER, T.CATEGORICAL])
    held: dict[str, Any] = texts(columns)
    held["c0"] = np.sort(rng.integers(0, max(1, 2 * rows // int(rng.integers(1, 8))), 2 * rows))
    held["c0"] = [f"g{name}" for name in held["c0"]]
    ordered, held[ORDER] = MAKERS[order](rng, 2 * rows, ORDER)
    for name in found.names[-2:]:
        first = dict(zip(held["c0"], held[name], strict=True))
        held[name] = [first[group] for group in held["c0"]]
    found = schema(found["c0"], ordered, *found.columns[2:])
    arranged = arrange(Table(table(held), found), context(data=DATA).config)
    half = arranged.groups < arranged.num_groups // 2 if arranged.num_groups > 1 else np.ones(2 * rows, dtype=bool)
    return arranged.take(np.flatnonzero(half)).table, arranged.take(np.flatnonzero(~half)).table


def steps_of(columns: pa.Table) -> list[str | None]:
    return texts(columns)[f"{ORDER}~step"]


@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=15)
@given(seed=seeds, rows=row_counts)
def test_the_pipeline_keeps_its_promise_but_for_places(order: Any, seed: int, rows: int) -> None:
    train, unseen = grouped_table(seed, rows, order)
    fitted, applied = fit_transforms(train.columns, train.schema, transforms())
    restored = FittedTransforms.restore(json.loads(json.dumps(fitted.state())), dict(transforms()).__getitem__)
    assert restored.schema_after == fitted.schema_after
    assert restored.inventory() == fitted.inventory()
    timed = {each.name for each in fitted.schema_after if each.timing is not None}
    assert [each.timing.role for each in fitted.schema_after if each.timing][:2] == [
        TimingRole.STEP,
        TimingRole.POSITION,
    ]
    for given_ in (train.columns, unseen.columns):
        applied = fitted.apply(given_)
        assert texts(restored.apply(given_)) == texts(applied)
        rows_ = draws(given_.num_rows, seed)
        back = fitted.invert(applied, rows_, {})
        assert texts(restored.invert(applied, rows_, {})) == texts(back)
        check_support(back, train.schema)
        again = fitted.apply(back)
        assert steps_of(again) == steps_of(applied)
        free = [name for name in applied.column_names if name not in timed]
        assert texts(again.select(free)) == texts(applied.select(free))
        check_groups(back, [step is None for step in steps_of(applied)])


def check_groups(back: pa.Table, first: list[bool]) -> None:
    """Names are one for each group, and new ones."""
    names = texts(back)["c0"]
    groups_ = np.cumsum(first).tolist()
    assert len(set(zip(groups_, names, strict=True))) == len(set(groups_)) == len(set(names))


@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=10)
@given(seed=seeds, rows=row_counts, data=st.data())
def test_whatever_a_model_writes_becomes_groups_in_order(order: Any, seed: int, rows: int, data: st.DataObject) -> None:
    train, _ = grouped_table(seed, rows, order)
    fitted, applied = fit_transforms(train.columns, train.schema, transforms())
    odd = {}
    for each in fitted.schema_after:
        values = [*distinct(applied, each.name)[0], None]
        odd[each.name] = data.draw(st.lists(st.sampled_from(values), min_size=12, max_size=12))
    back = fitted.invert(table(odd), draws(12, seed), {})
    assert back.column_names == list(train.schema.names)
    first = [not row or step is None for row, step in enumerate(odd[f"{ORDER}~step"])]
    check_groups(back, first)
    arranged = arrange(Table(back, train.schema), context(data=DATA).config).table
    assert texts(arranged.columns) == texts(back)


def test_every_kind_of_column_is_looked_at() -> None:
    assert {*ORDERS, *OTHERS} == set(MAKERS)
