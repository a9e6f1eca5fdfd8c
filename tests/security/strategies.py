"""Hypothesis strategies for hostile tables and configurations.

Each makes something whole first and damages it afterwards: most of what it makes is nearly right.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from ..shared.table_strategies import COLUMNS, HOSTILE_TEXTS, names, unicode_text

DAMAGE = (
    *(b'"', b'""', b"'", b"\0", b"\r", b"\n", b"\r\n", b"\n\n", b",", b";", b"\t", b"|", b",,", b" ", b"\\"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xf4\x90\x80\x80"),
    *("\u2028".encode(), "\u0085".encode(), "\u202e".encode(), "e\u0301".encode()),
    *(b"{", b"}", b"[" * 30, b"]", b":", b"null", b"NaN", b"1e999", b"-", b"0" * 30, b"9" * 5000, b"\\ud800"),
    *(b"<|endoftext|>", b"rowsmith-end-of-file", b"\x1a", b"\x1b[2J", b"=1+1", b"PAR1"),
)
"""Bytes that a reader may stumble over."""

_CELLS = st.one_of(
    unicode_text,
    st.sampled_from(["", "1", "2.50", "-0.5", "1e5", "9" * 30, "true", "2024-02-30", "2024-02-29 10:00:00"]),
    st.integers(-(2**70), 2**70).map(str),
    st.just("x" * 40_000),
)


@st.composite
def damaged(draw: Any, wholes: st.SearchStrategy[bytes], most: int = 3) -> bytes:
    """Bytes with up to ``most`` places cut, repeated, overwritten or inserted."""
    data = draw(wholes)
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 9)))
        kind = draw(st.sampled_from(["insert", "cut", "truncate", "repeat", "overwrite"]))
        if kind == "insert":
            data = data[:start] + draw(st.sampled_from(DAMAGE)) + data[start:]
        elif kind == "cut":
            data = data[:start] + data[stop:]
        elif kind == "truncate":
            data = data[:start]
        elif kind == "repeat":
            data = data[:stop] + data[start:stop] * draw(st.integers(1, 300)) + data[stop:]
        else:
            data = data[:start] + draw(st.binary(min_size=stop - start, max_size=stop - start)) + data[stop:]
    return data


@st.composite
def _grids(draw: Any) -> list[list[str]]:
    header = draw(names)
    width, rows = len(header), draw(st.integers(0, 6))
    body = [draw(st.lists(_CELLS, min_size=width, max_size=width)) for _ in range(rows)]
    for row in body:
        # A field too many or too few, now and then.
        if draw(st.integers(0, 15)) == 0:
            row[:] = [*row, draw(_CELLS)] if draw(st.booleans()) else row[:-1]
    return [header, *body]


@st.composite
def whole_csvs(draw: Any) -> bytes:
    """Delimited text as other programs write it: any delimiter, quoting, line end and encoding."""
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=draw(st.sampled_from(",;\t|")),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
    )
    writer.writerows(draw(_grids()))
    text = out.getvalue()
    encoding = draw(st.sampled_from(["utf-8"] * 12 + ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"]))
    return text.encode(encoding, "replace" if encoding == "latin-1" else "strict")


_JSON_NUMBERS = st.sampled_from(["0", "-0", "1.50", "1E400", "1e-5", "9" * 25, "-1.0", "01", "+1", ".5", "NaN"])
_GOOD_NUMBERS = st.sampled_from(["0", "-0", "1.50", "1E400", "1e-5", "9" * 25, "-1.0", "null"])
_JSON_VALUES = st.one_of(
    unicode_text.map(json.dumps),
    unicode_text.map(lambda text: json.dumps(text, ensure_ascii=False)),
    _JSON_NUMBERS,
    st.sampled_from(["null", "true", "false", '"\\ud800"', '"\\udc00\\ud800"', "[1]", '{"a": {}}', "[]", '"\\u0000"']),
)


@st.composite
def whole_jsonl(draw: Any) -> bytes:
    """JSON lines of one set of keys, of few kinds of values, in any spacing."""
    keys = draw(names)
    texts = unicode_text.map(json.dumps) | st.just("null")
    kinds = [draw(st.sampled_from([_JSON_NUMBERS, _JSON_VALUES, texts, texts, _GOOD_NUMBERS])) for _ in keys]
    lines = []
    for _ in range(draw(st.integers(0, 5))):
        fields = [
            f"{json.dumps(key)}{draw(st.sampled_from([':', ' : ']))}{draw(kind)}"
            for key, kind in zip(keys, kinds, strict=True)
        ]
        lines.append("{" + draw(st.sampled_from([",", ", "])).join(fields) + "}")
    return draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(lines).encode()


_ARROW_COLUMNS: tuple[Callable[[int], pa.Array], ...] = (
    lambda rows: pa.array(range(rows), pa.int64()),
    lambda rows: pa.array([None if row % 2 else "é" * row for row in range(rows)], pa.string()),
    lambda rows: pa.array([row / 3 for row in range(rows)], pa.float32()),
    lambda rows: pa.array([dt.datetime(2024, 1, 1 + row) for row in range(rows)], pa.timestamp("us", "Europe/Paris")),
    lambda rows: pa.array(["a"] * rows).dictionary_encode(),
    lambda rows: pa.array([Decimal("1.50")] * rows, pa.decimal128(9, 2)),
    lambda rows: pa.nulls(rows),
    lambda rows: pa.array([True] * rows),
    lambda rows: pa.array([dt.date(1, 1, 1)] * rows),
    lambda rows: pa.array([b"\xff"] * rows, pa.binary()),
    lambda rows: pa.array([[1, 2]] * rows, pa.list_(pa.int8())),
    lambda rows: pa.array([{"x": 1}] * rows),
    lambda rows: pa.array([dt.timedelta(seconds=1)] * rows),
    lambda rows: pa.array([dt.time(1)] * rows),
    lambda rows: pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16] * rows, pa.binary(16))),
    lambda rows: pa.array([float("inf")] * rows),
)

_FIT = 9
"""How many of them are supported."""


@st.composite
def whole_parquets(draw: Any) -> bytes:
    """Parquet files of any types, compressed or not, of one or several row groups."""
    rows = draw(st.sampled_from([0, 1, 2, 3, 5]))
    labels = draw(names) if draw(st.booleans()) else draw(st.lists(unicode_text, min_size=1, max_size=3))
    kinds = draw(st.sampled_from([_ARROW_COLUMNS[:_FIT], _ARROW_COLUMNS]))
    arrays = [draw(st.sampled_from(kinds))(rows) for _ in labels]
    out = pa.BufferOutputStream()
    pq.write_table(
        pa.Table.from_arrays(arrays, names=labels),
        out,
        compression=draw(st.sampled_from(["none", "snappy", "gzip", "zstd"])),
        row_group_size=draw(st.sampled_from([1, 100])),
        use_dictionary=draw(st.booleans()),
        data_page_version=draw(st.sampled_from(["1.0", "2.0"])),
    )
    return bytes(out.getvalue().to_pybytes())


csv_files = damaged(whole_csvs())
jsonl_files = damaged(whole_jsonl())
parquet_files = damaged(whole_parquets(), most=4)

ODD_VALUES: tuple[Any, ...] = (
    *(b"bytes", [1], {"a": [2]}, (1,), {1}, object(), 1 + 2j, dt.timedelta(1), dt.time(1), pd.Period("2020")),
    *(pd.Interval(0, 1), np.array([1]), pd.NaT, pd.NA, None, float("nan"), float("inf"), -float("inf"), 10**400),
    *(Decimal("NaN"), Decimal("Infinity"), Decimal("1E+400"), Decimal("-0"), np.float16(1.5), np.int8(1), np.str_("x")),
    *(True, 1, 1.5, "text", "\ud800", "a\udfff", "\0", dt.date(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    *(dt.datetime(2024, 3, 31, 2, 30), pd.Timestamp("2024-01-01", tz="Europe/Paris"), np.datetime64("2024-01-01")),
    *(np.timedelta64(1, "s"), np.longdouble(0.1), type, len, Exception("x"), pd.Series([1]), pd.DataFrame()),
)
"""Things that people keep in columns of dtype ``object``."""

_DECLARED = (
    lambda rows: pd.Series([1 + 2j] * rows),
    lambda rows: pd.Series(pd.to_timedelta(["1h"] * rows)),
    lambda rows: pd.Series(pd.period_range("2020", periods=rows, freq="M")),
    lambda rows: pd.Series(pd.arrays.IntervalArray.from_breaks(range(rows + 1))),
    lambda rows: pd.Series(pd.arrays.SparseArray([1] * rows)),
    lambda rows: pd.Series(np.array(["x"] * rows, dtype="S3")),
    lambda rows: pd.Series([np.inf] * rows),
    lambda rows: pd.Series(np.full(rows, 1.5, dtype="float16")),
    lambda rows: pd.Series(np.full(rows, 1.5, dtype="longdouble")),
    lambda rows: pd.Series(pd.array([None] * rows, dtype="Int64")),
    lambda rows: pd.Series([None] * rows),
    lambda rows: pd.Series([pd.NaT] * rows),
    lambda rows: pd.Series(["x"] * rows, dtype=pd.CategoricalDtype(["x", "unused", "\0"], ordered=True)),
    lambda rows: pd.Series([None] * rows, dtype=pd.CategoricalDtype([])),
    lambda rows: pd.Series(pd.array([[1]] * rows, dtype=pd.ArrowDtype(pa.list_(pa.int8())))),
    lambda rows: pd.Series(pd.array([b"x"] * rows, dtype=pd.ArrowDtype(pa.binary()))),
    lambda rows: pd.Series(pd.array([dt.time(1)] * rows, dtype=pd.ArrowDtype(pa.time64("us")))),
    lambda rows: pd.Series(pd.array(["NaT"] * rows, dtype="datetime64[s]")),
)


@st.composite
def _odd_columns(draw: Any, rows: int) -> pd.Series:
    kind = draw(st.sampled_from(["declared", "objects", "mixed", "usual", "usual", "usual"]))
    if kind == "declared":
        return draw(st.sampled_from(_DECLARED))(rows)
    if kind == "usual":
        return draw(COLUMNS[draw(st.sampled_from(tuple(COLUMNS)))](rows))
    found = draw(st.sampled_from(ODD_VALUES))
    values = np.empty(rows, dtype=object)
    for row in range(rows):
        values[row] = draw(st.sampled_from(ODD_VALUES)) if kind == "mixed" else found
    return pd.Series(values, dtype=object)


LABELS: st.SearchStrategy[Any] = st.one_of(
    unicode_text,
    st.sampled_from(["", " ", "\ud800", "x" * 300, "=cmd", "../x", "__class__", "{{7*7}}", "a\0b", "{0}", "%s"]),
    st.sampled_from([None, 0, 1.5, float("nan"), True, ("a", "b"), dt.date(2024, 1, 1), pd.NaT, b"a"]),
)


@st.composite
def odd_frames(draw: Any, max_rows: int = 5) -> pd.DataFrame:
    """Frames with dtypes, values, labels and indexes of all sorts, most of them refused."""
    rows = draw(st.sampled_from([0, *range(1, max_rows + 1)]))
    usual = names | st.lists(unicode_text, max_size=3, unique=True)
    labels = draw(st.lists(LABELS, min_size=1, max_size=4)) if draw(st.integers(0, 3)) == 0 else draw(usual)
    columns = [draw(_odd_columns(rows)).reset_index(drop=True) for _ in labels]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(rows))
    frame.columns = pd.Index(labels, dtype=object, tupleize_cols=draw(st.booleans()))
    if draw(st.booleans()):
        frame.index = pd.Index(draw(st.lists(st.sampled_from(HOSTILE_TEXTS), min_size=rows, max_size=rows)))
    return frame


ODD_NUMBERS: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([0, -1, 1, -0.0, 1e18, -1e18, 10**12, 10**18, 10**400, -(10**400), 1e-300, 5e-324, 1.5, 1e308]),
    st.sampled_from([float("nan"), float("inf"), -float("inf"), True, False]),
    st.floats(),
    st.integers(),
)
ODD_SETTINGS: st.SearchStrategy[Any] = st.one_of(
    ODD_NUMBERS,
    st.sampled_from([None, "", " ", "auto", "nan", "1e5", "10s", "1e400s", "${HOME}", "{{7*7}}", "a\0b", "\ud800"]),
    st.sampled_from([[], {}, [[]], [None], {"name": None}, {"name": "x", "factory": "a:b"}, {"a": {"b": {}}}, b"x"]),
    st.text(max_size=5),
)
"""What people write where a number, a name or a list is wanted."""
