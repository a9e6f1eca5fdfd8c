"""Rare values never get through."""

import json
import re
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.table.schema import ColumnSchema, ColumnType, Source, Storage
from rowsmith.table.types.datetimes import parse_datetimes
from rowsmith.table.types.spelling import parse_numbers
from rowsmith.transforms import fit_transforms
from rowsmith_plugins.transforms.options import ProtectRareOptions, QuantizeOptions
from rowsmith_plugins.transforms.quantize.transform import QuantizeTransform
from rowsmith_plugins.transforms.rare.transform import FittedProtectRare, ProtectRareTransform

from .tables import (
    MAKERS,
    T,
    all_transforms,
    check_round_trip,
    check_state,
    column,
    draws,
    random_table,
    schema,
    seeds,
    table,
    texts,
)


def protect(
    values: list[str | None], column_: ColumnSchema, **options: Any
) -> tuple[FittedProtectRare, list[str | None]]:
    transform = ProtectRareTransform(ProtectRareOptions(**options), 5)
    columns = table({column_.name: values})
    fitted = transform.fit(columns, schema(column_))
    check_state(transform, fitted, columns)
    check_round_trip(fitted, columns)
    # What is the same in every row afterwards is left out of the model and given back.
    return fitted, texts(fitted.invert(fitted.apply(columns), draws(len(values)), {}))[column_.name]


def many(**counts: int) -> list[str | None]:
    return [value for value, count in counts.items() for _ in range(count)]


def test_rare_categories_are_drawn_as_often_as_the_others_occur() -> None:
    values = [*many(a=3000, b=1000), *(f"rare{number}" for number in range(400)), None]
    _, protected = protect(values, column("c", nullable=True))
    assert protected[:4000] == values[:4000]
    assert protected[-1] is None
    drawn = Counter(protected[4000:-1])
    assert set(drawn) == {"a", "b"}
    assert 265 < drawn["a"] < 335


def test_unseen_categories_are_rare_and_draws_depend_on_place_and_seed_alone() -> None:
    fitted, _ = protect(many(a=20, b=20), column("c"))
    unseen = table({"c": ["new"] * 100})
    once = texts(fitted.apply(unseen))["c"]
    assert set(once) == {"a", "b"}
    assert texts(fitted.apply(unseen))["c"] == once
    assert texts(fitted.apply(unseen.slice(0, 50)))["c"] == once[:50]


def test_rare_categories_may_become_a_label() -> None:
    fitted, protected = protect(many(a=6, b=4, c=5), column("c"), replacement="constant", label="?")
    assert protected == ["a"] * 6 + ["?"] * 4 + ["c"] * 5
    assert texts(fitted.apply(table({"c": ["?", "new"]})))["c"] == ["?", "?"]


def test_where_all_categories_are_rare_the_label_is_left() -> None:
    assert protect(["a", "b", "c"], column("c"))[1] == ["_RARE_"] * 3


def test_a_fixed_set_of_categories_gets_no_label() -> None:
    fixed = column("c", storage=Storage(dtype="category", categories=("a", "b", "c")))
    assert protect(["a", "b", "b"], fixed)[1] == ["b"] * 3
    assert protect(["a", "b", None], evolve(fixed, nullable=True))[1] == [None] * 3
    assert set(protect(many(a=9, b=1), fixed, replacement="constant")[1]) == {"a"}
    assert protect(["True", "False", "True"], column("c", T.BOOLEAN, spellings=("False", "True")))[1] == ["True"] * 3


def test_rare_numbers_become_the_nearest_that_is_not() -> None:
    values = ["1"] * 5 + ["2"] + ["4"] * 5 + ["100"] * 2
    fitted, protected = protect([*values], column("c", T.INTEGER))
    assert protected == ["1"] * 6 + ["4"] * 7
    assert texts(fitted.apply(table({"c": ["-7", "3", "2"]})))["c"] == ["1", "4", "1"]


def test_where_all_numbers_are_rare_their_mean_is_left() -> None:
    shape: dict[str, Any] = {"scale": 1, "max_scale": 1}
    assert protect(["1.5", "9.5", "2.5", "3.0", "0.0"], column("c", T.DECIMAL, **shape))[1] == ["3.3"] * 5
    assert protect(["11.5", "99.5", "12.5"], column("c", T.DECIMAL, **shape))[1] == ["40.0"] * 3
    assert protect(["17", "-40"], column("c", T.INTEGER))[1] == ["-10"] * 2


