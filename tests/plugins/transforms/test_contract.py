"""What holds for every bundled transform, and for all of them together."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.errors import BundleError, PluginContractError
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import distinct
from rowsmith.table.schema import ColumnSchema, TableSchema
from rowsmith.table.types.datetimes import parse_datetimes
from rowsmith.table.types.spelling import parse_numbers, spell_numbers
from rowsmith.transforms import (
    FittedTransform,
    FittedTransforms,
    Scope,
    Transform,
    default_transforms,
    fit_transforms,
    schema_from_state,
    schema_state,
)
from rowsmith_plugins.transforms.rare.transform import ProtectRareTransform

from .tables import (
    MAKERS,
    T,
    all_transforms,
    check_round_trip,
    check_state,
    column,
    draws,
    random_table,
    row_counts,
    schema,
    seeds,
    table,
    texts,
)

KINDS = list(MAKERS)


def check_support(columns: pa.Table, found: TableSchema) -> None:
    """Every value is one that its column could write, and null stands only where it may."""
    for each in found:
        values, codes = distinct(columns, each.name)
        assert each.nullable or not (codes < 0).any()
        if each.type in (T.INTEGER, T.DECIMAL):
            numbers = parse_numbers(values)
            exact = each.type is T.DECIMAL or abs(numbers).max(initial=0) < 2**53
            assert not exact or spell_numbers(numbers, each) == values
        elif each.type is T.DATETIME:
            parse_datetimes(values, each.datetime_format or "")
        elif each.type is T.BOOLEAN:
            assert set(values) <= {"False", "True"}


@pytest.mark.parametrize("name", default_transforms())
@settings(max_examples=40)
@given(seed=seeds, rows=row_counts, kind=st.sampled_from(KINDS))
def test_each_transform_keeps_its_promise(name: str, seed: int, rows: int, kind: Any) -> None:
    found, columns = random_table(seed, rows, [kind, T.CATEGORICAL])
    transform = all_transforms()[name]
    fitted = transform.fit(columns, found)
    check_support(check_round_trip(fitted, columns, seed), found)
    check_state(transform, fitted, columns)


@settings(max_examples=30)
@given(seed=seeds, rows=row_counts, other=row_counts)
def test_the_pipeline_keeps_the_promise_on_unseen_rows_too(seed: int, rows: int, other: int) -> None:
    found, columns = random_table(seed, rows + other, KINDS)
    train, unseen = columns.slice(0, rows), columns.slice(rows)
    fitted, applied = fit_transforms(train, found, list(all_transforms().items()))
    assert texts(applied) == texts(fitted.apply(train))
    check_support(check_round_trip(fitted, train, seed), found)
    check_support(check_round_trip(fitted, unseen, seed), found)
    state = json.loads(json.dumps(fitted.state()))
    restored = FittedTransforms.restore(state, all_transforms().__getitem__)
    assert json.loads(json.dumps(restored.state())) == state
    assert texts(restored.apply(unseen)) == texts(fitted.apply(unseen))
    assert len(restored.inventory()) == sum(len(step.inventory()) for _, step in fitted.steps)


@settings(max_examples=20)
@given(seed=seeds, rows=row_counts, data=st.data())
def test_invert_is_total(seed: int, rows: int, data: st.DataObject) -> None:
    """A model may put any value seen in a column beside any other, and null anywhere."""
    found, columns = random_table(seed, rows, KINDS)
    fitted, applied = fit_transforms(columns, found, list(all_transforms().items()))
    odd = {}
    for each in fitted.schema_after:
        values: list[str | None] = [*distinct(applied, each.name)[0]]
        choices = [*values, None] if each.nullable or "." in each.name else values or [None]
        odd[each.name] = data.draw(st.lists(st.sampled_from(choices), min_size=5, max_size=5))
    inverted = fitted.invert(table(odd) if odd else columns.select([]).slice(0, 5), draws(5, seed), {})
    assert inverted.column_names == list(found.names)


@given(seed=seeds, rows=st.integers(2, 150), cut=st.integers(1, 149))
@settings(max_examples=20)
def test_rows_do_not_depend_on_how_they_are_batched(seed: int, rows: int, cut: int) -> None:
    found, columns = random_table(seed, rows, KINDS)
    fitted, applied = fit_transforms(columns, found, list(all_transforms().items()))
    cut = min(cut, rows - 1)
    whole = texts(fitted.invert(applied, draws(rows, seed), {}))
    carry: dict[str, Any] = {}
    first = texts(fitted.invert(applied.slice(0, cut), draws(cut, seed), carry))
    second = texts(fitted.invert(applied.slice(cut), draws(rows - cut, seed, cut), carry))
    assert {name: first[name] + second[name] for name in found.names} == whole


def test_the_schema_goes_through_json() -> None:
    found = schema(
        column("a", T.DECIMAL, scale=2, max_scale=2, nullable=True),
        column("b", T.BOOLEAN, spellings=("no", "yes")),
        column("c", T.DATETIME, datetime_format="%Y"),
    )
    assert schema_from_state(json.loads(json.dumps(schema_state(found)))) == found


class Odd(Transform, FittedTransform):
    """Passes a table on, or breaks the contract in one way."""

    def __init__(self, before: TableSchema, /, **wrong: Any) -> None:
        self.schema_before = wrong.get("before", before)
        self.schema_after = wrong.get("after", before)
        self.wrong = wrong

    def fit(self, columns: pa.Table, schema: TableSchema) -> Any:
        return self.wrong.get("fitted", self)

    def restore(self, state: Any) -> FittedTransform:
        return self

    def apply(self, columns: pa.Table) -> pa.Table:
        if self.wrong.get("mutates"):
            address = columns.column("a").chunk(0).indices.buffers()[1].address
            import ctypes

            ctypes.cast(address, ctypes.POINTER(ctypes.c_int32))[0] ^= 1
        return self.wrong.get("applied", columns)

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        return self.wrong.get("inverted", columns)

    def state(self) -> dict[str, Any]:
        return {}

    def inventory(self) -> list[str]:
        return []


BEFORE = schema(column("a"))
GOOD = table({"a": ["x", "y"]})
OTHER: ColumnSchema = column("b")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fitted": 3}, "returned a int"),
        ({"before": schema(OTHER)}, "schema_before"),
        ({"applied": None}, "NoneType"),
        ({"applied": GOOD.slice(1)}, "1 rows for 2"),
        ({"applied": table({"b": ["x", "y"]})}, "columns"),
        ({"applied": pa.table({"a": ["x", "y"]})}, "string"),
        ({"after": schema(OTHER)}, "columns"),
        ({"mutates": True}, "changed the table"),
    ],
)
def test_a_breach_names_the_transform(wrong: dict[str, Any], message: str) -> None:
    good = table({"a": ["x", "y"]})
    with pytest.raises(PluginContractError, match=message) as error:
        fit_transforms(good, BEFORE, [("odd-one", Odd(BEFORE, **wrong))])
    assert "odd-one" in str(error.value)


@pytest.mark.parametrize(
    ("inverted", "message"),
    [
        (None, "returned a NoneType"),
        (GOOD.slice(1), "returned 1 rows for 2"),
        (table({"a": ["x", "y", "x", "y"]}), "returned 4 rows for 2"),
        (table({"b": ["x", "y"]}), r"returned the columns \['b'\]; its schema says \['a'\]"),
        (GOOD.drop_columns(["a"]), r"returned (0 rows|the columns \[\])"),
        (table({"a": ["x", "y"], "b": ["x", "y"]}), r"returned the columns \['a', 'b'\]"),
        (pa.table({"a": ["x", "y"]}), "returned column 'a' as string"),
    ],
)
def test_a_breach_while_inverting_names_the_transform(inverted: Any, message: str) -> None:
    fitted, _ = fit_transforms(GOOD, BEFORE, [("odd-one", Odd(BEFORE, inverted=inverted))])
    with pytest.raises(PluginContractError, match=f"invert of transform 'odd-one' {message}") as caught:
        fitted.invert(GOOD, draws(2), {})
    assert caught.value.__notes__ == [f"in {Odd.__module__}.Odd"]


def test_each_step_keeps_its_own_carry() -> None:
    class Counting(Odd):
        def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
            carry["calls"] = carry.get("calls", 0) + 1
            return columns

    fitted, _ = fit_transforms(GOOD, BEFORE, [("same", Counting(BEFORE)), ("same", Counting(BEFORE))])
    carry: dict[str, Any] = {}
    fitted.invert(GOOD, draws(2), carry)
    fitted.invert(GOOD, draws(2), carry)
    assert [part["calls"] for part in carry.values()] == [2, 2]


def test_steps_that_do_not_follow_on_are_a_damaged_model() -> None:
    state = {"schema": schema_state(BEFORE), "steps": [{"name": "other", "state": {}}]}
    with pytest.raises(BundleError, match="other"):
        FittedTransforms.restore(state, lambda name: Odd(schema(OTHER)))


def test_without_steps_nothing_changes() -> None:
    fitted, applied = fit_transforms(GOOD, BEFORE, [])
    assert fitted.schema_after == BEFORE
    assert fitted.scope is Scope.ROW
    assert texts(fitted.invert(applied, draws(2), {})) == texts(GOOD)


def test_a_group_scoped_step_makes_the_whole_group_scoped() -> None:
    class Grouped(Odd):
        scope = Scope.GROUP

    fitted, _ = fit_transforms(GOOD, BEFORE, [("plain", Odd(BEFORE)), ("grouped", Grouped(BEFORE))])
    assert fitted.scope is Scope.GROUP


def test_what_a_step_changes_for_good_is_counted_for_the_columns_of_the_user() -> None:
    numbers = [*map(str, [0] * 10), *map(str, [1] * 6), "2", "3", "4", None]
    found = schema(column("a", T.INTEGER, nullable=True), column("b"))
    columns = table({"a": numbers, "b": ["x"] * 10 + ["y"] * 10})
    fitted, _ = fit_transforms(columns, found, [("protect-rare", ProtectRareTransform())])
    assert fitted.changed == {"a": 3 / 20, "b": 0.0}
    assert fitted.notes() == [
        "transform 'protect-rare' changes values permanently, by column and share of rows: a (15.0%)"
    ]
    again = FittedTransforms.restore(json.loads(json.dumps(fitted.state())), all_transforms().__getitem__)
    assert again.changed == fitted.changed


def test_a_step_that_can_be_undone_changes_nothing() -> None:
    class Swapped(Odd):
        def apply(self, columns: pa.Table) -> pa.Table:
            return table({"a": [{"x": "y", "y": "x"}[str(value)] for value in columns.column("a").to_pylist()]})

        invert = lambda self, columns, draws, carry: self.apply(columns)  # noqa: E731

    fitted, applied = fit_transforms(GOOD, BEFORE, [("swapped", Swapped(BEFORE))])
    assert texts(applied) == {"a": ["y", "x"]}
    assert fitted.changed == {"a": 0.0}
    assert not fitted.notes()


def test_shares_of_columns_that_a_step_has_made_count_for_what_they_were_made_of() -> None:
    class Halves(Odd):
        def apply(self, columns: pa.Table) -> pa.Table:
            return table({"a": ["x", "y"], "a.1": ["x", "y"]})

    class Changing(Odd):
        def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Any:
            return self.wrong["shares"]

    made = schema(column("a"), column("a.1"))
    steps: list[tuple[str, Transform]] = [("halves", Halves(BEFORE, after=made))]
    fitted, _ = fit_transforms(GOOD, BEFORE, [*steps, ("changing", Changing(made, shares={"a": 0.25, "a.1": 0.5}))])
    assert fitted.changes == ({}, {"a": 0.75})
    for shares, message in (({"c": 0.5}, "'c'"), ({"a": 2.0}, "2.0"), (3, "int")):
        with pytest.raises(PluginContractError, match=message):
            fit_transforms(GOOD, BEFORE, [("changing", Changing(BEFORE, shares=shares))])


def test_a_note_on_changes_names_ten_columns_at_most() -> None:
    class Changing(Odd):
        def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Any:
            return {name: 0.01 * (place + 1) for place, name in enumerate(columns.column_names)} | {"c0": 0.001}

    wide = schema(*(column(f"c{place}") for place in range(14)))
    fitted, _ = fit_transforms(table({name: ["x"] for name in wide.names}), wide, [("changing", Changing(wide))])
    (note,) = fitted.notes()
    assert "c13 (14.0%), c12 (13.0%)" in note
    assert note.endswith("c4 (5.0%) and 3 more")
