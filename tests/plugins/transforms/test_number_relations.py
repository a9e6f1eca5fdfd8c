"""Numbers and dates that follow from others: found by support, restored exactly, and retained in other rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.expressions import parse_statement
from rowsmith.table.columns import codes_of, single_array, spelled
from rowsmith.table.schema import ColumnSchema, TableSchema
from rowsmith_plugins.transforms.options import RelationsOptions
from rowsmith_plugins.transforms.relations.transform import FittedRelations, RelationsTransform

from .tables import T, check_round_trip, check_state, column, draws, schema, seeds, table, texts

ROWS = 2_000
DAYS = np.arange("2020-01-01", "2022-12-31", dtype="datetime64[D]")
Planted = dict[str, npt.NDArray[Any]]


def spell(values: Sequence[Any], digits: int = 2) -> list[str | None]:
    """Whole numbers and dates as they are, other numbers with so many digits; NaN is null."""
    return [
        None if value != value else f"{value:.{digits}f}" if isinstance(value, float) else str(value)
        for value in np.asarray(values).tolist()
    ]


def made(columns: Mapping[str, npt.NDArray[Any]]) -> tuple[pa.Table, TableSchema]:
    """A spelled table of whole numbers, cents and dates, and its schema."""
    types: list[ColumnSchema] = []
    for name, values in columns.items():
        null = bool((values != values).any())
        if values.dtype.kind == "M":
            types.append(column(name, T.DATETIME, datetime_format="%Y-%m-%d", nullable=null))
        elif values.dtype.kind == "f":
            types.append(column(name, T.DECIMAL, scale=2, nullable=null))
        else:
            types.append(column(name, T.INTEGER))
    spelled_ = {
        name: spell(values.astype("U") if values.dtype.kind == "M" else values) for name, values in columns.items()
    }
    return table(spelled_), schema(*types)


def fit(columns: Mapping[str, npt.NDArray[Any]], **options: Any) -> tuple[pa.Table, FittedRelations]:
    spelled_, types = made(columns)
    return spelled_, RelationsTransform(RelationsOptions(**options), k=5).fit(spelled_, types)


def described(fitted: FittedRelations) -> list[str]:
    return [each.describe() for each in fitted.codings]


def cents(rng: np.random.Generator, rows: int = ROWS, center: float = 4.0) -> npt.NDArray[np.float64]:
    return np.round(np.exp(rng.normal(center, 1, rows)), 2)


def base(rng: np.random.Generator, rows: int = ROWS) -> Planted:
    """Columns that have nothing to do with each other."""
    return {
        "count": rng.integers(1, 60, rows),
        "price": cents(rng, rows, 3.0),
        "amount": cents(rng, rows),
        "other": cents(rng, rows, 5.0),
        "day": rng.choice(DAYS[:700], rows),
    }


def formulas(found: Planted, rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    """A column of each kind of relation."""
    return {
        "copy": found["amount"],
        "sum": np.round(found["amount"] + found["other"], 2),
        "difference": np.round(found["other"] - found["amount"], 2),
        "product": np.round(found["count"] * found["price"], 2),
        "percentage": np.round(found["amount"] * found["count"] / 100, 2),
        "ratio": np.round(found["other"] / found["count"], 2),
        "factor": np.round(found["amount"] * 1.19, 2),
        "half": np.round(found["other"] / 2, 2),
        "tens": np.floor(found["other"] / 10) * 10,
        "offset": np.round(found["amount"] + 12.5, 2),
    }


def other_rows(fitted: FittedRelations, applied: pa.Table, name: str, seed: int) -> pa.Table:
    """The table inverted after the encoding of a column has been exchanged among rows: rows that no one has seen."""
    order = np.random.default_rng(seed).permutation(applied.num_rows)
    exchanged = {}
    for each in applied.column_names:
        array = single_array(applied.column(each))
        codes = codes_of(array)
        exchanged[each] = spelled(array.dictionary, codes[order] if each.partition(".")[0] == name else codes)
    return fitted.invert(pa.table(exchanged), draws(applied.num_rows, seed), {})


KINDS = sorted(formulas(base(np.random.default_rng(0)), np.random.default_rng(0)))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=3)
@given(seed=seeds, support=st.sampled_from([0.05, 0.1, 0.3, 0.6, 0.9, 1.0]))
def test_a_planted_relation_holds_as_often_in_other_rows(kind: str, seed: int, support: float) -> None:
    if kind == "offset":
        support = 1.0
    rng = np.random.default_rng(seed)
    found = base(rng)
    follows = rng.random(ROWS) < support
    right = formulas(found, rng)[kind]
    found["result"] = np.where(follows, right, cents(rng, ROWS, 4.5))
    columns, fitted = fit(found)
    coding = next((each for each in fitted.codings if each.name == "result"), None)
    applied = fitted.apply(columns)
    assert texts(fitted.invert(applied, draws(ROWS), {})) == texts(columns)
    rows = texts(other_rows(fitted, applied, "result", seed))
    numbers = {name: np.array(values, dtype=float) for name, values in rows.items() if name != "day"}
    numbers["count"] = numbers["count"].astype(np.int64)
    held = np.abs(formulas(numbers, rng)[kind] - numbers["result"]) < 0.001
    assert abs(held.mean() - follows.mean()) <= 0.01
    # The difference may also be the column from which another follows, which then holds in all rows.
    assert abs((1.0 if coding is None else coding.support) - follows.mean()) <= 0.01


@settings(max_examples=8)
@given(seed=seeds, rows=st.sampled_from([30, 100, 400, 1500]))
def test_independent_columns_have_no_relations(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    more = {
        "few": rng.integers(0, 4, rows),
        "zeros": np.where(rng.random(rows) < 0.7, 0.0, cents(rng, rows)),
        "small": rng.poisson(2, rows),
        "holes": np.where(rng.random(rows) < 0.2, np.nan, cents(rng, rows)),
        "until": rng.choice(DAYS, rows),
    }
    assert described(fit({**base(rng, rows), **more})[1]) == []


def test_a_chain_of_formulas_is_resolved_in_full() -> None:
    rng = np.random.default_rng(3)
    found = base(rng)
    net = np.round(found["count"] * found["price"], 2)
    vat = np.round(net * 0.19, 2)
    gross = np.round(net + vat, 2)
    paid = np.where(rng.random(ROWS) < 0.8, gross, np.round(gross * rng.random(ROWS), 2))
    found |= {"net": net, "vat": vat, "gross": gross, "paid": paid, "open": np.round(gross - paid, 2)}
    columns, fitted = fit(found)
    assert described(fitted) == [
        "net = count * price",
        "vat = 0.19 * net",
        "gross = net + vat",
        "paid = gross, else paid <= gross",
        "open = gross - paid",
    ]
    assert set(fitted.schema_after.names) == {*base(rng), "paid.rule", "paid"}
    assert texts(check_round_trip(fitted, columns)) == texts(columns)


def test_the_sum_follows_from_its_parts_wherever_it_is() -> None:
    rng = np.random.default_rng(4)
    first, second = cents(rng), cents(rng)
    for order in (("total", "first", "second"), ("first", "total", "second"), ("first", "second", "total")):
        parts = {"first": first, "second": second, "total": np.round(first + second, 2)}
        _, fitted = fit({name: parts[name] for name in order})
        needed = {each.name: each.needs() for each in fitted.codings}
        assert "total" in needed or {"first", "second"} & set(needed)
        assert "total = first + second" in described(fitted)


def test_dates_keep_their_order_and_numbers_of_days_follow() -> None:
    rng = np.random.default_rng(5)
    start = rng.choice(DAYS[:700], ROWS)
    nights = rng.geometric(0.3, ROWS)
    end = start + nights.astype("timedelta64[D]")
    columns, fitted = fit({"start": start, "end": end, "nights": nights})
    assert sorted(described(fitted)) == ["end >= start", "nights = end - start"]
    assert fitted.schema_after.names == ("start", "end.gap")
    assert texts(check_round_trip(fitted, columns)) == texts(columns)
    rows = texts(other_rows(fitted, fitted.apply(columns), "end", 1))
    days = np.array(rows["end"], dtype="M8[D]") - np.array(rows["start"], dtype="M8[D]")
    assert days.astype(int).tolist() == [int(each or 0) for each in rows["nights"]]
    assert days.astype(int).min() == 1


def test_readings_end_in_zero_as_often_in_other_rows() -> None:
    rng = np.random.default_rng(6)
    start = rng.integers(0, 90_000, ROWS)
    end = start + rng.gamma(2, 200, ROWS).astype(np.int64)
    end = np.where(rng.random(ROWS) < 0.4, np.maximum(start, end // 10 * 10), end)
    columns, fitted = fit({"start": start, "end": end, "usage": end - start})
    assert described(fitted) == ["end >= start; end ends in 0", "usage = end - start"]
    assert texts(check_round_trip(fitted, columns)) == texts(columns)
    rows = texts(other_rows(fitted, fitted.apply(columns), "end", 2))
    found = np.array(rows["end"], dtype=np.int64)
    assert abs((found % 10 == 0).mean() - (end % 10 == 0).mean()) < 0.015
    assert (found >= np.array(rows["start"], dtype=np.int64)).all()


def test_an_order_holds_in_rows_of_any_values() -> None:
    rng = np.random.default_rng(7)
    most = rng.integers(0, 600, ROWS)
    found = {"most": most, "hits": rng.binomial(most, 0.3), "free": rng.integers(0, 600, ROWS)}
    columns, fitted = fit(found)
    assert described(fitted) == ["hits <= most"]
    assert texts(check_round_trip(fitted, columns)) == texts(columns)
    rows = texts(other_rows(fitted, fitted.apply(columns), "hits", 3))
    assert (np.array(rows["hits"], dtype=int) <= np.array(rows["most"], dtype=int)).all()


def test_nulls_that_follow_need_no_label_and_others_have_one() -> None:
    rng = np.random.default_rng(8)
    found = base(rng)
    found["amount"][rng.random(ROWS) < 0.1] = np.nan
    found["total"] = np.round(found["amount"] + found["other"], 2)
    columns, fitted = fit(found)
    assert set(fitted.schema_after.names) == set(base(rng))
    assert texts(check_round_trip(fitted, columns)) == texts(columns)
    found["total"][rng.random(ROWS) < 0.1] = np.nan
    columns, fitted = fit(found)
    assert set(fitted.schema_after.names) == {*base(rng), "total.rule"}
    assert texts(check_round_trip(fitted, columns)) == texts(columns)


def test_a_few_rows_that_differ_are_reported_and_need_no_column() -> None:
    rng = np.random.default_rng(9)
    found = base(rng)
    found["total"] = np.round(found["amount"] + found["other"], 2)
    found["total"][:3] += 1
    columns, fitted = fit(found)
    assert described(fitted) == ["total = amount + other"]
    assert fitted.shares_changed(columns, fitted.apply(columns)) == {"total": pytest.approx(3 / ROWS)}


def test_excluded_columns_take_no_part() -> None:
    found = base(np.random.default_rng(10))
    found["total"] = np.round(found["amount"] + found["other"], 2)
    assert described(fit(found, exclude=("other",))[1]) == ["total >= amount"]
    assert described(fit(found, exclude=("total",))[1]) == []


def test_numbers_beyond_doubles_and_other_spellings_come_back_as_written() -> None:
    rng = np.random.default_rng(11)
    large = 2**58 + rng.integers(0, 2**40, ROWS)
    found = {"large": large, "next": large + 1, "copy": large}
    columns, fitted = fit(found)
    assert set(described(fitted)) == {"next = large + 1", "copy = large"}
    assert texts(check_round_trip(fitted, columns)) == texts(columns)
    amount = cents(rng)
    amount[rng.random(ROWS) < 0.1] = 0.0
    columns, types = made({"amount": amount, "again": amount})
    texts_ = texts(columns)
    texts_["again"] = ["-0.00" if value == "0.00" else value for value in texts_["again"]]
    columns = table(texts_)
    fitted = RelationsTransform(k=5).fit(columns, types)
    assert texts(fitted.invert(fitted.apply(columns), draws(ROWS), {})) == texts_


@settings(max_examples=6)
@given(seed=seeds)
def test_random_tables_with_relations_keep_the_promise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = base(rng, 400)
    found["amount"][rng.random(400) < 0.2] = np.nan
    all_ = formulas(found, rng)
    for kind in rng.choice(KINDS, 3, replace=False).tolist():
        found[kind] = np.where(rng.random(400) < rng.choice([0.3, 1.0]), all_[kind], cents(rng, 400))
    found["later"] = found["day"] + rng.integers(0, 9, 400).astype("timedelta64[D]")
    columns, types = made(found)
    transform = RelationsTransform(k=5)
    fitted = transform.fit(columns.slice(0, 300), types)
    check_state(transform, fitted, columns.slice(0, 300))
    check_round_trip(fitted, columns)
    unseen = table(
        {name: rng.permutation(np.array(values, dtype=object)).tolist() for name, values in texts(columns).items()}
    )
    check_round_trip(fitted, unseen)
    # Inversion accepts any labels and numbers.
    applied = fitted.apply(columns)
    wild = {}
    for each in fitted.schema_after:
        own = texts(applied)[each.name]
        values = [*own, "no such label"] if each.type is T.CATEGORICAL else own
        values = [*values, None] if each.nullable else values
        wild[each.name] = [values[index] for index in rng.integers(0, len(values), 400)]
    inverted = fitted.invert(table(wild), draws(400), {})
    again = fitted.apply(inverted)
    assert texts(fitted.apply(fitted.invert(again, draws(400), {}))) == texts(again)
    for each in fitted.schema_before:
        assert each.nullable or None not in texts(inverted)[each.name]


def test_what_is_learned_is_shared_by_enough_groups() -> None:
    rng = np.random.default_rng(12)
    found = base(rng)
    groups = np.arange(ROWS) // 30
    found["result"] = np.where(groups < 4, found["amount"], cents(rng, ROWS, 4.5))
    found["group"] = groups
    columns, types = made(found)
    options = RelationsOptions(exclude=("group",), min_support=0.03)
    assert described(RelationsTransform(options, 5).fit(columns, types)) == ["result = amount"]
    assert described(RelationsTransform(options, 5, ("group",)).fit(columns, types)) == []


@pytest.mark.parametrize("statement", ["result = amount + other", "amount + other = result", "amount <= result"])
def test_a_stated_comparison_of_numbers_is_retained(statement: str) -> None:
    rng = np.random.default_rng(4)
    found = base(rng)
    found["result"] = np.round(found["amount"] + found["other"], 2)
    columns, types = made(found)
    transform = RelationsTransform(k=5, statements=(parse_statement(statement),), mined=False)
    fitted = transform.fit(columns, types)
    (coding,) = fitted.codings
    assert {coding.name, *coding.needs()} == set(parse_statement(statement).names())
    assert texts(fitted.invert(fitted.apply(columns), draws(ROWS), {})) == texts(columns)