@pytest.mark.parametrize(
    ("type_", "value", "shape"),
    [
        (T.INTEGER, "4242424", {}),
        (T.DECIMAL, "4242424.5", {"scale": 1}),
        (T.DATETIME, "1987-05-06", {"datetime_format": "%Y-%m-%d"}),
        (T.BOOLEAN, "True", {"spellings": ("False", "True")}),
        (T.CATEGORICAL, "x", {"storage": Storage(dtype="category", categories=("x",))}),
    ],
)
@pytest.mark.parametrize("rows", [1, 4])
def test_a_column_that_hardly_any_row_has_a_value_in_is_left_blank(
    type_: ColumnType, value: str, shape: dict[str, Any], rows: int
) -> None:
    fitted, protected = protect([value] * rows + [None] * 30, column("c", type_, nullable=True, **shape))
    assert protected == [None] * 34 if rows == 4 else [None] * 31
    assert "c" not in fitted.schema_after.names
    assert value not in json.dumps({**fitted.state(), "schema": None}) + str(fitted.inventory())
    assert [*fitted.notes()] == ["generated as null, because fewer than 5 rows have a value: c"]


def test_a_rare_flag_becomes_the_same_in_every_row_and_that_is_said() -> None:
    values = many(False_=40, True_=4)
    fitted, protected = protect(
        [None if value is None else value.strip("_") for value in values],
        column("c", T.BOOLEAN, spellings=("False", "True")),
    )
    assert protected == ["False"] * 44
    assert [*fitted.notes()] == ["generated as one constant value, because no other value has 5 rows: c"]


def test_extremes_of_wide_columns_clip_to_the_kth() -> None:
    values = [str(number) for number in range(1000)]
    fitted, protected = protect([*values], column("c", T.INTEGER))
    assert protected == ["4"] * 4 + values[4:995] + ["995"] * 5
    assert texts(fitted.apply(table({"c": ["-3", "77", "5000"]})))["c"] == ["4", "77", "995"]


def test_of_thirty_different_numbers_eight_are_clipped() -> None:
    columns, found = table({"c": [str(17 * number) for number in range(30)]}), schema(column("c", T.INTEGER))
    for steps in (
        [("protect-rare", ProtectRareTransform())],
        [("protect-rare", ProtectRareTransform(quantize=QuantizeOptions())), ("quantize", QuantizeTransform())],
    ):
        assert fit_transforms(columns, found, steps)[0].changed == {"c": pytest.approx(8 / 30)}


def test_extremes_of_moments_clip_to_the_kth() -> None:
    values = [f"{day:02d}/01/2024" for day in range(1, 21)]
    fitted, protected = protect([*values], column("c", T.DATETIME, datetime_format="%d/%m/%Y"))
    assert protected == ["05/01/2024"] * 4 + values[4:16] + ["16/01/2024"] * 4
    assert texts(fitted.apply(table({"c": ["31/12/1899"]})))["c"] == ["05/01/2024"]


def test_the_ends_of_moments_are_no_date_that_few_rows_have() -> None:
    days = column("c", T.DATETIME, datetime_format="%Y-%m-%d %H:%M:%S")
    rare = ["1900-01-01", "1961-05-06", "1972-08-09", "1985-10-11", "1999-12-30", "2003-02-01"]
    values = [f"{day} 12:30:00" for day in rare * 2 + ["2020-01-01"] * 20 + ["2021-06-01", "2022-03-04"] * 3]
    fitted, protected = protect([*values], days)
    made = sorted(value or "" for value in protected)
    assert "1972-08-09" < made[0] < "1985-10-11"
    assert "2020-01-01" < made[-1] < "2021-06-01"
    assert {value[11:] for value in made} == {"12:30:00"}
    assert Counter(made)[made[0]] == 6
    columns = table({"c": values})
    assert fitted.shares_changed(columns, table({"c": protected})) == {"c": pytest.approx(12 / 38)}


@pytest.mark.parametrize("first", ["2001-01-01", "2001-01-15"])
@pytest.mark.parametrize("months", [1, 3])
def test_the_ends_of_moments_look_like_the_column(first: str, months: int) -> None:
    stamps = pd.date_range(first, periods=60, freq=pd.DateOffset(months=months))
    days = column("c", T.DATETIME, datetime_format="%Y-%m-%d")
    made = protect([str(each.date()) for each in stamps], days)[1]
    assert {(value or "")[8:] for value in made} == {first[8:]}
    assert {(value or "")[5:7] for value in made} <= {f"{each.month:02d}" for each in stamps}


