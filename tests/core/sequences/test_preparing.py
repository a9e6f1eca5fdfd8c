"""Time columns of every look: found, checked, and turned into extents and intervals."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.config import load_config
from rowsmith.errors import ConfigError, DataError
from rowsmith.randomness.seeds import Seeds
from rowsmith.sequences import TICKS, Interval, SeriesPlan, draw_spans, learn_interval, prepare_series
from rowsmith.table import from_frame

DAY = 86_400 * TICKS


def settings(group=None, **time_series):
    named = {} if "timestamp_interval_seconds" in time_series else {"timestamp_column": "t"}
    values = {"time_series": {"is_timeseries": True, **named, **time_series}}
    return load_config(values={**values, "data": {"group_training_examples_by": group}})


def planned(frame, config):
    """The plan of a table whose rows stand in order."""
    prepared = prepare_series(from_frame(frame), config)
    groups = np.zeros(len(frame), dtype=np.int64)
    for name in config.data.group_columns:
        groups = pd.factorize(frame[name])[0].astype(np.int64)
    return prepared, prepared.plan(prepared.table, groups)


def ticks(text):
    return int(np.datetime64(text, "us").astype(np.int64))


@pytest.mark.parametrize(
    ("times", "interval"),
    [
        (["2020-01-01", "2020-01-08", "2020-01-15"], Interval(ticks=7 * DAY)),
        (["10/1/2020", "10/2/2020", "10/3/2020"], Interval(ticks=DAY)),
        (["2020-01-01 00:00:00.250", "2020-01-01 00:00:00.500"], Interval(ticks=TICKS // 4)),
        (["01/02/2020", "12/02/2020", "23/02/2020"], Interval(ticks=11 * DAY)),  # only the last tells day from month
        (["02/01/2020", "02/12/2020", "02/23/2020"], Interval(ticks=11 * DAY)),
        (["2020-01-15", "2020-02-15", "2020-03-15"], Interval(months=1)),
        (["2020-01-31", "2020-02-29", "2020-03-31"], Interval(months=1, month_end=True)),
        (["2020-01-30", "2020-02-29", "2020-03-30"], Interval(months=1)),
        (["2020-01-01", "2020-04-01", "2020-07-01", "2020-10-01"], Interval(months=3)),
        (["2019-03-01", "2020-03-01", "2021-03-01"], Interval(months=12)),
        (["2020-01-01", "2020-01-02", "2020-01-04"], None),
        (["2020-01-01", "2020-01-01", "2020-01-02"], None),
        (["23:58", "23:59", "00:00", "00:01"], Interval(ticks=60 * TICKS)),
        ([0, 10, 20], Interval(ticks=10 * TICKS)),
        ([0.5, 0.75, 1.0], Interval(ticks=TICKS // 4)),
        ([1990, 1991, 1992], Interval(ticks=TICKS)),
    ],
)
def test_the_interval_is_found_in_any_format(times, interval):
    """Promises G1, G9."""
    _, plan = planned(pd.DataFrame({"t": times, "v": range(len(times))}), settings(timestamp_column="t"))
    assert plan.interval == interval


def test_the_clock_writes_what_it_read():
    for times in (["03.02.2020 1:05", "03.02.2020 13:05"], ["02 Jan 2020", "13 Feb 2020"], ["23:59", "00:00"], [5, 7]):
        table = from_frame(pd.DataFrame({"t": times, "v": range(len(times))}))
        prepared = prepare_series(table, settings(timestamp_column="t"))
        values = [str(time) for time in times]
        read, fits = prepared.axis.read(values)
        assert fits.all()
        assert prepared.axis.write(read.tolist(), table.schema["t"]) == values


def test_a_given_format_is_kept_to_on_every_row():
    """Promise G2."""
    frame = pd.DataFrame({"k": ["a", "a", "b"], "t": ["01/02/2020", "02/02/2020", "2020-02-03"], "v": [1, 2, 3]})
    with pytest.raises(DataError, match=r"row 3 \(group k 'b'\).*'2020-02-03' is not a time in the format '%d/%m/%Y'"):
        prepare_series(from_frame(frame), settings("k", timestamp_column="t", timestamp_format="%d/%m/%Y"))


def test_a_wrong_format_is_told_with_the_right_one():
    """Promise G3."""
    frame = pd.DataFrame({"t": ["2020-01-05", "2020-01-06"], "v": [1, 2]})
    with pytest.raises(DataError, match=r"did you mean time_series\.timestamp_format: '%Y-%m-%d'"):
        prepare_series(from_frame(frame), settings(timestamp_column="t", timestamp_format="%d/%m/%Y"))


def test_a_given_format_decides_between_readings():
    """Promise G4."""
    frame = pd.DataFrame({"t": ["01/02/2020", "01/03/2020", "01/04/2020"], "v": [1, 2, 3]})
    _, monthly = planned(frame, settings(timestamp_column="t", timestamp_format="%d/%m/%Y"))
    _, daily = planned(frame, settings(timestamp_column="t", timestamp_format="%m/%d/%Y"))
    assert (monthly.interval, daily.interval) == (Interval(months=1), Interval(ticks=DAY))


def test_a_format_that_tables_are_not_written_in():
    frame = pd.DataFrame({"t": ["2-Feb-99", "3-Feb-99", "4-Feb-99"], "v": [1, 2, 3]})
    prepared, plan = planned(frame, settings(timestamp_column="t", timestamp_format="%d-%b-%y"))
    assert plan.spans[0].start == ticks("1999-02-02")
    assert prepared.axis.write([plan.spans[0].start], prepared.table.schema["t"]) == ["02-Feb-99"]
    assert prepared.table.columns.column("t").to_pylist() == ["1999-02-02", "1999-02-03", "1999-02-04"]


def test_numbers_can_be_dates():
    frame = pd.DataFrame({"t": [20200101, 20200201, 20200301], "v": [1, 2, 3]})
    _, plan = planned(frame, settings(timestamp_column="t", timestamp_format="%Y%m%d"))
    assert plan.interval == Interval(months=1)
    years = pd.DataFrame({"t": [1990, 1991, 1992], "v": [1, 2, 3]})
    _, plan = planned(years, settings(timestamp_column="t", timestamp_format="%Y"))
    assert plan.interval == Interval(months=12)


def test_a_missing_time_names_group_and_row():
    """Promises E33, G6."""
    frame = pd.DataFrame({"k": ["a", "b", "b"], "t": ["2020-01-01", "2020-01-02", None], "v": [1, 2, 3]})
    with pytest.raises(DataError, match=r"'t' has no value in row 3 \(group k 'b'\)"):
        prepare_series(from_frame(frame), settings("k", timestamp_column="t"))


def test_a_missing_column_is_told():
    """Promise G7."""
    with pytest.raises(ConfigError, match="no column 'tme', did you mean 'time'"):
        prepare_series(from_frame(pd.DataFrame({"time": ["2020-01-01"]})), settings(timestamp_column="tme"))


def test_text_that_is_no_time_is_told():
    frame = pd.DataFrame({"t": ["soon", "later"], "v": [1, 2]})
    with pytest.raises(ConfigError, match="timestamp_format"):
        prepare_series(from_frame(frame), settings(timestamp_column="t"))


@pytest.mark.parametrize(("interval", "expected"), [(1, ["0", "1", "0", "2"]), (60, ["0", "60", "0", "120"])])
def test_without_a_time_column_rows_are_numbered_within_their_group(interval, expected):
    """Promise G8: from the interval, within each group."""
    frame = pd.DataFrame({"k": ["a", "a", "b", "a"], "v": [1, 2, 3, 4]})
    prepared = prepare_series(from_frame(frame), settings("k", timestamp_interval_seconds=interval))
    assert prepared.config.time_series.timestamp_column == "elapsed_seconds"
    assert prepared.table.schema.names == ("elapsed_seconds", "k", "v")
    assert prepared.table.columns.column("elapsed_seconds").to_pylist() == expected
    assert prepared.axis.made


def test_a_made_column_is_named_apart_and_may_have_steps_below_a_second():
    """Promise G8: where the table has a column of that name."""
    frame = pd.DataFrame({"elapsed_seconds": ["x", "y"], "v": [1, 2]})
    prepared = prepare_series(from_frame(frame), settings(timestamp_interval_seconds=0.25))
    assert prepared.table.columns.column("_elapsed_seconds").to_pylist() == ["0.0", "0.25"]


@pytest.mark.parametrize(
    ("times", "seconds", "words"),
    [
        (["2020-01-01", "2020-01-08"], 7, "written as '%Y-%m-%d', which cannot distinguish times 7 seconds apart"),
        (["2020-01-01 10:00", "2020-01-01 11:00"], 90, "cannot distinguish times 90 seconds apart"),
        ([1, 2], 0.5, "written in whole numbers, which cannot distinguish times 0.5 seconds apart"),
    ],
)
def test_an_interval_that_the_column_cannot_write_is_told(times, seconds, words):
    frame = pd.DataFrame({"t": times, "v": [1, 2]})
    with pytest.raises(ConfigError, match=words):
        prepare_series(from_frame(frame), settings(timestamp_column="t", timestamp_interval_seconds=seconds))


def test_times_that_rows_of_a_series_share_are_told():
    frame = pd.DataFrame({"t": ["2020-01-01", "2020-01-01", "2020-01-02"], "g": ["a", "b", "a"], "v": [1, 2, 3]})
    prepared, plan = planned(frame, settings())
    assert prepared.notes(plan)[0] == (
        "1 of 3 rows have the time of another row of their series; if a column identifies the series, name it as "
        "data.group_training_examples_by"
    )
    prepared, plan = planned(frame, settings("g"))
    assert prepared.shared == 0


def test_neither_configuration_nor_table_is_changed():
    """Promise G16."""
    frame = pd.DataFrame({"t": ["23:59", "00:00"], "v": [1, 2]})
    config, table = settings(timestamp_column="t"), from_frame(frame)
    before, columns = copy.deepcopy(config), table.columns.to_pydict()
    prepare_series(table, config)
    assert config == before
    assert table.columns.to_pydict() == columns


def test_every_series_has_its_own_start_stop_and_interval():
    """Promise G12."""
    frame = pd.DataFrame(
        {
            "k": ["a", "a", "b", "b", "b", "c"],
            "t": ["2020-01-01", "2020-01-02", "2021-01-01", "2021-01-08", "2021-01-15", "2022-05-05"],
            "v": range(6),
        }
    )
    prepared, plan = planned(frame, settings("k", timestamp_column="t"))
    assert [(span.start, span.stop, span.length) for span in plan.spans] == [
        (ticks("2020-01-01"), ticks("2020-01-02"), 2),
        (ticks("2021-01-01"), ticks("2021-01-15"), 3),
        (ticks("2022-05-05"), ticks("2022-05-05"), 1),
    ]
    assert [span.interval for span in plan.spans] == [Interval(ticks=DAY), Interval(ticks=7 * DAY), None]
    assert plan.interval is None
    assert prepared.notes(plan) == []


def test_an_irregular_series_is_learned_and_not_refused():
    """Promise G13."""
    frame = pd.DataFrame({"t": ["2020-01-01", "2020-01-02", "2020-01-04"], "v": [1, 2, 3]})
    prepared, plan = planned(frame, settings(timestamp_column="t"))
    assert plan.interval is None
    assert "learned" in prepared.notes(plan)[0]


def test_a_plan_goes_through_json_and_names_no_group():
    """Promise G17."""
    frame = pd.DataFrame({"k": ["Ann", "Ann", "Bob"], "t": ["2020-01-31", "2020-02-29", "2021-01-01"], "v": [7, 8, 9]})
    _, plan = planned(frame, settings("k", timestamp_column="t"))
    text = json.dumps(plan.state())
    assert SeriesPlan.restore(json.loads(text)) == plan
    assert "Ann" not in text
    assert "Bob" not in text
    assert plan.inventory() == ["time column 't': start, stop and number of records of 2 series"]


def plan_of_days(*ranges):
    rows = [
        (f"g{place}", day) for place, (start, days) in enumerate(ranges) for day in pd.date_range(start, periods=days)
    ]
    frame = pd.DataFrame({"k": [k for k, _ in rows], "t": [day for _, day in rows], "v": range(len(rows))})
    return planned(frame, settings("k", timestamp_column="t"))[1]


def test_as_many_series_as_in_training_have_all_their_extents():
    plan = plan_of_days(("2020-01-01", 3), ("2020-02-01", 5), ("2020-03-01", 2))
    spans = draw_spans(plan, settings(), Seeds(1))
    assert sorted(span.start for span in spans) == [span.start for span in plan.spans]
    assert len(draw_spans(plan, settings(), Seeds(1), 7)) == 7
    assert draw_spans(plan, settings(), Seeds(1), 7) == draw_spans(plan, settings(), Seeds(1), 7)


def test_a_given_start_stop_and_interval_are_kept_to():
    """Promise G14."""
    plan = plan_of_days(("2020-01-01", 10), ("2020-01-05", 6))
    config = settings(start_timestamp="2020-01-03", stop_timestamp="2020-02-01", timestamp_interval_seconds=43_200)
    for span in draw_spans(plan, config, Seeds(0)):
        assert (span.start, span.stop) == (ticks("2020-01-03"), ticks("2020-02-01"))
        assert (span.interval, span.length) == (Interval(ticks=DAY // 2), 59)


def test_one_given_bound_keeps_the_other_of_training_or_its_duration():
    plan = plan_of_days(("2020-01-01", 10))
    (inside,) = draw_spans(plan, settings(start_timestamp="2020-01-08"), Seeds(0))
    assert (inside.stop, inside.length) == (ticks("2020-01-10"), 3)
    (after,) = draw_spans(plan, settings(start_timestamp="2021-01-01"), Seeds(0))
    assert (after.stop, after.length) == (ticks("2021-01-10"), 10)
    (before,) = draw_spans(plan, settings(stop_timestamp="2019-12-31"), Seeds(0))
    assert (before.start, before.length) == (ticks("2019-12-22"), 10)


def test_bounds_are_written_as_the_column_is_or_in_a_known_way():
    """Promise G15."""
    frame = pd.DataFrame({"t": ["5.1.2020", "6.1.2020"], "v": [1, 2]})
    _, plan = planned(frame, settings(timestamp_column="t", timestamp_format="%-d.%-m.%Y"))
    for text in ("7.1.2020", "2020-01-07"):
        (span,) = draw_spans(plan, settings(stop_timestamp=text), Seeds(0))
        assert span.length == 3


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"stop_timestamp": "soon"}, "stop_timestamp: 'soon' is not a time"),
        ({"start_timestamp": "2020-02-01", "stop_timestamp": "2020-01-01"}, "before start_timestamp"),
    ],
)
def test_bounds_that_are_none_are_told(bounds, message):
    with pytest.raises(ConfigError, match=message):
        draw_spans(plan_of_days(("2020-01-01", 3)), settings(**bounds), Seeds(0))


@given(
    start=st.datetimes(pd.Timestamp(1900, 1, 1).to_pydatetime(), pd.Timestamp(2100, 1, 1).to_pydatetime()),
    months=st.integers(1, 24),
    count=st.integers(2, 40),
    month_end=st.booleans(),
)
def test_steps_of_the_calendar_are_found_again(start, months, count, month_end):
    """Promise G10."""
    interval = Interval(months=months, month_end=month_end)
    first = interval.after(ticks(start), 0)
    times = np.array([interval.after(first, step) for step in range(count)])
    assert (np.diff(times) > 0).all()
    learned = learn_interval(times, calendar=True)
    assert learned is not None
    assert [learned.after(first, step) for step in range(count)] == times.tolist()
    assert interval.count(first, int(times[-1])) == count
    assert interval.count(first, int(times[-1]) - 1) == count - 1


@given(start=st.integers(-(10**15), 10**15), step=st.integers(1, 10**12), count=st.integers(2, 50))
def test_equal_steps_are_found_again(start, step, count):
    times = start + step * np.arange(count)
    assert learn_interval(times, calendar=False) == Interval(ticks=step)
    assert Interval(ticks=step).count(start, int(times[-1])) == count
