"""spell_frame undoes to_frame, whatever a table came from."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.errors import DataError
from rowsmith.table import Table, from_frame, read_table, to_frame
from rowsmith.table.frames.respelling import spell_frame


def texts(columns: object) -> dict[str, list[str | None]]:
    return {name: columns.column(name).to_pylist() for name in columns.column_names}  # type: ignore[attr-defined]


def assert_same_spelling(table: Table) -> None:
    again = spell_frame(to_frame(table.columns, table.schema), table.schema)
    assert again.column_names == table.columns.column_names
    assert texts(again) == texts(table.columns)


FIELDS = st.one_of(
    st.lists(st.sampled_from(["true", "false", ""]), min_size=1, max_size=8),
    st.lists(st.integers(-(2**63), 2**63 - 1).map(str) | st.just(""), min_size=1, max_size=8),
    st.lists(st.decimals(-9999, 9999, places=2).map(str), min_size=1, max_size=8),
    st.lists(st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.just(""), min_size=1, max_size=8),
    st.lists(st.dates(dt.date(1, 1, 1)).map(dt.date.isoformat) | st.just(""), min_size=1, max_size=8),
    st.lists(
        st.datetimes(dt.datetime(1000, 1, 1)).map(lambda moment: moment.strftime("%d/%m/%Y %H:%M")),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.sampled_from(["007", "1.50", "1e5", "NA", "x,y", 'a "b"', "-0", "-0.0", ""]), min_size=1, max_size=8),
)


def _csv(columns: list[list[str]]) -> str:
    rows = min(map(len, columns))
    quoted = [['"' + cell.replace('"', '""') + '"' if cell else "" for cell in column[:rows]] for column in columns]
    header = ",".join(f"c{place}" for place in range(len(columns)))
    return "\n".join([header, *map(",".join, zip(*quoted, strict=True))]) + "\n"


@given(columns=st.lists(FIELDS, min_size=2, max_size=4))
def test_a_csv_comes_back_in_its_own_spelling(
    columns: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text(_csv(columns), encoding="utf-8")
    assert_same_spelling(read_table(path))


@given(
    rows=st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.integers(0, 9)), min_size=1
    )
)
def test_json_lines_come_back_in_their_own_spelling(
    rows: list[tuple[float, bool, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("table") / "table.jsonl"
    lines = [json.dumps({"f": f, "b": b, "i": i, "mixed": i if b else i / 2, "n": None}) for f, b, i in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert_same_spelling(read_table(path))


DTYPES = st.sampled_from(["float64", "float32", "float16", "Float64", "Float32", "float[pyarrow]", "double[pyarrow]"])


@given(numbers=st.lists(st.floats(-1000, 1000, width=16) | st.integers(-50, 50).map(float), min_size=1), dtype=DTYPES)
def test_floats_of_any_width(numbers: list[float], dtype: str) -> None:
    assert_same_spelling(from_frame(pd.DataFrame({"x": pd.Series(numbers, dtype=dtype)})))


@given(
    moments=st.lists(st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)) | st.none(), min_size=1),
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
    zone=st.sampled_from([None, "UTC", "Europe/Berlin"]),
)
def test_datetimes_of_any_unit(moments: list[dt.datetime | None], unit: str, zone: str | None) -> None:
    series = pd.Series(pd.to_datetime(pd.Series(moments), utc=zone is not None)).astype(
        f"datetime64[{unit}]" if zone is None else f"datetime64[{unit}, UTC]"
    )
    series = series if zone is None else series.dt.tz_convert(zone)
    assert_same_spelling(from_frame(pd.DataFrame({"at": series})))


def test_other_dtypes() -> None:
    days = [dt.date(2024, 2, 29), None, dt.date(2024, 3, 1)]
    assert_same_spelling(
        from_frame(
            pd.DataFrame(
                {
                    "flag": [True, False, True],
                    "maybe": pd.array([True, None, False], dtype="boolean"),
                    "label": pd.Categorical(["b", "a", "b"], categories=["a", "b", "c"], ordered=True),
                    "level": pd.Categorical([1.5, 2.25, None]),
                    "small": np.array([1, 2, 255], dtype="uint8"),
                    "money": [Decimal("1.10"), Decimal("2.00"), Decimal("3.25")],
                    "day": days,
                    "text": pd.Series(["x", None, "z"], dtype="string"),
                    "none": [None, None, None],
                    "big": np.array([2**64 - 1, 1, 2], dtype="uint64"),
                }
            )
        )
    )


def test_a_part_is_spelled_like_the_whole() -> None:
    table = from_frame(
        pd.DataFrame(
            {"at": pd.to_datetime(["2024-01-01 00:00", "2024-01-02 13:30"]), "x": [1.0, 2.25], "n": [1.0, 2.0]}
        )
    )
    part = spell_frame(to_frame(table.columns, table.schema).head(1), table.schema)
    assert texts(part) == {"at": ["2024-01-01 00:00:00"], "x": ["1.00"], "n": ["1"]}


def test_no_rows() -> None:
    table = from_frame(pd.DataFrame({"x": [1.5], "flag": [True], "label": pd.Categorical(["a"])}))
    empty = spell_frame(pd.DataFrame(columns=["x", "flag", "label"]), table.schema)
    assert texts(empty) == {"x": [], "flag": [], "label": []}


def test_what_cannot_be_written_is_refused_by_name() -> None:
    table = from_frame(pd.DataFrame({"flag": [True, False]}))
    with pytest.raises(DataError, match="'flag'"):
        spell_frame(pd.DataFrame({"flag": ["perhaps"]}), table.schema)
    with pytest.raises(DataError, match="flag"):
        spell_frame(pd.DataFrame({"other": [1]}), table.schema)
