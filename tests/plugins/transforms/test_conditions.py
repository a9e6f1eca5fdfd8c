"""Conditions on the user's columns leave every value of the model's columns that can meet them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.conditions import Condition, read_conditions, rows_meeting
from rowsmith.conditions.narrowing import narrow
from rowsmith.table.columns import distinct
from rowsmith.table.schema import TableSchema
from rowsmith.transforms import fit_transforms
from rowsmith.vocabulary import model_schema_of

from .tables import T, all_transforms, column, table

ROWS = 400


def _fitted(seed: int):
    random = np.random.default_rng(seed)
    days = np.datetime64("2021-01-01") + random.integers(0, 700, ROWS)
    columns = table(
        {
            "amount": [f"{x:.2f}" for x in random.lognormal(3, 1, ROWS)],
            "count": [None if x == 0 else str(x) for x in random.poisson(3, ROWS)],
            "day": [str(day) for day in days],
            "kind": random.choice(["a", "b", "c", "d"], ROWS, p=[0.6, 0.3, 0.09, 0.01]).tolist(),
        }
    )
    schema = TableSchema(
        columns=(
            column("amount", T.DECIMAL, scale=2),
            column("count", T.INTEGER, nullable=True),
            column("day", T.DATETIME, datetime_format="%Y-%m-%d"),
            column("kind"),
        )
    )
    fitted, transformed = fit_transforms(columns, schema, list(all_transforms().items()))
    return columns, schema, fitted, transformed, model_schema_of(transformed, fitted.schema_after)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 50), ends=st.tuples(st.floats(0, 0.9), st.floats(0.05, 1)), null=st.booleans())
def test_no_value_of_a_row_that_meets_the_conditions_is_excluded(seed, ends, null):
    columns, schema, fitted, transformed, model_schema = _fitted(seed)
    amounts = np.sort([float(value) for value in columns.column("amount").to_pylist()])
    low = amounts[int(ends[0] * (ROWS - 1))]
    high = amounts[min(ROWS - 1, int((ends[0] + ends[1]) * (ROWS - 1)))]
    wanted = {
        "amount": {"min": low, "max": high},
        "count": [None, {"min": 2, "max": 3}] if null else {"min": 2, "max": 3},
        "day": {"min": "2021-03-01", "max": "2021-09-30"},
        "kind": ["a", "c"],
    }
    conditions = read_conditions(wanted, schema)
    narrowed = narrow(fitted, model_schema, conditions)
    assert not narrowed.impossible
    # Rows as they come back from the model: protection has moved the rarest values.
    met = rows_meeting(columns, schema, conditions)
    for name, allowed in narrowed.columns.items():
        values, codes = distinct(transformed, name)
        excluded = [code for code, value in enumerate([*values, None]) if value not in allowed]
        wrong = met & np.isin(np.where(codes < 0, len(values), codes), excluded)
        assert wrong.sum() <= 2 * 5, (name, wrong.sum())  # k rows at either end are moved
    assert {name.partition(".")[0] for name in narrowed.columns} >= {"count", "kind"}


def test_what_no_value_can_meet_and_what_no_column_shows_is_named():
    _, _, fitted, _, model_schema = _fitted(0)
    found = narrow(fitted, model_schema, [Condition(column="kind", values=frozenset({"z"}))])
    assert [each.column for each in found.impossible] == ["kind"]
    everything = Condition(column="amount", ranges=((-np.inf, np.inf),))
    found = narrow(fitted, model_schema, [everything])
    assert not found.impossible
    assert not found.columns
    assert [each.column for each in found.unguided] == ["amount"]


@pytest.mark.parametrize("value", ["a", "b"])
def test_a_label_leaves_itself_alone(value):
    _, _, fitted, _, model_schema = _fitted(1)
    found = narrow(fitted, model_schema, [Condition(column="kind", values=frozenset({value}))])
    assert found.columns == {"kind": (value,)}