def test_the_ends_of_moments_are_working_days_where_all_are() -> None:
    days = column("c", T.DATETIME, datetime_format="%Y-%m-%d %H:%M")
    stamps = [each + pd.Timedelta(hours=9 + n % 8) for n, each in enumerate(pd.bdate_range("2020-01-03", periods=90))]
    made = pd.to_datetime(pd.Series(protect([f"{each:%Y-%m-%d %H:%M}" for each in stamps], days)[1]))
    assert made.dt.day_of_week.max() < 5
    assert made.dt.hour.between(9, 16).all()
    assert (made.dt.minute == 0).all()


def test_an_end_of_moments_that_enough_rows_have_stays() -> None:
    days = column("c", T.DATETIME, datetime_format="%Y-%m-%d")
    values = ["1900-01-01"] * 3 + ["2001-04-05"] * 5 + ["2010-01-01"] * 9 + ["2024-07-08"] * 5 + ["2090-01-01"] * 4
    made = protect([*values], days)[1]
    assert made == ["2001-04-05"] * 8 + ["2010-01-01"] * 9 + ["2024-07-08"] * 9


def test_moments_of_one_middle_and_no_range_leave_their_mean() -> None:
    days = column("c", T.DATETIME, datetime_format="%Y-%m-%d")
    values = (
        ["2024-01-01", "2024-01-02", "2024-01-03"] + ["2024-01-08"] * 4 + ["2024-01-20", "2024-01-21", "2024-01-22"]
    )
    assert set(protect([*values], days)[1]) == {"2024-01-10"}


def test_too_few_moments_for_a_range_leave_their_mean() -> None:
    days = column("c", T.DATETIME, datetime_format="%Y-%m-%d")
    values: list[str | None] = [f"2024-01-{day:02d}" for day in (1, 2, 3, 8, 16)]
    assert protect(values, days)[1] == ["2024-01-06"] * 5
    assert protect(values[2:], days)[1] == ["2024-01-01"] * 3


def test_text_and_excluded_columns_are_left_alone() -> None:
    assert protect(["a", "b"], column("c", T.TEXT))[1] == ["a", "b"]
    assert protect(["a", "b"], column("c"), exclude=("c",))[1] == ["a", "b"]


@settings(max_examples=40)
@given(seed=seeds, rows=st.integers(10, 400), k=st.integers(2, 8))
def test_no_rare_value_of_a_closed_column_is_ever_made(seed: int, rows: int, k: int) -> None:
    found, columns = random_table(seed, rows, [T.CATEGORICAL, T.BOOLEAN, T.INTEGER, T.DECIMAL, T.CATEGORICAL])
    transform = ProtectRareTransform(ProtectRareOptions(k=k), seed)
    fitted = transform.fit(columns, found)
    made = texts(fitted.invert(fitted.apply(columns), draws(rows), {}))
    for each in found:
        counts = Counter(columns.column(each.name).to_pylist())
        common = {value for value, count in counts.items() if count >= k}
        new = set(made[each.name]) - common - {None}
        if each.type is T.TEXT:
            continue
        if each.type is T.CATEGORICAL:
            assert not (new - {"_RARE_"}) & set(counts)
        elif each.type is T.BOOLEAN or not common - {None}:
            assert len(new) <= 1 or _clipped(columns, each.name, k, made[each.name])
        else:
            assert not new or _clipped(columns, each.name, k, made[each.name])


def _clipped(columns: Any, name: str, k: int, made: list[str | None]) -> bool:
    """Whether a wide column lies between its k-th extremes."""
    numbers = np.sort(parse_numbers([value for value in columns.column(name).to_pylist() if value is not None]))
    kept = parse_numbers([value for value in made if value is not None])
    return bool(kept.min() >= numbers[min(k, len(numbers)) - 1] and kept.max() <= numbers[-min(k, len(numbers))])


