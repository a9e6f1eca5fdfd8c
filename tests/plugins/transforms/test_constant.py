"""Constant columns are set aside and put back."""

import pytest

from rowsmith_plugins.transforms.common.constant import ConstantTransform

from .tables import T, check_round_trip, check_state, column, draws, schema, table, texts

COLUMNS = table(
    {
        "same": ["7", "7", "7"],
        "none": [None, None, None],
        "holes": ["a", None, "a"],
        "other": ["x", "y", "x"],
    }
)
SCHEMA = schema(
    column("same", T.INTEGER),
    column("none", T.NULL, nullable=True),
    column("holes", nullable=True),
    column("other"),
)


def test_columns_of_one_value_or_of_none_are_left_out() -> None:
    transform = ConstantTransform()
    fitted = transform.fit(COLUMNS, SCHEMA)
    assert fitted.schema_after.names == ("holes", "other")
    assert texts(check_round_trip(fitted, COLUMNS)) == texts(COLUMNS)
    check_state(transform, fitted, COLUMNS)
    assert len(fitted.inventory()) == 2


def test_excluded_columns_stay() -> None:
    fitted = ConstantTransform(exclude=("same",)).fit(COLUMNS, SCHEMA)
    assert fitted.schema_after.names == ("same", "holes", "other")


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_table_of_constants_only_comes_back_whole(rows: int) -> None:
    fitted = ConstantTransform().fit(COLUMNS.select(["same", "none"]), schema(*SCHEMA.columns[:2]))
    left = fitted.apply(COLUMNS.select(["same", "none"]))
    assert left.num_columns == 0
    inverted = fitted.invert(left, draws(rows), {})
    assert texts(inverted) == {"same": ["7"] * rows, "none": [None] * rows}


def test_an_empty_table_has_no_constants() -> None:
    assert ConstantTransform().fit(COLUMNS.slice(0, 0), SCHEMA).schema_after == SCHEMA
