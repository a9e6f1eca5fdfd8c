"""Date-times as calendar parts."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.table.schema import ColumnSchema
from rowsmith.transforms import FittedTransforms, fit_transforms
from rowsmith_plugins.transforms.datetime.transform import DatetimeTransform, FittedDatetime
from rowsmith_plugins.transforms.rare.transform import ProtectRareTransform

from .tables import T, check_round_trip, check_state, column, draws, schema, table, texts


def dated(format_: str, **fields: Any) -> ColumnSchema:
    return column("d", T.DATETIME, datetime_format=format_, **fields)


def fit(values: list[str | None], column_: ColumnSchema) -> FittedDatetime:
    transform, columns = DatetimeTransform(), table({"d": values})
    fitted = transform.fit(columns, schema(column_))
    check_state(transform, fitted, columns)
    assert texts(check_round_trip(fitted, columns))["d"] == values
    return fitted


def invert(fitted: FittedDatetime, **parts: list[str | None]) -> list[str | None]:
    columns = table({f"d.{part}": values for part, values in parts.items()})
    return texts(fitted.invert(columns, draws(columns.num_rows), {}))["d"]


@pytest.mark.parametrize(
    ("format_", "values", "names"),
    [
        ("%Y-%m-%d", ["2020-01-31", "2021-02-28"], ["year", "month", "day"]),
        ("%Y-%m-%d", ["2020-06-01", "2020-06-02"], ["day"]),
        ("%d/%m/%Y %H:%M", ["01/02/2020 10:30", "01/02/2020 11:30"], ["hour"]),
        ("%Y-%m-%dT%H:%M:%S+02:00", ["2020-01-01T00:00:00+02:00", "2020-01-01T00:00:59+02:00"], ["second"]),
        ("%Y-%m-%d %H:%M:%S.%3f", ["2020-01-01 00:00:00.001", "2020-01-01 00:00:00.250"], ["millisecond"]),
        ("%Y-%m-%d %H:%M:%S.%f", ["2020-01-01 00:00:00.001000", "2020-01-01 00:00:00.250001"], ["microsecond"]),
        (
            "%Y-%m-%d %H:%M:%S.%9f",
            ["2020-01-01 00:00:00.000000001", "2020-01-01 00:00:00.5"[:-2] + ".500000000"],
            ["nanosecond"],
        ),
        ("%Y-%m", ["0001-01", "9999-12"], ["year", "month"]),
        ("%-m/%-d/%Y", ["1/2/1969", None, "12/31/1971"], ["year", "month", "day"]),
        ("%Y", ["2020", None], ["year"]),
    ],
)
def test_parts_that_vary_become_columns(format_: str, values: list[str | None], names: list[str]) -> None:
    fitted = fit(values, dated(format_, nullable=None in values))
    assert list(fitted.schema_after.names) == [f"d.{name}" for name in names]


def test_parts_are_spelled_plainly_and_null_together() -> None:
    fitted = fit(["2020-01-31", None, "2021-02-08"], dated("%Y-%m-%d", nullable=True))
    parts = texts(fitted.apply(table({"d": ["2021-02-08", None]})))
    assert parts == {"d.year": ["2021", None], "d.month": ["2", None], "d.day": ["8", None]}


def test_days_that_a_month_lacks_become_its_last() -> None:
    fitted = fit(["2020-01-31", "2021-02-08", "2022-04-08", "2024-12-31"], dated("%Y-%m-%d"))
    made = invert(fitted, year=["2021", "2024", "2021"], month=["2", "2", "4"], day=["31", "31", "31"])
    assert made == ["2021-02-28", "2024-02-29", "2021-04-30"]


def test_the_result_is_clipped_to_the_range() -> None:
    fitted = fit(["2020-03-05", "2021-04-06"], dated("%Y-%m-%d"))
    made = invert(fitted, year=["2020", "2021", "1", "9999"], month=["1", "12", "1", "12"], day=["1", "31", "1", "31"])
    assert made == ["2020-03-05", "2021-04-06", "2020-03-05", "2021-04-06"]


def test_odd_parts_are_drawn_from_those_seen() -> None:
    fitted = fit(["2020-03-05", "2021-04-06", None], dated("%Y-%m-%d", nullable=True))
    made = invert(
        fitted,
        year=[None, "2020", "2020", "x"] + ["2020"] * 40,
        month=["3", None, "13", "3"] + [None] * 40,
        day=["5", "5", "5", "-5"] + ["5"] * 40,
    )
    assert made[0] is None
    assert {value[5:7] for value in made[1:] if value} == {"03", "04"}
    assert {value[8:] for value in made[1:] if value} <= {"05", "06"}


def test_null_is_repaired_where_the_column_has_none() -> None:
    fitted = fit(["2020-03-05", "2021-04-06"], dated("%Y-%m-%d"))
    assert None not in invert(fitted, year=[None, "2020"], month=["3", None], day=[None, None])


def test_names_that_are_taken_get_an_underscore() -> None:
    columns = table({"d": ["2020-01-01", "2021-01-01"], "d.year": ["x", "y"]})
    fitted = DatetimeTransform().fit(columns, schema(dated("%Y-%m-%d"), column("d.year")))
    assert fitted.schema_after.names == ("d.year_", "d.year")
    assert texts(check_round_trip(fitted, columns)) == texts(columns)


def test_columns_without_dates_or_excluded_stay() -> None:
    nothing = table({"d": [None, None]})
    assert DatetimeTransform().fit(nothing, schema(dated("%Y", nullable=True))).schema_after.names == ("d",)
    some = table({"d": ["2020", "2021"]})
    assert DatetimeTransform(exclude=("d",)).fit(some, schema(dated("%Y"))).schema_after.names == ("d",)


@settings(max_examples=40)
@given(
    seen=st.lists(st.datetimes(), min_size=1, max_size=30),
    unseen=st.lists(st.datetimes(), min_size=1, max_size=30),
    format_=st.sampled_from(["%Y-%m-%d", "%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %I:%M %p"]),
)
def test_seen_moments_come_back_and_unseen_ones_keep_the_promise(
    seen: list[Any], unseen: list[Any], format_: str
) -> None:
    def spell(moment: Any) -> str:
        return str(moment.strftime(format_.replace("%Y", f"{moment.year:04d}")))

    fitted = fit([spell(moment) for moment in seen], dated(format_))
    check_round_trip(fitted, table({"d": [spell(moment) for moment in unseen]}))
    assert json.loads(json.dumps(fitted.state()))["columns"][0]["name"] == "d"


def _back(values: list[str], seeds: int = 5) -> list[Counter[str]]:
    """What a model makes of dates that learned perfectly how their parts go together, by seed."""
    columns = table({"d": values})
    steps = [("protect-rare", ProtectRareTransform()), ("datetime", DatetimeTransform(k=5))]
    known, applied = fit_transforms(columns, schema(dated("%Y-%m-%d")), steps)
    again = FittedTransforms.restore(json.loads(json.dumps(known.state())), dict(steps).__getitem__)
    assert texts(again.apply(columns)) == texts(applied)
    made = [again.invert(applied, draws(len(values), seed), {}) for seed in range(seeds)]
    assert all(texts(known.apply(each)) == texts(applied) for each in made)
    return [Counter(value or "" for value in texts(each)["d"]) for each in made]


def _days(first: str, count: int, step: int = 1) -> list[str]:
    return [str(np.datetime64(first) + step * day) for day in range(count)]


# 24 dates, each of four rows, one fewer than are needed, in about as many years.
RARE = _days("1950-03-07", 24, 377)
USUAL = _days("2023-01-01", 365) * 6


def test_rare_dates_do_not_come_back_from_their_true_parts() -> None:
    for made in _back(USUAL + RARE * 4):
        assert sum(made[date] for date in RARE) <= 8
        assert sum(count for date, count in made.items() if date < "2000") == 4 * len(RARE)
        assert made[min(made)] <= 8


def test_a_few_rare_dates_of_one_year_do_not_come_back_from_their_true_parts() -> None:
    rare = ["1970-02-03", "1970-05-17", "1970-11-09"]
    for made in _back([*USUAL, *["1970-01-01"] * 60, *rare * 4, *_days("2001-01-01", 200) * 2]):
        assert made["1970-01-01"] == 60
        assert sum(count for date, count in made.items() if date[:4] == "1970") == 72
        assert sum(made[date] for date in rare) <= 4


def test_days_that_are_drawn_are_noted_with_their_share_and_counted_as_changed() -> None:
    columns = table({"d": [*USUAL, *RARE * 4, None, None]})
    fitted, applied = fit_transforms(
        columns, schema(dated("%Y-%m-%d", nullable=True)), [("dt", DatetimeTransform(k=5))]
    )
    drawn = 4 * len(RARE) / columns.num_rows
    note, changes = fitted.notes()
    assert f"are drawn, not learned: d ({drawn:.1%} of its rows)" in note
    assert changes.endswith(f"by column and share of rows: d ({drawn:.1%})")
    assert fitted.changed == {"d": pytest.approx(drawn)}
    back = texts(fitted.invert(applied, draws(columns.num_rows), {}))["d"]
    different = sum(one != two for one, two in zip(texts(columns)["d"], back, strict=True))
    assert 0.8 * drawn < different / columns.num_rows <= drawn


def test_a_part_of_few_rows_that_moves_to_the_nearest_counts_as_changed() -> None:
    values = ["2023-01-01 08:00"] * 20 + ["2023-01-01 09:00"] * 20 + ["2023-01-01 15:00"] * 2
    fitted, _ = fit_transforms(table({"d": values}), schema(dated("%Y-%m-%d %H:%M")), [("dt", DatetimeTransform(k=5))])
    assert fitted.changed == {"d": pytest.approx(2 / 42)}
    assert fitted.notes() == ["transform 'dt' changes values for good, by column and share of rows: d (4.8%)"]


def test_dates_that_enough_rows_have_are_not_noted() -> None:
    fitted, _ = fit_transforms(table({"d": USUAL}), schema(dated("%Y-%m-%d")), [("dt", DatetimeTransform(k=5))])
    assert (fitted.notes(), fitted.changed) == ([], {"d": 0.0})


def test_a_day_that_rare_dates_share_stays() -> None:
    eras = [f"{year}-01-01" for year in range(1850, 1900)]
    for made in _back(USUAL + eras * 2 + RARE * 4):
        first = sum(count for date, count in made.items() if date < "1900" and date.endswith("-01-01"))
        assert first >= 90


def test_rare_dates_that_are_one_part_share_bins_by_their_rows() -> None:
    for made in _back(
        [*_days("2023-11-01", 6) * 6, "2023-11-10", "2023-11-11", *["2023-11-12"] * 4, *["2023-11-20"] * 9]
    ):
        assert sum(made[day] for day in ("2023-11-10", "2023-11-11", "2023-11-12")) == 6


def test_rare_moments_of_one_month_do_not_come_back_from_their_true_parts() -> None:
    usual = [
        f"{day} {hour:02d}:{minute:02d}" for day in _days("2023-11-01", 10) for hour in (9, 10) for minute in (0, 30)
    ]
    rare = [f"{day} {9 + n % 2:02d}:{30 * (n % 3 > 0):02d}" for n, day in enumerate(_days("2023-11-11", 18))]
    values = usual * 6 + rare * 4
    columns = table({"d": values})
    fitted = DatetimeTransform(k=5).fit(columns, schema(dated("%Y-%m-%d %H:%M")))
    for seed in range(5):
        made = Counter(texts(fitted.invert(fitted.apply(columns), draws(len(values), seed), {}))["d"])
        assert sum(made[value] for value in usual) == len(usual) * 6
        assert sum(made[value] for value in rare) <= 4 * len(rare) / 3


def test_dates_of_many_different_days_keep_them() -> None:
    values = _days("2019-01-01", 1_461)
    for made in _back(values, 2):
        assert sum(made[date] for date in values[10:-10]) == len(values) - 20


def test_a_model_that_knows_of_no_rare_days_gives_them_back() -> None:
    transform, columns = DatetimeTransform(k=5), table({"d": USUAL + RARE * 4})
    fitted = transform.fit(columns, schema(dated("%Y-%m-%d")))
    state = json.loads(json.dumps(fitted.state()))
    assert state["columns"][0].pop("rare_days")
    restored = transform.restore(state)
    parts = {name: [*values] for name, values in texts(restored.apply(columns)).items()}
    assert {value[-2:] for value in RARE} <= {f"{int(day or 0):02d}" for day in parts["d.day"]}
    assert texts(check_round_trip(restored, columns))["d"][: len(USUAL)] == USUAL
