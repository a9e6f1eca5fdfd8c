"""Whole numbers that are keys: new ones lie where those of the training table do."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.errors import GenerationError
from rowsmith.randomness.draws import Draws
from rowsmith.table.schema import ColumnSchema, Storage
from rowsmith_plugins.transforms.keys.makers import Counting, KeyMaker, Pattern, fit_maker, maker_from_state
from rowsmith_plugins.transforms.keys.spread import Spread
from rowsmith_plugins.transforms.keys.transform import FittedKeys, KeysTransform
from rowsmith_plugins.transforms.options import KeysOptions

from .tables import T, column, schema, seeds, table

ID = column("id", T.INTEGER)
Ints = np.ndarray[Any, np.dtype[np.int64]]


def _distance(first: Ints, second: Ints) -> float:
    """The Kolmogorov-Smirnov distance: this session has no SciPy."""
    grid = np.union1d(first, second)
    one, two = (np.searchsorted(np.sort(each), grid, side="right") / len(each) for each in (first, second))
    return float(np.abs(one - two).max())


SHAPES = {
    "lognormal": lambda rng, rows: rng.lognormal(14, 1.5, rows),
    "normal, some negative": lambda rng, rows: rng.normal(0, 10**6, rows),
    "all negative": lambda rng, rows: -rng.lognormal(14, 1, rows),
    "blocks": lambda rng, rows: rng.choice(np.arange(1, 8) ** 3 * 10**5, rows) + rng.integers(0, 20 * rows, rows),
    "a gap": lambda rng, rows: np.where(rng.random(rows) < 0.3, 10**4, 10**9) + rng.integers(0, 50 * rows, rows),
    "in tens": lambda rng, rows: 10 * rng.integers(0, 40 * rows, rows) + 7,
    "few digits": lambda rng, rows: rng.integers(10, 10 ** rng.integers(5, 8, rows)),
    "all of 63 bits": lambda rng, rows: rng.integers(-(2**62), 2**62, rows),
}


def fit(numbers: Ints, column_: ColumnSchema = ID, groups: Ints | None = None) -> KeyMaker:
    return fit_maker(column_, [str(number) for number in numbers.tolist()], 5, 0, groups)


def make(maker: KeyMaker, rows: int, first: int = 0, batch: int = 1000) -> Ints:
    carry: dict[str, Any] = {}
    made: list[str] = []
    for start in range(0, rows, batch):
        size = min(batch, rows - start)
        made += maker.make(Draws(0, np.arange(start, start + size), first), carry, "id")
    assert all(str(int(text)) == text for text in made)
    return np.array([int(text) for text in made], dtype=np.int64)


def spread_of(numbers: Ints) -> float:
    low, high = np.quantile(numbers.astype(np.float64), [0.05, 0.95])
    return float(high - low)


def band(rows: int) -> float:
    """What two samples of one distribution differ by at most, 99 times in a hundred."""
    return 1.63 * (2 / rows) ** 0.5


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=6)
@given(seed=seeds, rows=st.integers(60, 600))
def test_new_numbers_lie_as_the_old_ones_do(name: str, seed: int, rows: int) -> None:
    numbers = np.unique(SHAPES[name](np.random.default_rng(seed), rows).astype(np.int64))
    maker = fit(np.random.default_rng(seed).permutation(numbers))
    assert isinstance(maker, Spread)
    assert maker_from_state(json.loads(json.dumps(maker.state()))) == maker
    size = len(numbers)
    calls = [make(maker, size, first) for first in (0, size, 2 * size)]
    for made in calls:
        distance = _distance(made, numbers)
        assert distance <= band(size) + 0.08
        assert 0.5 <= spread_of(made) / spread_of(numbers) <= 2
        assert maker.distance <= 0.1 or "Kolmogorov-Smirnov" in (maker.caveat() or "")
    made = np.concatenate(calls)
    assert len(np.unique(made)) == 3 * size
    assert not np.isin(made, numbers).any()
    assert (made < 0).any() <= (numbers < 0).any()
    if name == "in tens":
        assert (made % 10 == 7).all()


@settings(max_examples=10)
@given(seed=seeds, rows=st.integers(40, 300), crowded=st.floats(0.2, 0.5))
def test_where_few_numbers_are_free_those_near_by_stand_in(seed: int, rows: int, crowded: float) -> None:
    rng = np.random.default_rng(seed)
    numbers = np.unique(rng.choice(int(rows / crowded), rows, replace=False))
    maker = fit(rng.permutation(numbers))
    if isinstance(maker, Counting):
        return
    assert isinstance(maker, Spread)
    made = make(maker, 4 * rows)
    assert len({*made.tolist(), *numbers.tolist()}) == 5 * rows
    assert made.min() >= 0
    # What is free in the range is made first.
    assert (made[: rows // 10] <= numbers.max() + rows).mean() > 0.8
    actual = _distance(made[:rows], numbers)
    assert abs(actual - maker.distance) < band(rows)
    assert (maker.caveat() is not None) == (maker.distance > 0.1)


def test_a_crowded_block_spills_into_the_gaps_beside_it_and_not_to_the_far_end() -> None:
    rng = np.random.default_rng(0)
    blocks = [start + rng.choice(150, 100, replace=False) for start in (10_000, 50_000, 90_000)]
    maker = fit(np.concatenate(blocks))
    made = make(maker, 300)
    near = [(np.abs(made - start - 75) < 2_000).mean() for start in (10_000, 50_000, 90_000)]
    assert min(near) > 0.2
    assert sum(near) > 0.97


def test_rows_do_not_depend_on_their_batch_and_generations_do_not_meet() -> None:
    numbers = np.unique(np.random.default_rng(1).lognormal(12, 1, 400).astype(np.int64))
    maker = fit(numbers)
    assert make(maker, 300).tolist() == make(maker, 300, batch=7).tolist()
    alone = [make(maker, 1, first)[0] for first in range(20)]
    assert len(set(alone)) == 20
    assert alone == make(maker, 20).tolist()


def test_every_number_that_the_column_can_hold_is_made_before_there_is_an_error() -> None:
    small = column("id", T.INTEGER, storage=Storage(dtype="int8"))
    numbers = np.array([number for number in range(-128, 128, 5) if number % 3] + [-127, 126])
    maker = fit(numbers, small)
    assert isinstance(maker, Spread)
    taken = maker.taken
    assert taken is not None
    free = [str(number) for number in range(-128, 128)]
    free = [text for text, held in zip(free, taken.holds(free, maker.salt), strict=True) if not held]
    made = make(maker, len(free))
    assert sorted(made.tolist()) == sorted(map(int, free))
    with pytest.raises(GenerationError, match="'id'"):
        make(maker, len(free) + 1)


def test_keys_that_count_up_are_counted_on_and_few_ones_have_their_digits() -> None:
    assert isinstance(fit(np.arange(100, 200)), Counting)
    few = fit(np.array([12, 345, 99_871, 1_234_567]))
    assert isinstance(few, Pattern)
    assert "same number of digits" in (few.caveat() or "")


def test_no_edge_is_the_number_of_a_row_that_few_are_beyond() -> None:
    rng = np.random.default_rng(5)
    numbers = np.unique(np.append(rng.integers(10**6, 10**7, 300), [31_337, 987_654_321]))
    maker = fit(rng.permutation(numbers))
    assert isinstance(maker, Spread)
    for edge in (edge for each in maker.ranges for edge in (each.low, each.end)):
        assert numbers[4] * 0.9 < edge < numbers[-5] * 1.1
    assert not any(str(number) in json.dumps(maker.state()["ranges"]) for number in (31_337, 987_654_321))
    assert all(each.weight >= 5 for each in maker.ranges)
    assert not np.isin([edge for each in maker.ranges for edge in (each.low, each.end)], numbers).any()


def test_groups_back_a_range_where_rows_are_grouped() -> None:
    rng = np.random.default_rng(2)
    numbers = np.sort(rng.choice(10**6, 600, replace=False))
    numbers[300:400] += 10**8  # A block of one group alone.
    numbers[400:] += 2 * 10**8
    groups = np.repeat(np.arange(60), 10)
    groups[300:400] = 30
    plain, grouped = fit(numbers), fit(numbers, groups=groups)
    assert isinstance(plain, Spread) and isinstance(grouped, Spread)

    def fewest_groups(maker: Spread) -> int:
        clipped = numbers.clip(maker.ranges[0].low, maker.ranges[-1].end - 1)
        inside = [groups[(each.low <= clipped) & (clipped < each.end)] for each in maker.ranges]
        return min(len(np.unique(each)) for each in inside)

    assert fewest_groups(plain) == 1
    # A tenth of the 50 groups.
    assert fewest_groups(grouped) == 5


def test_the_transform_knows_the_groups_of_the_run() -> None:
    rng = np.random.default_rng(2)
    numbers = [str(number) for number in rng.choice(10**6, 600, replace=False).tolist()]
    columns = table({"id": numbers, "who": [str(row // 100) for row in range(600)], "x": ["y"] * 600})
    found = schema(ID, column("who"), column("x"))

    def ranges(names: tuple[str, ...]) -> int:
        fitted = KeysTransform(KeysOptions(columns=("id",)), groups=names).fit(columns, found)
        maker = fitted.keys[0].maker
        assert isinstance(maker, Spread)
        return len(maker.ranges)

    assert ranges(()) == ranges(("who",)) > 5  # Six groups are things, not people.


def test_what_is_held_and_how_keys_differ_is_said() -> None:
    numbers = np.unique(np.random.default_rng(1).lognormal(12, 1, 400).astype(np.int64))
    columns = table({"id": [str(number) for number in numbers.tolist()], "x": ["y"] * len(numbers)})
    fitted = KeysTransform().fit(columns, schema(ID, column("x")))
    maker = fitted.keys[0].maker
    assert isinstance(maker, Spread)
    assert fitted.inventory()[0].startswith(f"column 'id': {len(maker.ranges)} ranges of numbers, each of several rows")
    assert len(fitted.notes()) == 1
    crowded = np.random.default_rng(1).choice(250, 100, replace=False)
    columns = table({"id": [str(number) for number in crowded.tolist()], "x": ["y"] * 100})
    fitted = KeysTransform().fit(columns, schema(ID, column("x")))
    assert "column 'id': as many new keys as there are rows are distributed differently" in fitted.notes()[1]


def test_keys_of_rows_that_are_held_out_are_not_made() -> None:
    rng = np.random.default_rng(4)
    numbers = rng.choice(2_000, 400, replace=False)
    maker = fit(numbers[:300]).avoiding([str(number) for number in numbers.tolist()])
    assert not np.isin(make(maker, 500), numbers).any()


@pytest.mark.parametrize(
    "damage",
    [
        {"ranges": []},
        {"step": 0},
        {"ranges": [{"low": 5, "size": 0, "weight": 9}]},
        {"ranges": [{"low": 5, "size": 9, "weight": 9}, {"low": 6, "size": 9, "weight": 9}]},
        {"high": 10**30},
        {"low": 1_000},
    ],
)
def test_a_state_of_which_no_numbers_can_be_made_is_refused(damage: dict[str, Any]) -> None:
    state = fit(np.random.default_rng(4).choice(2_000, 300, replace=False)).state()
    assert state["kind"] == "spread"
    with pytest.raises(ValueError, match="ranges of numbers"):
        maker_from_state({**json.loads(json.dumps(state)), **damage})


def test_a_model_whose_numbers_have_a_pattern_of_digits_is_still_read() -> None:
    state = {
        "kind": "pattern",
        "layouts": [{"weight": 9, "alphabets": ["123456789", "0123456789", "0123456789"]}],
        "salt": "s",
        "taken": {"size": 13, "marked": "AAA="},
        "low": 0,
        "high": 999,
    }
    old = maker_from_state(state)
    assert isinstance(old, Pattern)
    assert len(np.unique(make(old, 50))) == 50
    fitted = FittedKeys(schema(ID, column("x")), ())
    assert KeysTransform().restore(fitted.state()) == fitted
