"""Keys: which columns are keys, and what new keys look like."""

import re
import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.config.sections import DataConfig
from rowsmith.errors import GenerationError, ParameterError
from rowsmith.table.schema import ColumnSchema, Marked, Role, Source, Storage
from rowsmith.transforms import FittedTransform
from rowsmith_plugins.transforms.keys.makers import Pattern
from rowsmith_plugins.transforms.keys.transform import KeysTransform, build
from rowsmith_plugins.transforms.options import KeysOptions

from .tables import T, check_round_trip, check_state, column, context, draws, schema, seeds, table, texts


def fit(values: list[str | None], column_: ColumnSchema, **options: Any) -> tuple[FittedTransform, pa.Table]:
    columns = table({column_.name: values, "other": ["x"] * len(values)})
    transform = KeysTransform(KeysOptions(**options))
    fitted = transform.fit(columns, schema(column_, column("other")))
    check_state(transform, fitted, columns)
    return fitted, columns


def is_key(values: list[str | None], column_: ColumnSchema, **options: Any) -> bool:
    return column_.name not in fit(values, column_, **options)[0].schema_after.names


def generate(fitted: FittedTransform, rows: int, seed: int = 0, batch: int = 50) -> list[str | None]:
    carry: dict[str, Any] = {}
    made: list[str | None] = []
    for start in range(0, rows, batch):
        size = min(batch, rows - start)
        inverted = fitted.invert(table({"other": ["x"] * size}), draws(size, seed, start), carry)
        made += texts(inverted)[fitted.schema_before.names[0]]
    return made


def codes(pattern: str, rows: int = 40) -> list[str | None]:
    rng = np.random.default_rng(3)
    return [pattern.format(n=i, r=int(rng.integers(10**9, 10**10))) for i in range(rows)]


@pytest.mark.parametrize(
    ("values", "column_", "expected"),
    [
        (codes("{n}"), column("row", T.INTEGER), True),
        (codes("{n}0"), column("row", T.INTEGER), True),
        (codes("{r}"), column("amount", T.INTEGER), False),
        (codes("{r}"), column("customer_id", T.INTEGER), True),
        (codes("{r}"), column("orderId", T.INTEGER), True),
        (codes("{r}"), column("invoice number", T.INTEGER), True),
        (codes("{r}"), column("paid", T.INTEGER), False),
        (codes("{n}"), column("year", T.INTEGER), False),
        (codes("{n}", 19), column("id", T.INTEGER), False),
        ([*codes("{n}")[:-1], None], column("id", T.INTEGER, nullable=True), True),
        (codes("{n}"), column("n_rooms", T.INTEGER), False),
        (codes("{n}"), column("Total Prices", T.INTEGER), False),
        (codes("19{n:02d}"), column("begun", T.INTEGER), False),
        ([*codes("{n}"), "0"], column("id", T.INTEGER), False),
        (codes("{n}.5"), column("id", T.DECIMAL), False),
        (codes("{r}-{n}"), column("code", T.TEXT), True),
        (codes("{r}-{n}"), column("code", T.CATEGORICAL), True),
        ([*codes("{r}-{n}"), None], column("code", T.TEXT, nullable=True), True),
        (codes("a word {r}"), column("note", T.TEXT), False),
        ([f"{'x' * (i + 1)}" for i in range(40)], column("name", T.TEXT), False),
        (codes("{r}" * 8), column("long", T.TEXT), False),
        ([*codes("{r}", 30), *codes("{r}", 30)], column("code", T.TEXT), False),
    ],
)
def test_which_columns_are_keys(values: list[str | None], column_: ColumnSchema, expected: bool) -> None:
    assert is_key(values, column_) is expected


