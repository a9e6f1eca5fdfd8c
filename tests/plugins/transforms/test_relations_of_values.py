"""Columns whose values are listed by the labels of others: found where they are planted, and only there."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.table.columns import take_rows
from rowsmith.table.schema import TableSchema
from rowsmith.transforms import fit_transforms
from rowsmith_plugins.transforms.options import RelationsOptions
from rowsmith_plugins.transforms.rare.transform import ProtectRareTransform
from rowsmith_plugins.transforms.relations.transform import FittedRelations, RelationsTransform

from .tables import T, check_round_trip, check_state, column, draws, schema, seeds, table, texts

ROWS = 1200


def fit(found: TableSchema, columns: pa.Table, k: int = 5, **options: Any) -> FittedRelations:
    transform = RelationsTransform(RelationsOptions(**options), k)
    fitted = transform.fit(columns, found)
    check_round_trip(fitted, columns, 3)
    check_state(transform, fitted, columns)
    return fitted


def described(fitted: FittedRelations) -> list[str]:
    return [each.describe() for each in fitted.codings]


def cities(random: np.random.Generator, rows: int = ROWS, size: int = 12) -> dict[str, list[str | None]]:
    city = random.integers(0, size, rows)
    return {
        "city": [f"c{each}" for each in city],
        "region": [f"r{each % 4}" for each in city],
        "color": [f"x{each}" for each in random.integers(0, 4, rows)],
    }


def test_a_column_that_another_determines_is_computed_from_it() -> None:
    columns = cities(np.random.default_rng(0))
    found = schema(*map(column, columns))
    fitted = fit(found, table(columns))
    assert described(fitted) == ["city -> region"]
    assert fitted.schema_after.names == ("city", "color")
    shuffled = table({"city": ["c5", "c2", "c9"], "color": ["x0", "x1", "x0"]})
    assert texts(fitted.invert(shuffled, draws(3, 0), {}))["region"] == ["r1", "r2", "r1"]


def test_a_label_that_was_never_seen_gets_a_frequent_value() -> None:
    columns = cities(np.random.default_rng(0))
    fitted = fit(schema(*map(column, columns)), table(columns))
    region = texts(fitted.invert(table({"city": ["new", None], "color": ["x0", "x0"]}), draws(2, 0), {}))["region"]
    assert set(region) <= set(columns["region"])


def test_of_columns_that_determine_each_other_the_first_remains() -> None:
    numbers = np.random.default_rng(0).integers(1, 9, ROWS)
    columns: dict[str, list[str | None]] = {"word": [f"w{n}" for n in numbers], "number": [str(n) for n in numbers]}
    fitted = fit(schema(column("word"), column("number", T.INTEGER)), table(columns))
    assert described(fitted) == ["word -> number"]


def test_null_is_a_value_and_a_label_too() -> None:
    city = np.random.default_rng(0).integers(0, 6, ROWS)
    columns: dict[str, list[str | None]] = {
        "city": [f"c{each}" if each else None for each in city],
        "region": [f"r{each % 3}" if each > 1 else None for each in city],
    }
    fitted = fit(schema(column("city", nullable=True), column("region", nullable=True)), table(columns))
    assert described(fitted) == ["city -> region"]
    back = fitted.invert(fitted.apply(table(columns)), draws(ROWS, 0), {})
    assert texts(back)["region"] == columns["region"]


def test_a_price_list_becomes_an_index_and_prices_of_the_list_alone_come_back() -> None:
    random = np.random.default_rng(1)
    product, nth = random.integers(0, 10, ROWS), random.integers(0, 3, ROWS)
    prices = np.round(random.uniform(1, 99, (10, 3)), 2)
    columns: dict[str, list[str | None]] = {
        "product": [f"p{each}" for each in product],
        "price": [f"{prices[p, i]:.2f}" for p, i in zip(product, nth, strict=True)],
    }
    fitted = fit(schema(column("product"), column("price", T.DECIMAL, scale=2)), table(columns))
    assert described(fitted) == ["product ->> price"]
    assert fitted.schema_after.names == ("product", "price.nth")
    odd = table({"product": ["p1"] * 4, "price.nth": ["1", "3", "9", "x"]})
    back = texts(fitted.invert(odd, draws(4, 0), {}))["price"]
    assert set(back) <= {f"{price:.2f}" for price in prices[1]}


def test_a_status_is_listed_by_the_sign_of_an_amount() -> None:
    random = np.random.default_rng(1)
    amount = np.where(random.random(ROWS) < 0.6, 0, np.round(random.normal(20, 30, ROWS), 2))
    status = np.where(amount <= 0, "paid", np.where(random.random(ROWS) < 0.5, "open", "overdue"))
    columns: dict[str, list[str | None]] = {"open": [f"{each:.2f}" for each in amount], "status": status.tolist()}
    fitted = fit(schema(column("open", T.DECIMAL, scale=2), column("status")), table(columns))
    assert described(fitted) == ["sign(open) ->> status"]
    wrong = table({"open": ["0.00", "-1.00", "4.00", "7.00"], "status": ["open", "paid", "paid", "overdue"]})
    back = texts(fitted.invert(wrong, draws(4, 0), {}))["status"]
    assert back[:2] == ["paid", "paid"]
    assert back[2] in ("open", "overdue")
    assert back[3] == "overdue"


def test_a_flag_follows_from_the_order_of_two_dates() -> None:
    random = np.random.default_rng(1)
    due, back = (np.datetime64("2024-01-01") + random.integers(0, 90, ROWS) for _ in range(2))
    columns: dict[str, list[str | None]] = {
        "due": due.astype(str).tolist(),
        "back": back.astype(str).tolist(),
        "late": np.where(due < back, "yes", "no").tolist(),
    }
    dates = (column(name, T.DATETIME, datetime_format="%Y-%m-%d") for name in ("due", "back"))
    fitted = fit(schema(*dates, column("late")), table(columns))
    assert described(fitted) == ["sign(due - back) -> late"]
    assert fitted.schema_after.names == ("due", "back")


@pytest.mark.parametrize(
    ("countries", "relation"), [(3, "prefix(code, 1) -> country"), (5, "country -> prefix(code, 3)")]
)
def test_the_first_characters_of_a_code_are_bound_to_a_name(countries: int, relation: str) -> None:
    random = np.random.default_rng(1)
    region = random.integers(0, 5, ROWS)
    columns: dict[str, list[str | None]] = {
        "code": [f"{'ABCDE'[c]}X-{n:04d}" for c, n in zip(region, random.integers(0, 10_000, ROWS), strict=True)],
        "country": [f"land {each % countries}" for each in region],
    }
    fitted = fit(schema(column("code", T.TEXT), column("country")), table(columns))
    assert described(fitted) == [relation]
    assert texts(fitted.invert(fitted.apply(table(columns)), draws(ROWS), {})) == columns


def test_a_value_that_some_labels_fix_is_restored_there_alone() -> None:
    random = np.random.default_rng(1)
    tariff = random.integers(0, 6, ROWS)
    fee = np.where(tariff == 0, 0.0, np.where(random.random(ROWS) < 0.3, 0, np.round(random.gamma(2, 9, ROWS), 2)))
    columns: dict[str, list[str | None]] = {
        "tariff": [f"t{each}" for each in tariff],
        "fee": [f"{each:.2f}" for each in fee],
    }
    fitted = fit(schema(column("tariff"), column("fee", T.DECIMAL, scale=2)), table(columns))
    (coding,) = fitted.codings
    assert coding.describe() == "tariff -> fee"
    assert coding.support == pytest.approx((tariff == 0).mean())
    wrong = table({"tariff": ["t0", "t1"], "fee": ["8.00", "8.00"]})
    assert texts(fitted.invert(wrong, draws(2, 0), {}))["fee"] == ["0.00", "8.00"]


def test_a_column_of_nearly_distinct_values_determines_nothing() -> None:
    random = np.random.default_rng(1)
    columns = cities(random)
    columns["id"] = [f"k{each}" for each in random.permutation(ROWS) // 2]
    fitted = fit(schema(*map(column, columns)), table(columns))
    assert described(fitted) == ["city -> region"]


def test_columns_are_excluded_on_request() -> None:
    columns = cities(np.random.default_rng(0))
    assert not fit(schema(*map(column, columns)), table(columns), exclude=("city",)).codings


def test_a_value_of_a_single_row_is_in_no_list() -> None:
    columns = cities(np.random.default_rng(0))
    columns["city"][7], columns["region"][7] = "secretville", "canary"
    columns["region"][8] = "mistake"
    fitted = fit(schema(*map(column, columns)), table(columns))
    assert described(fitted) == ["city -> region"]
    state = json.dumps(fitted.state()["codings"])
    assert not any(word in state for word in ("canary", "secretville", "mistake"))
    shares = fitted.shares_changed(table(columns), fitted.apply(table(columns)))
    assert shares == {"region": pytest.approx(2 / ROWS)}


def test_a_list_of_one_group_is_not_learned() -> None:
    random = np.random.default_rng(0)
    columns = cities(random)
    person = random.integers(0, 60, ROWS)
    own = person == 9
    columns["city"] = ["lonely" if mine else city for mine, city in zip(own, columns["city"], strict=True)]
    columns["region"] = ["hidden" if mine else region for mine, region in zip(own, columns["region"], strict=True)]
    columns["person"] = [f"n{each}" for each in person]
    found, rows = schema(*map(column, columns)), table(columns)
    transform = RelationsTransform(RelationsOptions(exclude=("person",)), 5, ("person",))
    fitted = transform.fit(rows, found)
    assert described(fitted) == ["city -> region"]
    assert "hidden" not in json.dumps(fitted.state()["codings"])


def test_relations_follow_each_other() -> None:
    random = np.random.default_rng(2)
    columns = cities(random, size=24)
    columns["country"] = [f"l{int(str(each)[1:]) // 2}" for each in columns["region"]]
    rows = table(columns)
    fitted = fit(schema(*map(column, columns)), rows)
    assert sorted(described(fitted)) == ["city -> region", "region -> country"]
    assert texts(fitted.invert(fitted.apply(rows), draws(ROWS, 0), {})) == texts(rows)


@settings(max_examples=25)
@given(seed=seeds, rows=st.sampled_from([60, 400, 2000]), sizes=st.lists(st.integers(2, 200), min_size=3, max_size=6))
def test_independent_columns_give_no_relation(seed: int, rows: int, sizes: list[int]) -> None:
    random = np.random.default_rng(seed)
    columns: dict[str, list[str | None]] = {}
    for index, size in enumerate(sizes):
        weights = random.dirichlet(np.full(size, random.choice([0.2, 1, 10])))
        columns[f"c{index}"] = [f"v{each}" for each in random.choice(size, rows, p=weights)]
    columns["n"] = [str(each) for each in random.integers(-5, 6, rows)]
    found = schema(*(column(name, T.INTEGER if name == "n" else T.CATEGORICAL) for name in columns))
    assert described(fit(found, table(columns))) == []


@settings(max_examples=25)
@given(seed=seeds, size=st.integers(3, 40), per_label=st.integers(1, 4), noise=st.integers(2, 9))
def test_planted_lists_are_found_and_retained(seed: int, size: int, per_label: int, noise: int) -> None:
    random = np.random.default_rng(seed)
    rows = 3000
    label = random.integers(0, size, rows)
    lists = random.permutation(size * per_label).reshape(size, per_label)
    value = lists[label, random.integers(0, per_label, rows)]
    columns: dict[str, list[str | None]] = {
        "label": [f"l{each}" for each in label],
        "value": [f"v{each}" for each in value],
        "noise": [f"n{each}" for each in random.integers(0, noise, rows)],
    }
    fitted = fit(schema(*map(column, columns)), table(columns))
    assert len(fitted.codings) == 1
    coding = fitted.codings[0]
    assert coding.support > 0.99
    applied = fitted.apply(table(columns))
    shuffled = take_rows(applied, random.permutation(rows))
    back = fitted.invert(shuffled, draws(rows, seed), {})
    assert coding.holds(back, fitted.schema_before) == 1


@settings(max_examples=15)
@given(seed=seeds)
def test_any_generated_labels_are_decoded_to_values_of_the_lists(seed: int) -> None:
    random = np.random.default_rng(seed)
    columns = cities(random)
    columns["postcode"] = [
        f"{int(str(c)[1:]) + 10}{n:03d}" for c, n in zip(columns["city"], random.integers(0, 1000, ROWS), strict=True)
    ]
    columns["price"] = [
        f"{int(str(c)[1:]) * 7 + n}" for c, n in zip(columns["city"], random.integers(0, 4, ROWS), strict=True)
    ]
    found = schema(*(column(name, T.INTEGER if name in ("postcode", "price") else T.CATEGORICAL) for name in columns))
    fitted = fit(found, table(columns))
    assert fitted.schema_after.names == ("city", "color", "postcode.rest", "price.nth")
    odd: dict[str, list[str | None]] = {
        "city": [*columns["city"][:50], "new", None],
        "color": columns["color"][:52],
        "postcode.rest": [*random.choice(["0", "12", "-7", "99999999"], 51).tolist(), None],
        "price.nth": [*random.choice(["1", "4", "5", "0", "x"], 51).tolist(), None],
    }
    back = texts(fitted.invert(table(odd), draws(52, seed), {}))
    known: dict[str | None, dict[str, set[str | None]]] = {city: {} for city in columns["city"]}
    for name in ("region", "price"):
        for city, value in zip(columns["city"], columns[name], strict=True):
            known[city].setdefault(name, set()).add(value)
    for index, city in enumerate(odd["city"][:50]):
        assert all(back[name][index] in known[city][name] for name in ("region", "price"))
        assert str(back["postcode"][index]).startswith(str(int(str(city)[1:]) + 10))
        assert len(str(back["postcode"][index])) == 5
    assert back["postcode"][51] is None
    assert back["price"][51] is None


def test_labels_that_are_invented_for_rare_ones_have_values_too() -> None:
    random = np.random.default_rng(3)
    columns = cities(random)
    rare = random.random(ROWS) < 0.3
    columns["city"] = [f"town {n}" if r else c for n, r, c in zip(range(ROWS), rare, columns["city"], strict=True)]
    transforms = {"relations": RelationsTransform(k=5), "protect-rare": ProtectRareTransform(seed=1)}
    fitted, applied = fit_transforms(table(columns), schema(*map(column, columns)), [*transforms.items()])
    relations = fitted.steps[0][1]
    assert isinstance(relations, FittedRelations)
    assert relations.codings[0].support == pytest.approx(1 - rare.mean(), abs=0.01)
    back = texts(fitted.invert(applied, draws(ROWS, 0), {}))
    assert set(back["region"]) == set(columns["region"])
    known = dict(zip(columns["city"], columns["region"], strict=True))
    assert all(known.get(city, region) == region for city, region in zip(back["city"], back["region"], strict=True))
    (reported,) = fitted.relations(table(back))
    assert reported.statement == "city -> region"
    assert reported.holds == pytest.approx(reported.support)