@settings(max_examples=15)
@given(seed=seeds, rows=st.integers(30, 300))
def test_the_pipeline_stays_within_the_protected_range(seed: int, rows: int) -> None:
    from rowsmith.transforms import fit_transforms

    found, columns = random_table(seed, rows, [*MAKERS])
    fitted, applied = fit_transforms(columns, found, list(all_transforms().items()))
    made = texts(fitted.invert(applied, draws(rows, seed), {}))
    for each in found:
        old = [value for value in texts(columns)[each.name] if value is not None]
        new = [value for value in made[each.name] if value is not None]
        if each.type is T.DATETIME and len(old) >= 10:
            before, after = (parse_datetimes(v, each.datetime_format or "").astype("datetime64[s]") for v in (old, new))
            assert after.min() >= np.sort(before)[4] and after.max() <= np.sort(before)[-5]
        if each.type in (T.INTEGER, T.DECIMAL) and len(old) >= 10:
            assert parse_numbers(new).max() <= parse_numbers(old).max()
            assert parse_numbers(new).min() >= parse_numbers(old).min()


@pytest.mark.parametrize("wrong", [{"k": 0}, {"max_values": 0}])
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ProtectRareOptions(**wrong)


def test_a_column_of_uuids_gets_no_label() -> None:
    storage = Storage(source=Source.PANDAS, dtype="object", element="uuid")
    values = [f"00000000-0000-4000-8000-00000000000{number % 9}" for number in range(12)]
    _, protected = protect(list(values), column("x", storage=storage))
    assert set(protected) <= set(values)


def test_labels_that_use_up_what_their_characters_spell_become_invented_ones_all_the_same() -> None:
    values: list[str | None] = [f"{first}:{second}" for first in "ABCDEFGHIJ" for second in "abc" for _ in range(2)]
    columns = table({"a": values})
    fitted = ProtectRareTransform(seed=1).fit(columns, schema(column("a")))
    back = texts(check_round_trip(fitted, columns))["a"]
    assert len(set(back)) > 15 and not set(back) & set(values)
    assert all(re.fullmatch("[A-Z]:[a-z]", str(name)) for name in back)


def test_many_rare_labels_beside_a_single_other_one_do_not_become_that() -> None:
    values: list[str | None] = [
        *["out"] * 70, *["NA"] * 10, *(f"{hour:02}:{hour + 10:02}" for hour in range(20)),
    ]  # fmt: skip
    columns = table({"a": values})
    fitted = ProtectRareTransform(seed=1).fit(columns, schema(column("a")))
    back = texts(check_round_trip(fitted, columns))["a"]
    assert back[:80] == values[:80] and all(re.fullmatch("..:..", str(each)) for each in back[80:])
    assert not set(back[80:]) & set(values)


def test_invented_categories_are_in_the_dtype_in_place_of_those_that_few_rows_have() -> None:
    values: list[str | None] = [f"{first}{second}" for first in "ABCDEFGHIJ" for second in "xyz" for _ in range(2)]
    storage = Storage(
        source=Source.PANDAS, dtype="category", categories=tuple(sorted(set(values))), categories_dtype="object"
    )
    transform, columns = ProtectRareTransform(seed=1), table({"a": values})
    before = transform.narrowed(columns, schema(column("a", storage=storage)))
    categories = before["a"].storage.categories
    assert categories and not set(categories) & set(values)
    back = texts(check_round_trip(transform.fit(columns, before), columns))["a"]
    assert set(back) <= set(categories) and len(set(back)) > 15


def test_a_tenth_of_rows_with_rare_labels_become_as_frequent_invented_ones() -> None:
    values: list[str | None] = [*many(a1=300, b2=100), *(f"c{number}" for number in range(10, 90) for _ in "ab")]
    fitted, back = protect(values, column("a"))
    assert [*fitted.notes()] == [
        "labels with fewer than 5 rows are replaced by invented labels with the same look: a (28.6% of its values)"
    ]
    assert back[:400] == values[:400]
    new = Counter(back[400:])
    assert len(new) > 40 and max(new.values()) < 10
    assert not set(new) & set(values) and all(re.fullmatch("c[0-9]{2}|[a-c][0-9]{2}", str(name)) for name in new)


def test_invented_labels_have_the_characters_that_stand_at_each_place_where_these_spell_new_ones() -> None:
    values: list[str | None] = [
        *many(out=40, gone=40), *(f"{hour:02}:{minute}" for hour in range(0, 24, 3) for minute in range(10, 60, 7))
    ]  # fmt: skip
    new = protect(values, column("a"))[1][80:]
    assert not set(new) & set(values)
    assert sum(bool(re.fullmatch("[012][0-9]:[1-5][0-9]", str(name))) for name in new) > 0.9 * len(new)