def taken(**columns: np.ndarray[Any, Any]) -> set[str]:
    """The keys among columns of whole numbers and labels."""
    types = {name: T.INTEGER if values.dtype.kind == "i" else T.CATEGORICAL for name, values in columns.items()}
    spelled = table({name: [str(value) for value in values.tolist()] for name, values in columns.items()})
    fitted = KeysTransform().fit(spelled, schema(*(column(name, type_) for name, type_ in types.items())))
    assert (", ".join(key.name for key in fitted.keys) in "".join(fitted.notes())) and bool(fitted.keys) == bool(
        fitted.notes()
    )
    return {key.name for key in fitted.keys}


LABELS = np.random.default_rng(0).choice(np.array(["x", "y", "z"]), 1000)


@pytest.mark.parametrize("digits", range(4, 16))
def test_numbers_drawn_evenly_are_keys_whatever_their_spacing(digits: int) -> None:
    rng = np.random.default_rng(digits)
    numbers = np.unique(10**digits + (rng.random(1000) * 9 * 10**digits).astype(np.int64))
    assert taken(customer=rng.permutation(numbers), store=LABELS[: len(numbers)]) == {"customer"}
    assert taken(customer=numbers, store=LABELS[: len(numbers)]) == {"customer"}


@settings(max_examples=10)
@given(seed=seeds, sites=st.integers(2, 30))
def test_numbers_in_blocks_are_keys(seed: int, sites: int) -> None:
    rng = np.random.default_rng(seed)
    starts = rng.choice(10**4, sites, replace=False) * 1000
    numbers = np.unique(np.concatenate([start + np.flatnonzero(rng.random(200) < 0.6) for start in starts]))
    assert taken(pupil=numbers, x=LABELS[np.arange(len(numbers)) % 1000]) == {"pupil"}


