"""Numbers keep their distribution through the transforms, whatever its shape."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.components import ComponentRef
from rowsmith.table.schema import ColumnSchema
from rowsmith.table.types.spelling import parse_numbers, spell_numbers
from rowsmith.transforms import FittedTransforms, fit_transforms
from rowsmith_plugins.transforms.common.protection import quantize_of_run
from rowsmith_plugins.transforms.options import ProtectRareOptions, QuantizeOptions
from rowsmith_plugins.transforms.quantize.transform import QuantizeTransform
from rowsmith_plugins.transforms.rare.transform import ProtectRareTransform

from .tables import T, check_round_trip, column, context, draws, schema, seeds, table, texts

INTEGER, CENTS, SHORTEST = (
    column("n", T.INTEGER, nullable=True),
    column("n", T.DECIMAL, scale=2, max_scale=2, nullable=True),
    column("n", T.DECIMAL, nullable=True),
)
LEAST = 5
"""The fewest rows that a value which is made again must have."""
LARGE, SPIKED = 3_000, 60


def numbers_of(random: np.random.Generator, rows: int) -> np.ndarray:
    """Numbers of a random shape, with spikes."""
    shapes = [
        lambda: random.lognormal(random.uniform(0, 8), random.uniform(0.2, 2), rows),
        lambda: random.pareto(random.uniform(1, 3), rows) * random.uniform(1, 1e4),
        lambda: random.geometric(random.uniform(0.02, 0.7), rows).astype(float),
        lambda: random.normal(0, 10 ** random.uniform(0, 5), rows),
        lambda: random.integers(0, random.integers(2, 2_000), rows).astype(float),
        lambda: random.choice(random.normal(0, 1_000, random.integers(2, 60)), rows),
        lambda: random.zipf(random.uniform(1.5, 3), rows).clip(1, 1e6).astype(float),
    ]
    numbers = shapes[random.integers(len(shapes))]()
    for _ in range(random.integers(0, 4)):
        numbers = np.where(random.random(rows) < random.uniform(0, 0.6), np.round(random.choice(numbers)), numbers)
    return np.asarray(numbers)


def auto(columns: Any, column_: ColumnSchema) -> FittedTransforms:
    """The transforms of numbers that ``auto`` stands for, fitted."""
    run = context()
    steps = [
        ("protect-rare", ProtectRareTransform(ProtectRareOptions(), 0, quantize_of_run(run))),
        ("quantize", QuantizeTransform(quantize_of_run(run) or QuantizeOptions())),
    ]
    return fit_transforms(columns, schema(column_), steps)[0]


def distance(one: Any, other: Any) -> float:
    """The Kolmogorov-Smirnov distance."""
    at = np.union1d(one, other)
    shares = [np.searchsorted(np.sort(each), at, side="right") / len(each) for each in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def band(random: np.random.Generator, numbers: np.ndarray, measure: Any) -> Any:
    """The measure of samples drawn from the numbers with replacement."""
    return [measure(random.choice(numbers, len(numbers))) for _ in range(200)]


@settings(max_examples=60)
@given(
    seed=seeds,
    size=st.floats(np.log10(20), 4.0),
    style=st.sampled_from([INTEGER, CENTS, SHORTEST]),
    nulls=st.sampled_from([0.0, 0.3]),
)
def test_any_shape_of_numbers_comes_back_like_a_fresh_sample(
    seed: int, size: float, style: ColumnSchema, nulls: float
) -> None:
    random, rows = np.random.default_rng(seed), round(10**size)
    spelled = spell_numbers(numbers_of(random, rows), style)
    missing = random.random(rows) < nulls
    columns = table({"n": [None if gone else text for text, gone in zip(spelled, missing, strict=True)]})
    fitted = auto(columns, style)
    read, back = (
        parse_numbers([text for text in texts(each)["n"] if text is not None])
        for each in (columns, check_round_trip(fitted, columns, seed))
    )
    assert len(back) == len(read)
    if not len(read):
        return
    values, counts = np.unique(read, return_counts=True)
    ascending = np.sort(read)
    low, high = ascending[min(LEAST, len(read)) - 1], ascending[-min(LEAST, len(read))]
    clipped = float(((read < low) | (read > high)).mean()) if low <= high else 1.0
    # Where all values but one are rare, that one is all that may be learned.
    if low < high or (counts >= LEAST).sum() > 1:
        assert len(np.unique(back)) > 1
        assert distance(read, back) <= np.quantile(band(random, read, lambda one: distance(read, one)), 0.99) + clipped
    if len(read) >= LARGE:
        ends = np.quantile(band(random, read, lambda one: np.quantile(one, 0.999)), [0.005, 0.995])
        assert ends[0] <= np.quantile(back, 0.999) * (1 + 1e-9) + 1e-9 and np.quantile(back, 0.999) <= ends[1]
    common = values[counts >= SPIKED]
    shares = {value: (back == value).mean() for value in common[np.argsort(-counts[counts >= SPIKED])][:5]}
    for value, share in shares.items():
        true = float((read == value).mean())
        assert abs(share - true) <= 4 * np.sqrt(true * (1 - true) / len(read)) + clipped


@settings(max_examples=30)
@given(seed=seeds, rows=st.integers(30, 3_000), style=st.sampled_from([CENTS, SHORTEST]))
def test_a_value_of_few_rows_comes_back_no_more_often_than_by_chance(seed: int, rows: int, style: ColumnSchema) -> None:
    """Each rare value is exchanged for its neighbour on the line: the one is made again as seldom as the other."""
    random = np.random.default_rng(seed)
    numbers = np.round(random.lognormal(8, 1.5, rows), 2)
    numbers[random.random(rows) < 0.5] = 100.0
    spelled = spell_numbers(numbers, style)
    columns = table({"n": spelled})
    read = parse_numbers(spelled)
    values, counts = np.unique(read, return_counts=True)
    rare = values[counts < LEAST]
    back = parse_numbers(texts(check_round_trip(auto(columns, style), columns, seed))["n"])
    near = np.setdiff1d(np.round(rare + 0.01, 2), values)
    hits, chance = np.isin(back, rare).sum(), np.isin(back, near).sum()
    assert hits <= chance + 5 * np.sqrt(chance + 1) + 3


def test_a_table_of_zeros_and_amounts_keeps_both() -> None:
    random = np.random.default_rng(1)
    numbers = np.where(random.random(500) < 0.7, 0, random.lognormal(8, 1, 500).round())
    columns = table({"n": spell_numbers(numbers, INTEGER)})
    fitted = auto(columns, INTEGER)
    back = parse_numbers(texts(check_round_trip(fitted, columns))["n"])
    assert (back == 0).sum() == (numbers == 0).sum()
    rest = np.sort(numbers[numbers > 0])
    assert distance(rest, back[back > 0]) < 2 * LEAST / len(rest) + 0.02


def test_thirty_rows_keep_their_spread() -> None:
    numbers = np.random.default_rng(2).normal(170, 10, 30).round(1)
    style = column("n", T.DECIMAL, scale=1, max_scale=1)
    columns = table({"n": spell_numbers(numbers, style)})
    fitted = auto(columns, style)
    back = parse_numbers(texts(check_round_trip(fitted, columns))["n"])
    assert 0.5 < back.std() / numbers.std() < 1.2
    assert fitted.changed["n"] == pytest.approx(8 / 30)


def test_no_value_at_the_end_takes_in_what_was_clipped() -> None:
    numbers = np.random.default_rng(3).permutation(1_000)
    columns = table({"n": spell_numbers(numbers, INTEGER)})
    back = parse_numbers(texts(check_round_trip(auto(columns, INTEGER), columns))["n"])
    assert back.min() >= 4 and back.max() <= 995
    assert max((back == back.min()).sum(), (back == back.max()).sum()) <= 3


def test_the_rows_that_protect_rare_asks_for_hold_for_labels_of_numbers() -> None:
    run = context(transforms=(ComponentRef(name="quantize"), ComponentRef(name="protect-rare", options={"k": 50})))
    options = quantize_of_run(run)
    assert options is not None and (options.k, options.value_k) == (50, 50)
    numbers = np.repeat([1, 2, 3], [400, 300, 49])
    columns = table({"n": spell_numbers(numbers, INTEGER)})
    back = parse_numbers(
        texts(check_round_trip(QuantizeTransform(options).fit(columns, schema(INTEGER)), columns))["n"]
    )
    assert set(back.tolist()) == {1, 2}


def test_without_quantize_rare_numbers_still_do_not_get_through() -> None:
    assert quantize_of_run(context(transforms=(ComponentRef(name="protect-rare"),))) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_number_stays_in_the_range_of_its_label(seed: int) -> None:
    random, rows = np.random.default_rng(seed), 1_500
    ranges = {"glucose": (70, 20), "iron": (15, 5), "ferritin": (400, 250), "ph": (7.4, 0.1)}
    tests = random.choice(list(ranges), rows)
    numbers = np.array([random.normal(*ranges[test]) for test in tests]).round(2)
    columns = table({"test": tests.tolist(), "n": spell_numbers(numbers, CENTS)})
    fitted = QuantizeTransform().fit(columns, schema(column("test"), CENTS))
    back = parse_numbers(texts(check_round_trip(fitted, columns))["n"])
    assert back[tests == "ph"].max() < 9
    for test in ("ph", "iron", "glucose"):
        own = numbers[tests == test]
        assert own.min() <= back[tests == test].min() and back[tests == test].max() <= own.max()


def test_a_number_out_of_the_range_of_its_label_is_drawn_again() -> None:
    random = np.random.default_rng(4)
    tests = random.choice(["high", "low"], 2_000)
    numbers = np.where(tests == "low", random.normal(7, 1, 2_000), random.normal(400, 50, 2_000)).round(2)
    columns = table({"test": tests.tolist(), "n": spell_numbers(numbers, CENTS)})
    fitted = QuantizeTransform().fit(columns, schema(column("test"), CENTS))
    applied = fitted.apply(columns)
    swapped = applied.set_column(0, "test", table({"test": np.where(tests == "low", "high", "low").tolist()}).column(0))
    back = parse_numbers(texts(fitted.invert(swapped, draws(2_000), {}))["n"])
    assert distance(back[tests == "low"], numbers[tests == "high"]) < 0.06
    assert distance(back[tests == "high"], numbers[tests == "low"]) < 0.06


@pytest.mark.parametrize("seed", range(3))
def test_a_wide_range_of_some_labels_takes_no_numbers_away(seed: int) -> None:
    random, rows = np.random.default_rng(seed), 600
    tier = np.where(random.random(rows) < 0.58, "lower", "single")
    south = (tier == "lower") | (random.random(rows) < 0.3)
    numbers = np.where(south, random.uniform(42, 46, rows), random.uniform(46, 50, rows)).round(2)
    columns = table({"tier": tier.tolist(), "n": spell_numbers(numbers, CENTS)})
    fitted = QuantizeTransform().fit(columns, schema(column("tier"), CENTS))
    # A model of few steps gives the labels at their share, whatever the number.
    applied = fitted.apply(columns)
    unlearned = applied.set_column(0, "tier", table({"tier": random.permutation(tier).tolist()}).column(0))
    back = parse_numbers(texts(fitted.invert(unlearned, draws(rows), {}))["n"])
    assert distance(back, numbers) < 0.05


def test_columns_that_know_nothing_of_each_other_cut_no_bins() -> None:
    random = np.random.default_rng(0)
    numbers, labels = random.normal(0, 1e6, 4_000), random.choice(["a", "b", "c"], 4_000)
    columns = table({"n": spell_numbers(numbers, INTEGER), "label": labels.tolist()})
    fitted = QuantizeTransform().fit(columns, schema(INTEGER, column("label")))
    assert fitted.quantized[0].cells.bins == 32