def test_long_rare_labels_become_words_that_enough_rows_have() -> None:
    rng = np.random.default_rng(0)
    words = [*map(str.lower, "ABCDEFGHIJKL"), "laptop", "office", "stolen"]
    long = [" ".join([*rng.choice(words, 30), f"secret{number}"]) for number in range(60)]
    new = protect([*many(none=200, some=90), *long], column("a"))[1][290:]
    assert not set(new) & set(long) and len(set(new)) > 30
    assert {word for text in new for word in str(text).split()} <= set(words)
    assert all(29 <= len(str(text).split()) <= 32 for text in new)


def test_invented_labels_hold_nothing_that_a_single_rare_one_has() -> None:
    rare = [
        "Tyler",
        "Taft",
        "Polk",
        "Pierce",
        "Q\u00fc\u00dfx",
        "Hayes",
        "Arthur",
        "Truman",
        "Ford",
        "Tully",
        "Carter",
        "Harris",
    ]
    values: list[str | None] = [*many(Adams=40, Grant=40), *(name for name in rare for _ in range(4))]
    new = protect(values, column("a"))[1][80:]
    assert len(set(new)) > 6 and not set(new) & set(values)
    assert not {"Q", "\u00fc", "\u00df", "x", "k"} & set("".join(map(str, new)))


def test_invented_names_are_as_long_as_those_they_stand_for_though_few_share_a_shape() -> None:
    rng = np.random.default_rng(4)
    words = ["".join(rng.choice(list("aeinorst"), size)).capitalize() for size in range(4, 16) for _ in "abc"]
    rare = [word + tail for word in words for tail in ("", "-" + word[:2] + "9", word[:3])]
    values: list[str | None] = [*many(Adams=40, Grant=40), *(name for name in rare for _ in "ab")]
    new = protect(values, column("a"))[1][80:]
    usual, found = (np.quantile([*map(len, map(str, names))], [0.1, 0.5, 0.9]) for names in (values[80:], new))
    assert np.abs(usual - found).max() <= 2


def test_what_a_single_group_has_is_no_part_of_invented_labels() -> None:
    values: list[str | None] = [*many(a1=300, b2=100), *(f"c{number}" for number in range(10, 90) for _ in "ab")]
    owners = [*(str(row % 40) for row in range(560))]
    values[:30], owners[:30] = ["\u00fc\u00fc", "\u00fcx", "\u00fcy"] * 10, ["7"] * 30
    columns = table({"owner": owners, "a": values})
    found = schema(column("owner"), column("a"))
    fitted = ProtectRareTransform(seed=1, grouping=("owner",), groups=("owner",)).fit(columns, found)
    assert "\u00fc" not in json.dumps(fitted.state()["guards"], ensure_ascii=False)


def test_labels_all_of_which_are_rare_become_invented_ones() -> None:
    names = [first + second + "H" for first in "ABCDEF" for second in "EFGH"]
    values: list[str | None] = [name for name in names for _ in range(3)]
    columns = table({"a": values})
    transform = ProtectRareTransform(seed=1)
    fitted = transform.fit(columns, schema(column("a")))
    check_state(transform, fitted, columns)
    back = texts(check_round_trip(fitted, columns))["a"]
    assert set(texts(fitted.apply(columns))["a"]) == {"_RARE_"}
    assert len(set(back)) > 12 and not set(back) & set(values)
    assert all(len(str(name)) == 3 and set(str(name)) <= set("ABCDEFGH") for name in back)
    assert max(map(back.count, back)) < 12
    assert fitted.shares_changed(columns, fitted.apply(columns)) == {"a": 1.0}