@settings(max_examples=20)
@given(seed=seeds, kind=st.sampled_from(["lognormal", "normal", "pareto", "time series", "balances", "a mixture"]))
def test_quantities_are_no_keys_though_all_are_different(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    numbers = {
        "lognormal": lambda: rng.lognormal(12, 1.0, 1000),
        "normal": lambda: rng.normal(10**7, 10**6, 1000),
        "pareto": lambda: 10**6 * (1 + rng.pareto(1.2, 1000)),
        "time series": lambda: 10**8 + np.cumsum(rng.normal(0, 10**5, 1000)),
        "balances": lambda: rng.uniform(-(10**8), 10**8, 1000),
        "a mixture": lambda: np.where(
            rng.random(1000) < 0.3, rng.uniform(0, 10**8, 1000), rng.normal(7e7, 10**7, 1000)
        ),
    }[kind]()
    assert not taken(x=numbers.astype(np.int64), label=LABELS)


def test_even_numbers_that_go_with_another_column_are_no_keys() -> None:
    rng = np.random.default_rng(1)
    x = rng.choice(np.arange(10**5, 10**7), 1000, replace=False)
    noisy = x + rng.normal(0, 4 * x.std(), 1000).astype(np.int64)
    assert taken(x=x, label=LABELS) == {"x"}
    assert not taken(x=x, other=noisy // 10**6)
    assert not taken(x=x, label=np.where(x + rng.normal(0, x.std(), 1000) > x.mean(), "high", "low"))


def test_a_mark_among_quantities_makes_no_keys_of_them_but_keys_with_a_mark_are_keys() -> None:
    counts = np.unique(np.random.default_rng(0).lognormal(7, 1.2, 120).astype(int)).astype(str).tolist()
    marked = Marked(type=T.INTEGER, marks=("NA",))
    assert not is_key([*counts, "NA"], column("visits", T.CATEGORICAL, marked=marked))
    assert is_key([*codes("{n}", 120), "NA"], column("row", T.CATEGORICAL, marked=marked))


def test_ranks_are_no_keys_but_numbered_rows_in_any_order_are() -> None:
    rng = np.random.default_rng(2)
    wealth = rng.lognormal(10, 1, 200)
    ranks = np.argsort(np.argsort(wealth)) + 1
    assert not taken(lottery=ranks, money=wealth.astype(np.int64))
    assert taken(lottery=rng.permutation(200) + 1, label=LABELS[:200]) == {"lottery"}
    assert taken(lottery=np.arange(200) + 1, label=np.array(["a", "b"])[np.arange(200) // 100]) == {"lottery"}


def test_a_few_rows_that_are_there_twice_do_not_make_keys_quantities() -> None:
    numbers = np.arange(10**6, 10**6 + 1000)
    assert taken(x=np.append(numbers, numbers[:5]), label=np.append(LABELS, LABELS[:5])) == {"x"}
    assert not taken(x=np.append(numbers, numbers[:20]), label=np.append(LABELS, LABELS[:20]))


def test_the_user_decides() -> None:
    few: list[str | None] = ["a1", "a2", "a2"]
    assert is_key(few, column("c", T.TEXT), columns=("c",))
    assert is_key(few, column("c", T.TEXT, role=Role.KEY))
    assert not is_key(codes("{n}"), column("id", T.INTEGER), exclude=("id",))
    with pytest.raises(ParameterError, match="decimal"):
        fit(["1.5"], column("c", T.DECIMAL), columns=("c",))
    with pytest.raises(ParameterError, match="'d'"):
        fit(["1.5"], column("c", T.DECIMAL), columns=("d",))


@pytest.mark.parametrize(
    ("values", "column_", "expected"),
    [
        (codes("{n}"), column("id", T.INTEGER), ["40", "41", "42"]),
        (codes("{n}0"), column("id", T.INTEGER), ["400", "410", "420"]),
        (codes("-{n}5"), column("id", T.INTEGER), ["5", "15", "25"]),
        (codes("CUST-{n:05d}"), column("c", T.TEXT), ["CUST-00040", "CUST-00041", "CUST-00042"]),
        (codes("2024-{n:02d}x"), column("c", T.TEXT), ["2024-40x", "2024-41x", "2024-42x"]),
    ],
)
def test_numbered_keys_count_on(values: list[str | None], column_: ColumnSchema, expected: list[str]) -> None:
    assert generate(fit(values, column_)[0], 3, batch=2) == expected


def test_numbers_stay_in_the_range_of_the_dtype() -> None:
    small = column("id", T.INTEGER, storage=Storage(dtype="int8"))
    fitted, _ = fit([str(number) for number in range(-30, 70)], small)
    made = [int(number or "") for number in generate(fitted, 156)]
    assert len(set(made)) == 156
    assert all(-128 <= number <= 127 and not -30 <= number < 70 for number in made)
    with pytest.raises(GenerationError, match="'id'"):
        generate(fitted, 157)


def hexadecimal(rng: np.random.Generator, rows: int) -> list[str]:
    return [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(rows)]


PATTERNS = {
    "uuid": (hexadecimal, r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    "plate": (
        lambda rng, rows: [
            f"{''.join(rng.choice(list('ABCXYZ'), 3))}-{rng.integers(1000, 10**4)}" for _ in range(rows)
        ],
        r"[A-Z]{3}-[1-9][0-9]{3}",
    ),
    "padded": (lambda rng, rows: [f"EU{rng.integers(10**6):09d}" for _ in range(rows)], r"EU000[0-9]{6}"),
    "mixed": (
        lambda rng, rows: [f"{rng.integers(1, 10 ** rng.integers(5, 8))}/K" for _ in range(rows)],
        r"[1-9][0-9]*/K",
    ),
}


@pytest.mark.parametrize("name", PATTERNS)
@settings(max_examples=5)
@given(seed=seeds)
def test_new_keys_look_like_the_old_ones(name: str, seed: int) -> None:
    make, shape = PATTERNS[name]
    old = list(dict.fromkeys(make(np.random.default_rng(seed), 200)))
    fitted, _ = fit(list(old), column("c", T.TEXT))
    made = generate(fitted, 200, seed)
    assert all(re.fullmatch(shape, key or "") for key in made)
    assert len(set(made)) == 200
    assert not set(made) & set(old)


@settings(max_examples=8)
@given(seed=seeds, rows=st.integers(20, 60), digits=st.integers(2, 3))
def test_keys_stay_distinct_and_new_when_their_space_is_small(seed: int, rows: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    old = [f"{number:0{digits}d}-{number % 3}" for number in rng.choice(10**digits, rows, replace=False)]
    fitted, columns = fit([*old], column("c", T.TEXT))
    made = generate(fitted, 1500, seed, batch=200)
    assert len(set(made)) == 1500
    assert not set(made) & set(old)
    check_round_trip(fitted, columns)


def test_integer_keys_without_order_stay_integers_of_the_dtype() -> None:
    rng = np.random.default_rng(0)
    old = [str(number) for number in rng.choice(np.arange(10**8, 2**31 - 1, 977), 300, replace=False)]
    fitted, _ = fit([*old], column("user_id", T.INTEGER, storage=Storage(dtype="int32")))
    made = generate(fitted, 500)
    assert all(str(int(key or "")) == key and abs(int(key)) < 2**31 for key in made)
    assert len({*made, *old}) == 800


def test_what_cannot_be_made_is_an_error_and_no_endless_loop() -> None:
    # Scattered over the whole range of the type, so that they are no sequence once the step counts.
    old = [str(number) for number in range(-128, 128, 5)]
    scattered = [number for number in old if int(number) % 3]
    tiny = column("id", T.INTEGER, storage=Storage(dtype="int8"))
    fitted, _ = fit([*scattered, "-127", "126"], tiny, columns=("id",))
    with pytest.raises(GenerationError, match="'id'"):
        generate(fitted, 300)


def test_a_row_keeps_its_key_in_any_batch() -> None:
    fitted, _ = fit([*hexadecimal(np.random.default_rng(0), 100)], column("c", T.TEXT))
    assert generate(fitted, 60, batch=60) == generate(fitted, 60, batch=7)
    backwards = fitted.invert(table({"other": ["x"] * 60}), draws(60).take(np.arange(59, -1, -1)), {})
    assert texts(backwards)["c"][::-1] == generate(fitted, 60)
    assert generate(fitted, 60, seed=1) != generate(fitted, 60)


def test_nulls_come_back_at_their_share() -> None:
    old = [None if place % 4 == 0 else key for place, key in enumerate(hexadecimal(np.random.default_rng(0), 400))]
    fitted, _ = fit(old, column("c", T.TEXT, nullable=True))
    made = generate(fitted, 1000)
    assert 200 < made.count(None) < 300
    assert len(set(made)) == 1001 - made.count(None)


def test_a_pattern_that_few_rows_have_is_not_repeated() -> None:
    old = [*(f"AB{number:06d}" for number in range(0, 900_000, 3001)), "SECRET-7"]
    fitted, _ = fit([*old], column("c", T.TEXT))
    assert all(re.fullmatch(r"AB[0-9]{6,}", key or "") for key in generate(fitted, 300))
    assert "SECRET" not in str(fitted.state())


def test_the_state_holds_no_training_key() -> None:
    old = hexadecimal(np.random.default_rng(0), 50)
    fitted, _ = fit([*old], column("c", T.TEXT))
    assert not any(key in str(fitted.state()) for key in old)
    assert fitted.inventory() == ["column 'c': 1 key patterns, each of several rows"]


def test_the_state_tells_of_no_key_that_can_be_tried_out_whether_it_was_there() -> None:
    rng = np.random.default_rng(3)
    numbers = rng.choice(10**8, 4_000, replace=False).tolist()
    old, others = ([f"{number:08d}" for number in part] for part in (numbers[:2_000], numbers[2_000:]))
    fitted, _ = fit([*old], column("c", T.TEXT))
    maker = fitted.keys[0].maker
    assert isinstance(maker, Pattern) and maker.taken is not None
    assert maker.taken.holds(old, maker.salt).all()
    # Half of what was never there looks the same, so that of all that can be tried hardly any was.
    assert 0.45 < maker.taken.holds(others, maker.salt).mean() < 0.55
    assert len(maker.taken.marked) < len(old)
    assert "a filter that lets no training key pass and 50% of all others" in fitted.inventory()[0]


def test_of_keys_that_are_never_alike_nothing_is_kept() -> None:
    rng = np.random.default_rng(0)
    old = [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(100)]
    fitted, _ = fit([*old], column("c", T.TEXT))
    maker = fitted.keys[0].maker
    assert isinstance(maker, Pattern) and maker.taken is None


@pytest.mark.parametrize(
    "data", [DataConfig(group_training_examples_by="id"), DataConfig(order_training_examples_by="id")]
)
def test_what_groups_or_orders_the_rows_is_no_key(data: DataConfig) -> None:
    columns = table({"id": codes("{n}"), "other": ["x"] * 40})
    found = schema(column("id", T.INTEGER), column("other"))
    assert build(context(data=data), None).fit(columns, found).schema_after.names == ("id", "other")
    assert build(context(), None).fit(columns, found).schema_after.names == ("other",)


def test_categories_of_a_fixed_set_are_no_keys() -> None:
    values = codes("AB-{n}")
    fixed = Storage(source=Source.PANDAS, dtype="category", categories=tuple(sorted(values)))
    assert is_key(values, column("id"))
    assert not is_key(values, column("id", storage=fixed))
    with pytest.raises(ParameterError, match="fixed set of categories"):
        fit(values, column("id", storage=fixed), columns=("id",))


UUIDS = Storage(source=Source.PANDAS, dtype="object", element="uuid")


@pytest.mark.parametrize("rows", [3, 25, 200])
@pytest.mark.parametrize("version", [1, 4, 7])
def test_new_uuids_keep_version_and_variant(rows: int, version: int) -> None:
    rng = np.random.default_rng(rows)
    known = [uuid.UUID(bytes=rng.bytes(16), version=4 if version == 7 else version) for _ in range(rows)]
    values = [f"{str(each)[:14]}{version}{str(each)[15:]}" for each in known]
    fitted, _ = fit(list(values), column("id", T.CATEGORICAL, storage=UUIDS))
    made = [uuid.UUID(value) for value in generate(fitted, 100)]
    assert len({*made, *map(uuid.UUID, values)}) == 100 + rows
    assert {(each.version, each.variant) for each in made} == {(version, uuid.RFC_4122)}


def test_uuids_that_repeat_enough_are_categories() -> None:
    few = [str(uuid.UUID(int=number % 5)) for number in range(100)]
    assert not is_key(list(few), column("shop", T.CATEGORICAL, storage=UUIDS))
    many = [str(uuid.UUID(int=number % 60)) for number in range(100)]
    fitted, _ = fit(list(many), column("shop", T.TEXT, storage=UUIDS))
    assert fitted.schema_after.names == ("other",)
    assert fitted.notes()[1:] == ["column 'shop': 40.0% of its rows repeat the key of another; new keys are distinct"]


def test_durations_and_times_of_day_are_no_keys() -> None:
    storage = Storage(source=Source.PANDAS, dtype="timedelta64[ns]", unit="h")
    assert not is_key(codes("{n}"), column("run_number", T.INTEGER, storage=storage))


def test_distinct_numbers_without_a_name_are_keys() -> None:
    years: list[str | None] = [str(1610 + 3 * number + number % 2) for number in range(60)]
    assert is_key(years, column("", T.INTEGER))
    assert not is_key(years, column("year", T.INTEGER))


def test_no_new_key_is_a_word_for_a_missing_value() -> None:
    found, codes_ = schema(column("code", T.TEXT), column("other")), [a + b for a in "ANM" for b in "LKMOPTYZ"]
    for seed in range(8):
        fitted = KeysTransform(seed=seed).fit(table({"code": codes_, "other": ["x"] * 24}), found)
        made = generate(fitted, 320)
        assert "NA" not in made and all(len(str(key)) == 2 for key in made)
