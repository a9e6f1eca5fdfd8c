"""Groups of rows as records that follow each other."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.config.sections import DataConfig, TimeSeriesConfig
from rowsmith.errors import DataError, ParameterError
from rowsmith.sequences.calendar import part_of
from rowsmith.table.schema import ColumnSchema, Source, Storage, TimingRole
from rowsmith.transforms import Scope, default_transforms, fit_transforms
from rowsmith_plugins.transforms.common import constant
from rowsmith_plugins.transforms.datetime import transform as datetime
from rowsmith_plugins.transforms.groups.transform import FittedGroups, GroupsTransform, build
from rowsmith_plugins.transforms.keys import transform as keys
from rowsmith_plugins.transforms.options import GroupsOptions
from rowsmith_plugins.transforms.quantize import transform as quantize
from rowsmith_plugins.transforms.rare import transform as protect_rare
from rowsmith_plugins.transforms.relations import transform as relations
from rowsmith_plugins.transforms.texts import codes, marks
from rowsmith_plugins.transforms.texts import texts as texts_

from .tables import T, check_state, column, context, draws, schema, seeds, table, texts

DATE = column("day", T.DATETIME, datetime_format="%Y-%m-%d")
YEAR = column("year", T.INTEGER)
DAYS = column("at", T.DATETIME, datetime_format="%Y-%m-%d")
MILLISECONDS = column("at", T.DATETIME, datetime_format="%Y-%m-%d %H:%M:%S.%3f")
SECONDS = column("at", T.DATETIME, datetime_format="%Y-%m-%d %H:%M:%S")

VISITS: dict[str, list[str | None]] = {
    "id": ["7", "7", "7", "9", "10", "10"],
    "day": ["2024-01-01", "2024-01-01", "2024-01-08", "2024-03-01", "2024-01-01", "2024-01-02"],
    "sex": ["f", "f", "f", "m", None, None],
    "note": ["a", "b", "a", "a", "b", "b"],
}
VISITS_SCHEMA = schema(column("id", T.INTEGER), DATE, column("sex", nullable=True), column("note"))


def fit(
    columns: Mapping[str, Sequence[str | None]],
    *schemas: ColumnSchema,
    groups: tuple[str, ...] = ("id",),
    order: str | None = None,
) -> FittedGroups:
    transform, found = GroupsTransform(groups, order), table(columns)
    fitted = transform.fit(found, schema(*schemas))
    check_state(transform, fitted, found)
    return fitted


def fit_visits(repeat: int = 1) -> FittedGroups:
    return fit(VISITS, *VISITS_SCHEMA, order="day")


def inverted(fitted: FittedGroups, columns: Mapping[str, Sequence[str | None]], seed: int = 0) -> dict[str, Any]:
    found = table(columns)
    return texts(fitted.invert(found, draws(found.num_rows, seed), {}))


def test_records_tell_their_step_first_and_what_is_constant_once() -> None:
    fitted = fit_visits()
    applied = texts(fitted.apply(table(VISITS)))
    assert list(applied) == ["day~step", "day", "day~weekday", "sex", "note"]
    assert applied["day~weekday"] == ["0", "0", "0", "4", "0", "1"]
    assert applied["day~step"] == [None, *applied["day~step"][1:3], None, None, applied["day~step"][5]]
    assert None not in [applied["day~step"][row] for row in (1, 2, 5)]
    assert applied["sex"] == ["f", None, None, "m", None, None]
    assert applied["note"] == VISITS["note"]
    assert fitted.scope is Scope.GROUP
    roles = [None if each.timing is None else each.timing.role for each in fitted.schema_after]
    assert roles == [TimingRole.STEP, TimingRole.POSITION, TimingRole.WEEKDAY, None, None]
    assert [each.nullable for each in fitted.schema_after] == [True, False, False, True, False]


def test_without_an_order_every_later_record_is_the_next() -> None:
    columns = {"id": ["a", "a", "b"], "note": ["x", "y", "x"]}
    fitted = fit(columns, column("id"), column("note"))
    applied = texts(fitted.apply(table(columns)))
    assert applied == {"~step": [None, "next", None], "note": ["x", "y", "x"]}
    assert inverted(fitted, applied)["note"] == ["x", "y", "x"]


def test_a_table_without_group_columns_is_one_group() -> None:
    columns = {"year": [str(year) for year in range(2000, 2030)], "note": ["x", "y", "x"] * 10}
    fitted = fit(columns, YEAR, column("note"), groups=(), order="year")
    applied = texts(fitted.apply(table(columns)))
    assert list(applied) == ["year~step", "year", "note"]
    assert applied["year~step"] == [None, *["1"] * 29]
    assert inverted(fitted, applied) == columns


def test_new_names_are_distinct_and_the_same_in_all_rows_of_a_group() -> None:
    fitted = fit_visits()
    applied = fitted.apply(table(VISITS))
    carry: dict[str, Any] = {}
    names = []
    for start in (0, 6):
        names += texts(fitted.invert(applied, draws(6, 0, start), carry))["id"]
    assert names[0] == names[1] == names[2]
    assert names[4] == names[5]
    assert len({names[row] for row in (0, 3, 4, 6, 9, 10)}) == 6
    assert not set(names) & {"7", "9", "10"}


def test_of_several_names_the_one_with_most_values_is_new() -> None:
    columns = {"shop": ["a", "a", "a", "b", "b"], "till": ["1", "1", "2", "3", "3"], "x": ["1", "2", "1", "2", "1"]}
    fitted = fit(columns, column("shop"), column("till", T.INTEGER), column("x"), groups=("shop", "till"))
    applied = texts(fitted.apply(table(columns)))
    assert applied == {
        "~step": [None, "next", None, None, "next"],
        "shop": ["a", None, "a", "b", None],
        "x": ["1", "2", "1", "2", "1"],
    }
    back = inverted(fitted, applied)
    assert back["shop"] == columns["shop"]
    assert back["till"] == ["4", "4", "5", "6", "6"]


def test_a_first_record_without_null_begins_a_group_all_the_same() -> None:
    columns = {"year": [str(year) for year in range(2000, 2030)]}
    fitted = fit(columns, YEAR, groups=(), order="year")
    applied = texts(fitted.apply(table(columns)))
    begun = inverted(fitted, {"year~step": ["1", "1"], "year": applied["year"][:2]})
    assert int(begun["year"][1]) == int(begun["year"][0]) + 1


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["1", "2", "1"], "year": ["1", "1", "1"]}, "row 3.*not consecutive"),
        ({"id": ["1", "1", "2"], "year": ["1", "0", "1"]}, "'year', row 2.*sort"),
        ({"id": ["1", None, "2"], "year": ["1", "1", "1"]}, "'id' has no value in row 2"),
        ({"id": ["1", "1", "2"], "year": ["1", "1", None]}, "'year', row 3.*missing"),
    ],
)
def test_rows_must_be_arranged(columns: dict[str, list[str | None]], message: str) -> None:
    good = {"id": ["1", "1", "2"], "year": ["1", "2", "1"]}
    fitted = fit(good, column("id", T.INTEGER), YEAR, order="year")
    for attempt in (fitted.apply, lambda found: GroupsTransform(("id",), "year").fit(found, fitted.schema_before)):
        with pytest.raises(DataError, match=message):
            attempt(table(columns))


@pytest.mark.parametrize("type_", [T.CATEGORICAL, T.TEXT, T.BOOLEAN])
def test_what_has_no_order_is_refused(type_: T) -> None:
    columns = {"id": ["1", "1"], "x": ["True", "False"]}
    with pytest.raises(DataError, match=r"'x' cannot order.*data\.types"):
        fit(columns, column("id", T.INTEGER), column("x", type_), order="x")


def test_names_must_be_of_a_kind_that_can_be_made() -> None:
    columns = {"id": ["0.5", "1.5"]}
    with pytest.raises(ParameterError, match="'id' cannot name groups"):
        fit(columns, column("id", T.DECIMAL))


def test_categories_of_a_fixed_set_take_no_new_names() -> None:
    fixed = Storage(source=Source.PANDAS, dtype="category", categories=("a", "b"))
    columns = {"id": ["a", "a", "b"], "visit": ["1", "2", "1"], "x": ["p", "q", "r"]}
    kinds = (column("id", storage=fixed), column("visit", T.INTEGER), column("x"))
    with pytest.raises(ParameterError, match=r"'id' cannot name groups.*categories.*text"):
        fit(columns, *kinds)
    fitted = fit(columns, *kinds, groups=("id", "visit"))
    assert fitted.schema_after.names == ("~step", "id", "x")


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="'nowhere'"):
        fit({"id": ["1"]}, column("id", T.INTEGER), order="nowhere")


def test_it_is_built_from_the_grouping_of_the_run() -> None:
    data = DataConfig(group_training_examples_by=("a", "b"), order_training_examples_by="c")
    built = build(context(data=data), None)
    assert (built.groups, built.order) == (("a", "b"), "c")
    series = build(context(time_series=TimeSeriesConfig(is_timeseries=True, timestamp_column="t")), None)
    assert (series.groups, series.order) == ((), "t")


def test_without_groups_it_can_be_restored_but_not_fitted() -> None:
    fitted = fit({"id": ["1", "1", "2"]}, column("id", T.INTEGER), groups=("id",))
    alone = build(context(), None)
    assert alone.restore(fitted.state()) == fitted
    with pytest.raises(ParameterError, match=r"data\.group_training_examples_by"):
        alone.fit(table({"id": ["1", "1", "2"]}), fitted.schema_before)


@pytest.mark.parametrize("module", [constant, datetime, keys, marks, protect_rare, quantize, relations, texts_])
def test_other_transforms_leave_what_groups_and_orders_rows_alone(module: Any) -> None:
    """Before the transform they see the user's columns, after it those that tell a record's time."""
    rows = 60
    columns = {
        "id": [str(row // 2) for row in range(rows)],
        "shop": ["north"] * rows,
        "at": [str(1000 * row * row) for row in range(rows)],
    }
    found = schema(column("id", T.INTEGER), column("shop"), column("at", T.INTEGER))
    data = DataConfig(group_training_examples_by=("id", "shop"), order_training_examples_by="at")
    other = module.build(context(data=data), None)
    assert texts(other.fit(table(columns), found).apply(table(columns))) == columns
    fitted = build(context(data=data), None).fit(table(columns), found)
    applied = fitted.apply(table(columns))
    timed = [each.name for each in fitted.schema_after if each.timing is not None]
    after = other.fit(applied, fitted.schema_after)
    assert {name: texts(after.apply(applied))[name] for name in timed} == {name: texts(applied)[name] for name in timed}
    assert all(after.schema_after[name] == fitted.schema_after[name] for name in timed)


def test_columns_that_only_tell_groups_apart_are_made_anew() -> None:
    rows = [(group, visit) for group in range(40) for visit in range(3)]
    columns = {
        "id": [str(group) for group, _ in rows],
        "card": [None if group == 3 else f"C-{group * 7919 % 1000:03d}" for group, _ in rows],
        "visit": [str(visit) for _, visit in rows],
        "ward": ["north" if group % 2 else "south" for group, _ in rows],
    }
    kinds = (column("id", T.INTEGER), column("card", T.TEXT, nullable=True), column("visit"), column("ward"))
    fitted = fit(columns, *kinds)
    assert fitted.schema_after.names == ("~step", "ward", "visit")
    back = inverted(fitted, texts(fitted.apply(table(columns))))
    cards = {card for card in back["card"] if card}
    assert not cards & set(columns["card"])
    assert all(re.fullmatch("C-[0-9]{3}", card) for card in cards)
    assert len(set(zip(back["id"], back["card"], strict=True))) == 40
    kept = GroupsTransform(("id",), None, GroupsOptions(exclude=("card",))).fit(table(columns), schema(*kinds))
    assert kept.schema_after.names == ("~step", "card", "ward", "visit")


@pytest.mark.parametrize(("rare", "label"), [(5, set()), (10, {"_RARE_"})])
def test_rare_values_told_once_stay_the_same_in_their_group(rare: int, label: set[str]) -> None:
    """Rare values are replaced row by row, so the default order of transforms matters."""
    rows = [(group, visit) for group in range(60) for visit in range(3)]
    columns = {
        "id": [str(group) for group, _ in rows],
        "town": [f"town {group}" if group < rare else "city" if group % 3 else "village" for group, _ in rows],
        "visit": [str(visit % 2) for _, visit in rows],
    }
    found, data = (
        schema(column("id", T.INTEGER), column("town"), column("visit")),
        DataConfig(group_training_examples_by="id"),
    )
    made = {
        "groups": build,
        "codes": codes.build,
        "protect-rare": protect_rare.build,
        "keys": keys.build,
        "marks": marks.build,
        "constant": constant.build,
        "relations": relations.build,
    }
    made |= {"texts": texts_.build, "datetime": datetime.build, "quantize": quantize.build}
    steps = [(name, made[name](context(data=data), None)) for name in default_transforms(grouped=True)]
    fitted, applied = fit_transforms(table(columns), found, steps)
    assert set(texts(applied)["town"]) == {None, "city", "village"} | label
    back = texts(fitted.invert(applied, draws(len(rows)), {}))
    assert all(len(set(back["town"][at : at + 3])) == 1 for at in range(0, len(rows), 3))


@pytest.mark.parametrize(
    ("found", "values", "last"),
    [
        (column("at", T.INTEGER, storage=Storage(source=Source.PANDAS, dtype="int8")), ["0", "20", "40"], "127"),
        (column("at", T.INTEGER), ["0", str(2**59), str(2**60)], str(2**62)),
        (
            column("at", T.DATETIME, datetime_format="%Y-%m-%d"),
            ["9990-01-01", "9992-03-05", "9993-01-07"],
            "9999-12-31",
        ),
        (column("at", T.DATETIME, datetime_format="%Y-%m"), ["9990-01", "9992-03", "9993-01"], "9999-12"),
        (
            column("at", T.DATETIME, datetime_format="%Y-%m-%d %H:%M:%S.%9f"),
            [f"{year}-01-01 00:00:00.00000000{year % 7}" for year in (2240, 2250, 2260)],
            "2261-12-31 23:59:59.999999999",
        ),
        (
            column("at", T.DATETIME, datetime_format="%Y-%m-%d %H:%M:%S.%9f"),
            [f"{year}-01-01 00:00:00.00000{year % 7}000" for year in (1700, 2000, 2100)],
            "2261-12-31 23:59:59.999999000",
        ),
    ],
)
def test_groups_end_where_the_column_does(found: ColumnSchema, values: list[str], last: str) -> None:
    """However often a model writes the longest step."""
    columns = {"id": [str(group) for group in range(10) for _ in values], "at": values * 10}
    fitted = fit(columns, column("id", T.INTEGER), found, order="at")
    applied = texts(fitted.apply(table(columns)))
    longest = max(zip(fitted.order.steps.amounts, fitted.order.steps.labels, strict=True))[1]  # type: ignore[union-attr]
    many = {"at~step": [None, *[longest] * 50], "at": [applied["at"][0]] * 51}
    many |= {name: [applied[name][0]] * 51 for name in applied if name not in many}
    back = inverted(fitted, many)["at"]
    assert back[0] == values[0]
    assert back[-1] == last


def test_labels_of_steps_are_plain_numbers_of_the_longest_unit() -> None:
    day, hour, minute = 86_400, 3_600, 60
    for step, label in ((7 * day, "7"), (5 * hour, "5"), (30 * minute, "30"), (61, "61")):
        moments = [
            str(np.datetime64(1_700_000_000 // day * day + row * step, "s")).replace("T", " ") for row in range(9)
        ]
        fitted = fit({"at": moments}, SECONDS, groups=(), order="at")
        step_column = fitted.schema_after["at~step"]
        assert step_column.timing is not None
        assert step_column.timing.amounts == ((label, float(step)),)


def test_months_of_any_length_are_one_step() -> None:
    months = np.arange(np.datetime64("2019-11"), np.datetime64("2024-03"))
    after = (months + np.timedelta64(1, "M")).astype("datetime64[D]")
    for days in (months.astype("datetime64[D]"), after - np.timedelta64(1, "D")):
        columns = {"id": [str(group) for group in range(6) for _ in days], "at": [str(day) for day in days] * 6}
        fitted = fit(columns, column("id", T.INTEGER), DAYS, order="at")
        applied = texts(fitted.apply(table(columns)))
        assert set(applied["at~step"]) == {None, "1mo"}
        assert inverted(fitted, applied)["at"] == columns["at"]
        # Whoever adds up amounts stays in the right month.
        place, step = (dict(fitted.schema_after[name].timing.amounts) for name in ("at", "at~step"))  # type: ignore[union-attr]
        at = place[str(days[0])] + np.arange(len(days)) * step["1mo"]
        assert part_of(TimingRole.MONTH, at).tolist() == [int(str(month)[5:]) for month in months]


def length_of(month: int) -> int:
    first, after = (np.datetime64(each, "M").astype("datetime64[D]") for each in (month, month + 1))
    return int((after - first).astype(int))


def test_each_group_may_keep_to_its_own_day_of_the_month() -> None:
    rng = np.random.default_rng(2)
    names, days = [], []
    for group in range(300):
        own, month = int(rng.integers(0, 31)), int(rng.integers(590, 610))
        month += length_of(month) <= own
        for _ in range(int(rng.integers(1, 12))):
            names.append(str(group))
            days.append(np.datetime64(month, "M").astype("datetime64[D]").astype(int) + min(own, length_of(month) - 1))
            month += int(rng.choice([1, 1, 1, 3]))
    columns = {"id": names, "at": day_text(np.array(days))}
    fitted = fit(columns, column("id", T.INTEGER), DAYS, order="at")
    applied = texts(fitted.apply(table(columns)))
    assert set(applied["at~step"]) == {None, "1mo", "3mo"}
    assert "at~weekday" not in applied
    back = inverted(fitted, applied)
    assert texts(fitted.apply(table(back)))["at~step"] == applied["at~step"]
    own_day = {name: int(value[8:]) for name, value in zip(reversed(back["id"]), reversed(back["at"]), strict=True)}
    for name, value in zip(back["id"], back["at"], strict=True):
        assert int(value[8:]) in (own_day[name], length_of(int(np.datetime64(value[:7]).astype(int))))
    # Whoever adds up amounts stays in the right month.
    place, step = (dict(fitted.schema_after[name].timing.amounts) for name in ("at", "at~step"))  # type: ignore[union-attr]
    label = applied["at"][0]
    begun = int(label.removeprefix("~")[5:7]) - 1
    at = place[label] + np.arange(60) * step["1mo"]
    assert part_of(TimingRole.MONTH, at).tolist() == [(begun + count) % 12 + 1 for count in range(60)]


# --- properties


def lengths_of(rng: np.random.Generator, groups: int) -> list[int]:
    return [int(length) for length in rng.integers(1, 9, groups)]


def walk(rng: np.random.Generator, groups: int, starts: Any, steps: Any) -> tuple[list[str], np.ndarray]:
    """Names and order values of groups: starts and steps are drawn by functions of (rng, count)."""
    lengths = lengths_of(rng, groups)
    names = [str(100 + group) for group, length in enumerate(lengths) for _ in range(length)]
    begin = starts(rng, groups)
    parts = [first + np.cumsum(np.append(0, steps(rng, n - 1))) for first, n in zip(begin, lengths, strict=True)]
    return names, np.concatenate(parts).astype(np.int64)


@settings(max_examples=30)
@given(seed=seeds, groups=st.integers(1, 60))
def test_what_is_told_exactly_comes_back_exactly(seed: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    names, days = walk(rng, groups, lambda r, n: r.integers(0, 3, n) * 7, lambda r, n: r.choice([0, 7, 14], n))
    values = [str(day) for day in (days + 19_000).astype("datetime64[D]")]
    columns = {"id": names, "day": values, "sex": ["m" if int(name) % 3 else "f" for name in names]}
    fitted = fit(columns, column("id", T.INTEGER), DATE, column("sex"), order="day")
    applied = fitted.apply(table(columns))
    back = fitted.invert(applied, draws(len(names), seed), {})
    assert texts(back)["sex"] == columns["sex"]
    if all(fitted.order.places.exact) and not fitted.order.steps.cells.bins:  # type: ignore[union-attr]
        again = texts(fitted.apply(back))
        assert again == texts(applied)
    assert texts(fitted.apply(back))["day~step"] == texts(applied)["day~step"]


@settings(max_examples=30)
@given(seed=seeds, data=st.data())
def test_order_never_goes_back_whatever_a_model_writes(seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    scale = int(10 ** rng.integers(0, 8))
    names, seconds = walk(
        rng, 40, lambda r, n: r.integers(0, 100 * scale, n), lambda r, n: r.exponential(scale, n) * (r.random(n) < 0.8)
    )
    values = [str(moment).replace("T", " ") for moment in seconds.astype("datetime64[s]")]
    clock = column("at", T.DATETIME, datetime_format="%Y-%m-%d %H:%M:%S")
    fitted = fit({"id": names, "at": values}, column("id", T.INTEGER), clock, order="at")
    order = fitted.order
    assert order is not None
    rows = 30
    step = st.sampled_from([None, "odd", *order.steps.labels])
    place = st.sampled_from([None, "odd", *order.places.labels])
    odd: dict[str, list[str | None]] = {each.name: ["1"] * rows for each in fitted.schema_after}
    odd["at~step"] = data.draw(st.lists(step, min_size=rows, max_size=rows))
    odd["at"] = data.draw(st.lists(place, min_size=rows, max_size=rows))
    back = inverted(fitted, odd, seed)
    moments = order.axis.ticks(back["at"])
    assert all(
        moments[row] >= moments[row - 1] and back["id"][row] == back["id"][row - 1]
        for row in range(1, rows)
        if odd["at~step"][row] is not None
    )
    begun = [row for row in range(rows) if not row or odd["at~step"][row] is None]
    assert len({back["id"][row] for row in begun}) == len(begun)


@settings(max_examples=20)
@given(seed=seeds, cut=st.integers(1, 39))
def test_groups_do_not_depend_on_how_they_are_batched(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    names, values = walk(rng, 40, lambda r, n: r.integers(0, 900, n), lambda r, n: r.integers(0, 90, n))
    columns = {"id": names, "year": [str(value) for value in values]}
    fitted = fit(columns, column("id", T.INTEGER), YEAR, order="year")
    applied = fitted.apply(table(columns))
    whole = texts(fitted.invert(applied, draws(len(names), seed), {}))
    at, carry = names.index(str(100 + cut)), {}
    first = texts(fitted.invert(applied.slice(0, at), draws(at, seed), carry))
    second = texts(fitted.invert(applied.slice(at), draws(len(names) - at, seed, at), carry))
    assert {name: first[name] + second[name] for name in whole} == whole


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance of two samples."""
    points = np.sort(np.concatenate([one, other]))
    shares = [np.searchsorted(np.sort(each), points, side="right") / len(each) for each in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def day_text(days: np.ndarray) -> list[str]:
    return [str(day) for day in days.astype("datetime64[D]")]


def second_text(seconds: np.ndarray) -> list[str]:
    return [str(second).replace("T", " ") for second in seconds.astype("datetime64[s]")]


def millisecond_text(milliseconds: np.ndarray) -> list[str]:
    return [str(each).replace("T", " ") for each in milliseconds.astype("datetime64[ms]")]


def month_text(months: np.ndarray) -> list[str]:
    return [str(month) for month in months.astype("datetime64[M]").astype("datetime64[D]")]


def last_day_text(months: np.ndarray) -> list[str]:
    after = (months + 1).astype("datetime64[M]").astype("datetime64[D]")
    return [str(day) for day in after - np.timedelta64(1, "D")]


def plain(numbers: np.ndarray) -> list[str]:
    return [str(number) for number in numbers]


SERIES = {
    "days apart": (DAYS, day_text, 700, lambda r, n: np.floor(r.exponential(20, n))),
    "events": (SECONDS, second_text, 10**8, lambda r, n: np.floor(r.lognormal(10, 2, n))),
    "events below the second": (MILLISECONDS, millisecond_text, 10**9, lambda r, n: np.floor(r.exponential(3e5, n))),
    "months": (DAYS, month_text, 40, lambda r, n: r.choice([1, 1, 1, 2], n)),
    "ends of months": (DAYS, last_day_text, 40, lambda r, n: r.choice([1, 1, 1, 2], n)),
    "years": (column("at", T.INTEGER), plain, 40, lambda r, n: r.choice([1, 1, 1, 2], n)),
    "many ties": (column("at", T.INTEGER), plain, 10**6, lambda r, n: r.integers(0, 2, n) * r.integers(0, 10**6, n)),
    "weeks, half of them irregular": (
        DAYS,
        day_text,
        300,
        lambda r, n: np.where(r.random(n) < 0.5, 7, r.integers(1, 2000, n)),
    ),
}


@pytest.mark.parametrize("name", SERIES)
def test_beginnings_and_steps_are_spread_as_in_the_table(name: str) -> None:
    found, write, last, steps = SERIES[name]
    rng = np.random.default_rng(3)
    names, values = walk(rng, 2000, lambda r, n: np.floor(last * r.random(n) ** 2), steps)
    columns = {"id": names, "at": write(values)}
    fitted = fit(columns, column("id", T.INTEGER), found, order="at")
    back = inverted(fitted, texts(fitted.apply(table(columns))))
    axis = fitted.order.axis  # type: ignore[union-attr]
    old, new = axis.ticks(columns["at"]), axis.ticks(back["at"])
    first = np.array([True, *(a != b for a, b in pairwise(names))])
    old_steps, new_steps = (np.diff(ticks)[~first[1:]] for ticks in (old, new))
    assert distance(old[first], new[first]) <= 0.005
    assert distance(old_steps, new_steps) <= 0.005
    assert new_steps.min() >= 0
    assert (new_steps == 0).sum() == pytest.approx((old_steps == 0).sum(), abs=0.003 * len(old_steps))
    grid = np.gcd.reduce(old_steps)
    assert not (new_steps % grid).any()
    assert texts(fitted.apply(table(back)))["at~step"] == texts(fitted.apply(table(columns)))["at~step"]


def test_groups_begin_when_the_calendar_of_their_first_record_says() -> None:
    """Whether a model writes the parts of the calendar itself, or they are forced to be those of the landmark."""
    rng = np.random.default_rng(5)
    nights = rng.integers(0, 400, 2000) * 86_400 + 18 * 3_600 + rng.integers(0, 4 * 3_600, 2000)
    nights = nights[(nights // 86_400 % 7) < 5]
    names, seconds = walk(rng, len(nights), lambda r, n: nights, lambda r, n: np.floor(r.lognormal(11, 1, n)))
    columns = {"id": names, "at": second_text(seconds)}
    fitted = fit(columns, column("id", T.INTEGER), SECONDS, order="at")
    applied = texts(fitted.apply(table(columns)))
    parts = {"at~weekday": TimingRole.WEEKDAY, "at~hour": TimingRole.HOUR}
    first = np.array([step is None for step in applied["at~step"]])
    amounts = dict(fitted.schema_after["at"].timing.amounts)  # type: ignore[union-attr]
    near = np.array([amounts[label] for label in applied["at"]])
    forced = {name: [str(number) for number in part_of(role, near)] for name, role in parts.items()}
    for written in (applied, {**applied, **forced}):
        back = inverted(fitted, written)
        again = texts(fitted.apply(table(back)))
        for name, role in parts.items():
            kept = [one == other for one, other in zip(written[name], again[name], strict=True)]
            assert np.mean(np.array(kept)[first]) > 0.95
            old, new = (part_of(role, fitted.order.axis.ticks(each["at"]) / 1e6)[first] for each in (columns, back))  # type: ignore[union-attr]
            shares = [np.bincount(each, minlength=24) / len(each) for each in (old, new)]
            assert np.abs(shares[0] - shares[1]).sum() / 2 < (0.06 if written is applied else 0.12)


def test_parts_that_no_beginning_has_are_passed_over() -> None:
    columns = {"id": [str(row) for row in range(40)], "at": day_text(np.arange(40) * 7 + 19_000)}
    fitted = fit(columns, column("id", T.INTEGER), DAYS, order="at")
    labels = [label for label, _ in fitted.schema_after["at"].timing.amounts]  # type: ignore[union-attr]
    odd = {each.name: [None, "x", "99"] for each in fitted.schema_after}
    back = inverted(fitted, {**odd, "at~step": [None] * 3, "at": [labels[0], labels[-1], "x"]})
    assert len(back["at"]) == 3