@settings(max_examples=15)
@given(seed=seeds, labels=st.integers(8, 60), most=st.integers(1, 4), width=st.integers(1, 14))
def test_invented_labels_are_as_many_as_frequent_and_as_long_as_those_they_stand_for(
    seed: int, labels: int, most: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    words = {"".join(rng.choice(list("ABCDEFGHIJ"), int(rng.integers(1, width + 1)))) for _ in range(labels)}
    rare = [word for word in sorted(words) for _ in range(int(rng.integers(1, most + 1)))]
    values: list[str | None] = [*many(common=len(rare), other=len(rare)), *rare]
    fitted, _ = protect(values, column("a"))
    guards = json.loads(json.dumps(fitted.state()))["guards"]
    if len(rare) < 10:
        return
    names, weights = guards["a"]["names"], guards["a"]["weights"]
    # As many as the rare labels, each as frequent as one of them.
    assert sorted(weights) == sorted(Counter(rare).values()) and len(set(names)) == len(weights)
    assert not set(names) & set(values)
    old = np.array([*map(len, rare)])
    new = np.repeat([*map(len, names)], weights)
    apart = max(abs((old <= size).mean() - (new <= size).mean()) for size in range(20))
    # One label of the others, the lengths of too few rows, and those of labels that use up their length.
    beyond = np.isin(old, [size for size in (1,) if width < 3 or labels > 20]).mean()
    assert apart <= (2 * max(weights) + 2) / len(rare) + beyond


def test_codes_that_use_up_their_length_become_longer_ones_and_not_a_few_frequent_ones() -> None:
    values: list[str | None] = [*many(AA=40, BB=40), *(letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for _ in "ab")]
    new = Counter(protect(values, column("a"))[1][80:])
    assert len(new) > 14 and max(new.values()) < 10
    assert all(re.fullmatch("[A-Z]{2,3}", str(name)) for name in new)


def test_lists_of_codes_become_lists_of_codes() -> None:
    rng = np.random.default_rng(3)
    codes = ["NC", "FL", "GA", "SC", "TX", "LA"]
    lists = {",".join(rng.choice(codes, size)) for size in range(2, 16)}  # No shape is that of two.
    new = protect([*many(NY=40, NJ=40), *sorted(lists)], column("a"))[1][80:]
    assert not set(new) & lists
    assert all(re.fullmatch("[A-Z]{2}(,[A-Z]{2})*", str(name)) for name in new)


def test_rare_values_of_short_texts_beside_frequent_ones_become_invented_ones() -> None:
    states = [first + second for first in "ABCDEFG" for second in "KLMNOPQ"]
    values: list[str | None] = [*many(CA=20, VA=10), *(state for state in states for _ in "ab"), None, None]
    fitted, back = protect(values, column("a", T.TEXT, nullable=True))
    assert fitted.schema_after["a"].type is T.CATEGORICAL
    assert back[:30] == values[:30] and back[-2:] == [None, None]
    new = Counter(back[30:-2])
    assert len(new) > 30 and max(new.values()) < 10 and not set(new) & set(states)
    assert [*fitted.notes()] == [
        "labels with fewer than 5 rows are replaced by invented labels with the same look: a (76.6% of its values)"
    ]


@pytest.mark.parametrize(
    "texts_",
    [
        [f"T{number}{number % 7}" for number in range(60)],  # No frequent value.
        ["no"] * 30 + [f"it was a rather long story, and number {number} of them" for number in range(60)],
        ["no"] * 300 + [f"T{number}{number % 7}" for number in range(1_200)],  # Enough to learn how they are spelled.
    ],
)
def test_other_texts_are_left_to_be_spelled(texts_: list[str | None]) -> None:
    fitted, back = protect(texts_, column("a", T.TEXT))
    assert back == texts_ and fitted.schema_after["a"].type is T.TEXT


def test_no_invented_label_is_one_of_the_rows_that_are_held_out() -> None:
    pairs = [first + second for first in "ABCDEFG" for second in "KLMNOPQ"]
    values: list[str | None] = [*many(CA=40, VA=40), *(pair for pair in pairs[::2] for _ in "ab")]
    columns, transform = table({"a": values}), ProtectRareTransform(seed=1)
    fitted = transform.fit(columns, schema(column("a")))
    names = fitted.state()["guards"]["a"]["names"]
    assert set(names) & set(pairs)
    clear = fitted.keeping_clear(table({"a": [*values, *pairs]}))
    check_state(transform, clear, columns)
    made = texts(clear.invert(clear.apply(columns), draws(len(values)), {}))["a"]
    assert made[:80] == values[:80] and len(set(made)) > 16 and not set(made[80:]) & set(pairs)
    every = table({"a": [*names, *fitted.state()["guards"]["a"]["spare"]]})
    none_left = texts(fitted.keeping_clear(every).invert(fitted.apply(columns), draws(len(values)), {}))
    assert set(none_left["a"]) == {"CA", "VA", "_RARE_"}


def test_addresses_of_pages_become_others() -> None:
    pages: list[str | None] = [f"https://example.org/news/polls/200{at % 9}/{1000 + 17 * at}/" for at in range(60)]
    new = protect([*many(none=20), *pages], column("a", T.TEXT))[1][20:]
    assert not set(new) & set(pages) and len(set(new)) > 30
    assert all(re.fullmatch(r"https://example\.org/news/polls/20[0-9]{2}/[0-9]{4}/", str(page)) for page in new)
