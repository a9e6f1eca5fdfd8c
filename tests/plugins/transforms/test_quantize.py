"""Numbers with many values as labels."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.table.schema import ColumnSchema
from rowsmith.table.types.spelling import parse_numbers, spell_numbers
from rowsmith_plugins.transforms.options import QuantizeOptions
from rowsmith_plugins.transforms.quantize.transform import FittedQuantize, QuantizeTransform

from .tables import T, check_round_trip, check_state, column, draws, schema, seeds, table, texts

INTEGER = column("n", T.INTEGER)
CENTS = column("n", T.DECIMAL, scale=2, max_scale=2)
SHORTEST = column("n", T.DECIMAL)
KEEPING = QuantizeTransform(QuantizeOptions(keep_positions=True))
STYLES = [INTEGER, CENTS, SHORTEST, column("n", T.DECIMAL, max_scale=3, whole_point=False)]


def fit(numbers: Any, column_: ColumnSchema = INTEGER, **options: Any) -> FittedQuantize:
    transform = QuantizeTransform(QuantizeOptions(**{"keep_positions": True, **options}))
    columns = table({"n": spell_numbers(numbers, column_)})
    fitted = transform.fit(columns, schema(column_))
    check_state(transform, fitted, columns)
    return fitted


def labels(fitted: FittedQuantize, numbers: Any) -> list[tuple[str | None, ...]]:
    applied = texts(fitted.apply(table({"n": spell_numbers(numbers, fitted.schema_before["n"])})))
    return list(zip(*applied.values(), strict=True))


def made(fitted: FittedQuantize, numbers: Any, seed: int = 0) -> Any:
    columns = table({"n": spell_numbers(numbers, fitted.schema_before["n"])})
    return parse_numbers(texts(check_round_trip(fitted, columns, seed))["n"])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def distance(one: Any, other: Any) -> float:
    """The Kolmogorov-Smirnov distance."""
    at = np.union1d(one, other)
    shares = [np.searchsorted(np.sort(each), at, side="right") / len(each) for each in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def ranks(numbers: Any) -> Any:
    return np.searchsorted(np.sort(numbers), numbers)


@pytest.mark.parametrize(
    ("numbers", "cut", "expected"),
    [
        (rng().normal(0, 1e6, 5000), True, ("n", "n.1")),
        (np.arange(5000) % 300, False, ("n",)),
        (np.arange(5000) % 301, False, ("n",)),  # more than 300 values, but each in many rows
        (np.arange(5000) % 1000, True, ("n", "n.1")),
        (np.arange(20_000) % 1600, True, ("n", "n.1")),
        (np.arange(60), True, ("n",)),
    ],
)
def test_which_columns_are_cut(numbers: Any, cut: bool, expected: tuple[str, ...]) -> None:
    fitted = fit(numbers)
    assert fitted.schema_after.names == expected
    assert (fitted.schema_after != fitted.schema_before) is cut


def test_short_tables_get_fewer_cells() -> None:
    numbers = rng().normal(0, 1e6, 200)
    found = Counter(labels(fit(numbers), numbers))
    assert len(found) == 20
    assert min(found.values()) >= 10


@pytest.mark.parametrize("rows", [60, 300, 1000, 20_000])
def test_cells_have_about_equal_rows_and_at_least_k(rows: int) -> None:
    numbers = rng().lognormal(10, 2, rows)
    found = Counter(labels(fit(numbers, CENTS), numbers))
    assert min(found.values()) >= 10
    assert max(found.values()) <= max(40, 3 * rows // 1024)
    assert len({label[0] for label in found}) == min(32, rows // 10)


def test_labels_are_short_and_plain() -> None:
    numbers = np.append(rng().normal(1e5, 1e4, 20_000), np.zeros(500))
    first, second = zip(*labels(fit(numbers), [0, 90_000]), strict=True)
    assert first[0] == "=0"
    assert second[0] == "-"
    assert str(first[1]).startswith("b") and str(second[1]).startswith("p")


def test_frequent_values_keep_a_label_and_come_back_exactly() -> None:
    numbers = np.concatenate([rng().normal(5e4, 1e4, 20_000), np.repeat([0, 50_000, 99_999], 300)])
    rng().shuffle(numbers)
    back = made(fit(numbers), numbers)
    for atom in (0, 50_000, 99_999):
        assert abs((back == atom).sum() - (np.rint(numbers) == atom).sum()) <= 3


@settings(max_examples=30)
@given(seed=seeds, rows=st.integers(60, 3_000), style=st.sampled_from(STYLES))
def test_labels_ascend_as_the_numbers_do(seed: int, rows: int, style: ColumnSchema) -> None:
    random = rng(seed)
    numbers = random.normal(0, 100, rows)
    numbers[random.random(rows) < 0.3] = random.choice([-60, 7, 50])
    fitted = fit(numbers, style)
    ascending = fitted.schema_after["n"].ascending
    assert {label for label, *_ in labels(fitted, numbers)} <= set(ascending)
    read, given_ = parse_numbers(spell_numbers(numbers, style)), np.array(labels(fitted, numbers))[:, 0]
    reach = [(str(label)[0], read[given_ == label].min(), read[given_ == label].max()) for label in ascending]
    for kind in "b=":
        edges = [edge for found, *both in reach if found == kind for edge in both]
        assert edges == sorted(edges)
    for place, (kind, value, _) in enumerate(reach):
        if kind == "=":
            # It may lie inside one bin, and then stands before or after that.
            below = [high for found, _, high in reach[:place] if found == "b"][:-1]
            above = [low for found, low, _ in reach[place:] if found == "b"][1:]
            assert all(high < value for high in below) and all(value < low for low in above)


def test_smooth_numbers_have_no_frequent_values() -> None:
    numbers = rng().integers(0, 500, 50_000)
    assert not [label for label in labels(fit(numbers), np.arange(500)) if str(label[0]).startswith("=")]


@pytest.mark.parametrize("style", STYLES, ids=lambda style: f"{style.type.value}-{style.scale}-{style.max_scale}")
@pytest.mark.parametrize("shape", ["normal", "lognormal", "uniform", "steps", "two humps"])
def test_the_shape_is_kept(style: ColumnSchema, shape: str) -> None:
    random, rows = rng(1), 20_000
    numbers = {
        "normal": lambda: random.normal(0, 1e4, rows),
        "lognormal": lambda: random.lognormal(6, 3, rows),
        "uniform": lambda: random.uniform(-1e6, 1e6, rows),
        "steps": lambda: random.integers(0, 2000, rows) * 25.0,
        "two humps": lambda: np.where(
            random.random(rows) < 0.3, random.normal(-1e5, 10, rows), random.normal(1e5, 1e3, rows)
        ),
    }[shape]()
    numbers = parse_numbers(spell_numbers(numbers, style))
    fitted = fit(numbers, style)
    back = made(fitted, numbers)
    assert distance(numbers, back) < 0.003
    assert abs(np.corrcoef(ranks(numbers), ranks(back))[0, 1]) > 0.999
    assert numbers.min() <= back.min() and back.max() <= numbers.max()
    if shape == "steps" and style is not SHORTEST:
        assert not (back % 25).any()


def test_a_value_of_one_row_is_seldom_made() -> None:
    numbers = rng().lognormal(15, 2, 20_000)
    fitted = fit(numbers)
    back = made(fitted, numbers)
    rare = np.unique(np.rint(numbers))
    assert np.isin(back[back > np.median(back)], rare).mean() < 0.02


@settings(max_examples=30)
@given(
    seed=seeds, rows=st.integers(60, 800), style=st.sampled_from(STYLES), scale=st.sampled_from([1.0, 1e-3, 1e3, 1e9])
)
def test_numbers_drawn_in_a_cell_belong_to_it(seed: int, rows: int, style: ColumnSchema, scale: float) -> None:
    random = rng(seed)
    numbers = random.normal(0, 100, rows) * scale
    numbers[random.random(rows) < 0.2] = 7 * scale
    fitted = fit(numbers, style)
    unseen = np.append(numbers, random.normal(0, 300, 100) * scale)
    for draw in range(3):
        made(fitted, unseen, draw)


@settings(max_examples=10)
@given(seed=seeds)
def test_within_a_cell_numbers_ascend_with_the_draw(seed: int) -> None:
    numbers = rng(seed).lognormal(5, 1, 2000)
    fitted = fit(numbers, CENTS)
    uniform = draws(400, seed).uniform("quantize.n")
    one = table({"n": ["b03"] * 400, "n.1": ["p01"] * 400})
    back = parse_numbers(texts(fitted.invert(one, draws(400, seed), {}))["n"])
    assert (np.diff(back[np.argsort(uniform)]) >= 0).all()


def test_odd_labels_are_repaired() -> None:
    numbers = np.append(rng().normal(0, 1e6, 5000), np.zeros(300))
    fitted = fit(numbers)
    odd = table({"n": ["b03", "=0", "b99", None, "b02", "b01"], "n.1": [None, "p03", "p00", "p00", "-", "p99"]})
    back = texts(fitted.invert(odd, draws(6), {}))["n"]
    again = texts(fitted.apply(table({"n": back})))["n"]
    assert None not in back
    assert [again[0], back[1], again[4], again[5]] == ["b03", "0", "b02", "b01"]


def test_null_stays_null() -> None:
    values: list[str | None] = [None if place % 3 else str(place * place) for place in range(3000)]
    columns = table({"n": values})
    nullable = column("n", T.INTEGER, nullable=True)
    fitted = KEEPING.fit(columns, schema(nullable))
    applied = texts(fitted.apply(columns))
    assert [value is None for value in applied["n"]] == [value is None for value in values]
    assert [value is None for value in applied["n.1"]] == [value is None for value in values]
    back = texts(check_round_trip(fitted, columns))["n"]
    assert [value is None for value in back] == [value is None for value in values]


@pytest.mark.parametrize("offset", [2**53 + 1, 2**60, -(2**60)])
def test_large_integers_are_exact(offset: int) -> None:
    columns = table({"n": [str(offset + number * 3) for number in range(1000)]})
    fitted = QuantizeTransform().fit(columns, schema(INTEGER))
    back = [int(number or "") for number in texts(check_round_trip(fitted, columns))["n"]]
    assert all(not (number - offset) % 3 and 0 <= number - offset < 3000 for number in back)


def test_integers_at_the_end_of_64_bits_are_left_alone() -> None:
    columns = table({"n": [str(2**63 - 1 - number) for number in range(1000)]})
    assert QuantizeTransform().fit(columns, schema(INTEGER)).schema_after == schema(INTEGER)


def test_a_column_name_that_is_taken_gets_an_underscore() -> None:
    columns = table({"n": [str(number * number) for number in range(1000)], "n.1": ["x"] * 1000})
    fitted = KEEPING.fit(columns, schema(INTEGER, column("n.1")))
    assert fitted.schema_after.names == ("n", "n.1_", "n.1")
    check_round_trip(fitted, columns)


def test_options_limit_the_labels() -> None:
    numbers = rng().normal(0, 1e6, 5000)
    found = labels(fit(numbers, bins=4, positions=3), numbers)
    assert len(set(found)) == 12
    assert fit(numbers, exclude=("n",)).schema_after.names == ("n",)
    with pytest.raises(ValueError, match="bins"):
        QuantizeOptions(bins=0)


def test_positions_that_go_with_no_other_column_are_left_to_chance() -> None:
    numbers = rng().lognormal(10, 1, 20_000)
    fitted = fit(numbers, keep_positions=False)
    assert fitted.schema_after.names == ("n",)
    assert distance(np.rint(numbers), made(fitted, numbers)) < 0.005


@pytest.mark.parametrize("kept", [True, False])
def test_positions_that_go_with_another_column_are_kept(kept: bool) -> None:
    numbers = np.rint(rng().lognormal(10, 1, 20_000))
    other = np.where(numbers % 100 < 50, "low", "high") if not kept else np.rint(np.log(numbers) * 100).astype(str)
    columns = table({"n": spell_numbers(numbers, INTEGER), "other": other.tolist()})
    fitted = QuantizeTransform().fit(columns, schema(INTEGER, column("other", T.DECIMAL if kept else T.CATEGORICAL)))
    assert ("n.1" in fitted.schema_after.names) is kept
    check_round_trip(fitted, columns)
