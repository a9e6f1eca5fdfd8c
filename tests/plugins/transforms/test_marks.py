"""Numbers with marks among them are numbers, and marks."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.table.schema import Marked
from rowsmith_plugins.transforms.options import MarksOptions
from rowsmith_plugins.transforms.texts.marks import MarksTransform

from .tables import T, check_round_trip, check_state, column, draws, schema, seeds, table, texts

INTEGERS = Marked(type=T.INTEGER, marks=("NA", "<5", "?"))


def marked(**fields: Any) -> Any:
    return schema(column("x", T.TEXT, marked=INTEGERS, **fields))


def numbers(count: int) -> list[str | None]:
    return [str(number) for number in range(10, 10 + count)]


def test_marks_become_labels_and_the_rest_is_numbers() -> None:
    columns = table({"x": [*numbers(20), *["NA"] * 6, *["<5"] * 7]})
    fitted = MarksTransform().fit(columns, marked())
    applied = texts(fitted.apply(columns))
    assert [(each.name, each.type) for each in fitted.schema_after] == [("x.mark", T.CATEGORICAL), ("x", T.INTEGER)]
    assert applied["x"] == [*numbers(20), *[None] * 13]
    assert applied["x.mark"] == [*["value"] * 20, *["NA"] * 6, *["<5"] * 7]
    assert texts(check_round_trip(fitted, columns)) == texts(columns)
    check_state(MarksTransform(), fitted, columns)


def test_a_single_mark_needs_no_labels() -> None:
    columns = table({"x": [*numbers(20), *["NA"] * 6]})
    fitted = MarksTransform().fit(columns, marked())
    assert [(each.name, each.nullable) for each in fitted.schema_after] == [("x", True)]
    assert texts(check_round_trip(fitted, columns)) == texts(columns)


def test_nulls_and_rare_words_for_them_come_back_at_their_shares() -> None:
    columns = table({"x": [*numbers(20), *["NA"] * 2, *[None] * 6]})
    fitted = MarksTransform().fit(columns, marked(nullable=True))
    assert texts(fitted.apply(columns)) == {"x": [*numbers(20), *[None] * 8]}
    rows = 4_000
    back = texts(fitted.invert(table({"x": [None] * rows}), draws(rows), {}))["x"]
    assert set(back) == {"NA", None}
    assert Counter(back)["NA"] / rows == pytest.approx(0.25, abs=0.03)


def test_a_rare_text_becomes_a_number_of_the_table_and_is_counted() -> None:
    columns = table({"x": [*numbers(99), "12..5"]})
    fitted = MarksTransform(seed=3).fit(columns, marked())
    applied = fitted.apply(columns)
    assert texts(applied)["x"][:99] == numbers(99)
    assert texts(applied)["x"][99] in numbers(99)
    assert fitted.shares_changed(columns, applied) == {"x": 0.01}
    assert "12..5" not in str(fitted.state())


def test_numbers_of_another_style_are_written_in_the_columns() -> None:
    prices = Marked(type=T.DECIMAL, scale=2, max_scale=2)
    columns = table({"x": ["1.50", "2.5", "+3", "4.25", "5.00", "5.25", "5.50", "5.75"]})
    fitted = MarksTransform().fit(columns, schema(column("x", marked=prices)))
    assert texts(fitted.apply(columns))["x"][:4] == ["1.50", "2.50", "3.00", "4.25"]
    assert fitted.shares_changed(columns, fitted.apply(columns)) == {"x": 0.25}


def test_dates_have_marks_too() -> None:
    dates = Marked(type=T.DATETIME, datetime_format="%Y-%m-%d", marks=("never", "unknown"))
    days: list[str | None] = [f"2024-01-{day:02d}" for day in range(1, 30)]
    columns = table({"x": [*days, *["never"] * 5, *["unknown"] * 5, "2024-02-30"]})
    fitted = MarksTransform().fit(columns, schema(column("x", marked=dates)))
    assert [each.datetime_format for each in fitted.schema_after] == [None, "%Y-%m-%d"]
    assert texts(check_round_trip(fitted, columns))["x"][:-1] == texts(columns)["x"][:-1]


def test_fewer_than_k_rows_make_no_mark() -> None:
    columns = table({"x": [*numbers(50), *["<5"] * 7, *["NA"] * 9]})
    fitted = MarksTransform(MarksOptions(k=8)).fit(columns, marked())
    assert set(texts(fitted.apply(columns))["x"]) <= {*numbers(50), None}
    assert fitted.schema_after.names == ("x",)


def test_a_smaller_k_makes_more_marks() -> None:
    columns = table({"x": [*numbers(50), *["closed"] * 2, *["<5"] * 7]})
    fitted = MarksTransform(MarksOptions(k=2)).fit(columns, marked())
    assert texts(check_round_trip(fitted, columns)) == texts(columns)


def test_a_column_of_few_numbers_and_an_excluded_one_stay() -> None:
    columns = table({"x": [*numbers(4), *["NA"] * 9]})
    assert MarksTransform().fit(columns, marked()).schema_after == marked()
    columns = table({"x": [*numbers(20), *["NA"] * 6]})
    assert MarksTransform(MarksOptions(exclude=("x",))).fit(columns, marked()).schema_after == marked()


@settings(max_examples=40)
@given(seed=seeds, nulls=st.booleans(), words=st.lists(st.sampled_from(["NA", "<5", "?"]), max_size=30))
def test_any_pair_of_label_and_number_is_repaired(seed: int, nulls: bool, words: list[str]) -> None:
    given_: list[str | None] = [*numbers(20), *words, *([None] * 3 if nulls else [])]
    fitted = MarksTransform().fit(table({"x": given_}), marked(nullable=nulls))
    rng = np.random.default_rng(seed)
    labels: list[str | None] = [None, "value", "NA", "<5", "?", "other"]
    odd = {"x": rng.choice(["11", "12", None], 60).tolist()}
    if len(fitted.schema_after) == 2:
        odd = {"x.mark": rng.choice(np.array(labels, dtype=object), 60).tolist(), **odd}
    back = fitted.invert(table(odd), draws(60, seed), {})
    assert set(texts(back)["x"]) <= set(given_)
    assert texts(fitted.invert(fitted.apply(back), draws(60, seed), {}))["x"] is not None
