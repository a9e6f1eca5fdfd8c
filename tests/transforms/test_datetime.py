"""Date-times as calendar parts."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.table.schema import ColumnSchema
from rowsmith_plugins.transforms.datetime.transform import DatetimeTransform, FittedDatetime

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
