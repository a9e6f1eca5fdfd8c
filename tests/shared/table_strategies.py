"""Hypothesis strategies for tables; other test folders may use them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

HOSTILE_TEXTS = (
    "",
    " ",
    "NA",
    "None",
    "nan",
    "null",
    "007",
    "1.50",
    "-0",
    "1e5",
    "true",
    'say "hi"',
    "a,b;c|d\te",
    "line\nbreak",
    "carriage\rreturn",
    "\x0b\x1f\x7f\x85",
    "\u2028\u2029",
    "\ufeffmark",
    "<|endoftext|>",
    "</s>[INST]",
    "\\u0041\\",
    '{"a":1}',
    "=cmd()",
    "ünïcødé 東京 😀 e\u0301",
    "\u202eright to left",
)

unicode_text = st.one_of(
    st.sampled_from(HOSTILE_TEXTS),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)
"""Text without NUL and lone surrogates."""

names = st.lists(unicode_text.filter(bool), min_size=1, max_size=4, unique=True)
"""Column names."""

doubles = st.one_of(
    st.floats(allow_infinity=False, allow_nan=False),
    st.floats(-1e6, 1e6).map(lambda number: round(number, 2)),
    st.integers(-1000, 1000).map(float),
    st.sampled_from([0.0, -0.0, 1e16, 1e-5, 1e300, 5e-324, 0.1, 1 / 3]),
)
singles = st.floats(allow_infinity=False, allow_nan=False, width=32)
moments = st.one_of(
    st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)),
    st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)).map(lambda moment: moment.replace(microsecond=0)),
    st.dates(dt.date(1, 1, 2), dt.date(9999, 12, 30)).map(lambda day: dt.datetime(day.year, day.month, day.day)),
)
recent = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))
decimals = st.decimals(-(10**6), 10**6, places=2)

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def _integers(dtype: str) -> st.SearchStrategy[int]:
    info = np.iinfo(dtype)
    return st.integers(int(info.min), int(info.max))


def _listed(elements: st.SearchStrategy[Any], rows: int, nulls: bool) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | elements if nulls else elements, min_size=rows, max_size=rows)


def _made(make: Callable[[list[Any]], Any], elements: st.SearchStrategy[Any], *, nulls: bool = True) -> Any:
    return lambda rows: _listed(elements, rows, nulls).map(make)


def _array(dtype: Any) -> Callable[[list[Any]], Any]:
    return lambda values: pd.Series(pd.array(values, dtype=dtype))


def _plain(dtype: Any) -> Callable[[list[Any]], Any]:
    return lambda values: pd.Series(np.array(values, dtype=dtype))


def _objects(null: Any = None) -> Callable[[list[Any]], Any]:
    def make(values: list[Any]) -> pd.Series:
        array = np.empty(len(values), dtype=object)
        array[:] = [null if value is None else value for value in values]
        return pd.Series(array, dtype=object)

    return make


def _instants(unit: str, zone: str | None) -> Callable[[list[Any]], Any]:
    def make(values: list[Any]) -> pd.Series:
        texts = ["NaT" if value is None else value.isoformat() for value in values]
        series = pd.Series(np.array(texts, dtype=f"datetime64[{unit}]"))
        return series.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else series

    return make


def _arrow(type_: pa.DataType) -> Callable[[list[Any]], Any]:
    def make(values: list[Any]) -> pd.Series:
        array = pa.array(values, type=None if pa.types.is_dictionary(type_) else type_)
        if pa.types.is_dictionary(type_):
            array = pa.array(values, pa.string()).dictionary_encode().cast(type_)
        return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([array])))

    return make


def _durations(unit: str) -> Callable[[list[Any]], Any]:
    def make(values: list[Any]) -> pd.Series:
        ticks = [np.timedelta64("NaT", unit) if value is None else np.timedelta64(value, unit) for value in values]
        return pd.Series(np.array(ticks, dtype=f"timedelta64[{unit}]"))

    return make


def _periods(freq: str) -> Callable[[list[Any]], Any]:
    return lambda values: pd.Series(
        pd.PeriodIndex([pd.NaT if value is None else pd.Period(value, freq) for value in values], freq=freq)
    )


def _single(values: list[Any]) -> pd.Series:
    return pd.Series(np.array([np.nan if value is None else value for value in values], dtype=np.float32))


def _category(elements: st.SearchStrategy[Any], dtype: Any) -> Any:
    @st.composite
    def make(draw: Any, rows: int) -> pd.Series:
        labels = draw(st.lists(elements, min_size=1, max_size=5, unique_by=lambda value: value))
        codes = draw(st.lists(st.integers(-1, len(labels) - 1), min_size=rows, max_size=rows))
        categories = pd.Index(pd.array(labels, dtype=dtype) if dtype else labels)
        return pd.Series(pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories, draw(st.booleans()))))

    return make


def _zoned(zone: Any) -> st.SearchStrategy[dt.datetime]:
    return recent.map(lambda moment: moment.replace(tzinfo=dt.UTC).astimezone(zone))


durations = st.one_of(
    st.timedeltas(),
    st.timedeltas(dt.timedelta(-99), dt.timedelta(99)).map(lambda each: dt.timedelta(each.days)),
    st.integers(-(10**6), 10**6).map(lambda minutes: dt.timedelta(minutes=minutes)),
)
short_durations = st.timedeltas(dt.timedelta(-90_000), dt.timedelta(90_000))
times = st.times() | st.times().map(lambda time: time.replace(second=0, microsecond=0))
FREQUENCIES = ("Y", "Y-MAR", "Q", "Q-JAN", "M", "3M", "W", "W-TUE", "D", "2D", "h", "2h", "min", "s", "ms", "us", "ns")

COLUMNS: dict[str, Callable[[int], st.SearchStrategy[pd.Series]]] = {
    **{dtype: _made(_plain(dtype), _integers(dtype), nulls=False) for dtype in INTEGERS},
    **{
        dtype: _made(_array(dtype), _integers(dtype.lower()))
        for dtype in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
    },
    "float64": _made(_plain("float64"), doubles | st.just(float("nan")), nulls=False),
    "float32": _made(_single, singles),
    "Float64": _made(_array("Float64"), doubles),
    "bool": _made(_plain("bool"), st.booleans(), nulls=False),
    "boolean": _made(_array("boolean"), st.booleans()),
    "object str": _made(_objects(), unicode_text),
    "object str nan": _made(_objects(np.nan), unicode_text),
    "object bool": _made(_objects(), st.booleans()),
    "object int": _made(_objects(), st.integers(-(2**70), 2**70)),
    "object float": _made(_objects(), doubles),
    "object Decimal": _made(_objects(), decimals | st.sampled_from([Decimal("1E+5"), Decimal("1.50"), Decimal("1.5")])),
    "object date": _made(_objects(), st.dates()),
    "object datetime": _made(_objects(), moments),
    "object datetime zone": _made(_objects(pd.NaT), _zoned(ZoneInfo("Europe/Paris"))),
    "object datetime offset": _made(_objects(), _zoned(dt.timezone(-dt.timedelta(hours=3, minutes=30)))),
    "object Timestamp": _made(_objects(pd.NaT), recent.map(pd.Timestamp)),
    "object time": _made(_objects(), times),
    "object time zone": _made(_objects(), times.map(lambda time: time.replace(tzinfo=ZoneInfo("Europe/Paris")))),
    "object timedelta": _made(_objects(), durations),
    "object Timedelta": _made(_objects(pd.NaT), short_durations.map(pd.Timedelta)),
    "object Period": _made(_objects(pd.NaT), recent.map(lambda moment: pd.Period(moment, "M"))),
    "object UUID": _made(_objects(), st.uuids()),
    **{
        f"timedelta64[{unit}]": _made(_durations(unit), st.integers(-(2**63) + 1, 2**63 - 1) | st.integers(-99, 99))
        for unit in ("s", "ms", "us", "ns")
    },
    **{f"period[{freq}]": _made(_periods(freq), recent) for freq in FREQUENCIES},
    "str": _made(_array("str"), unicode_text),
    "string[python]": _made(_array("string[python]"), unicode_text),
    "string[pyarrow]": _made(_array("string[pyarrow]"), unicode_text),
    "category": _category(unicode_text, "str"),
    "category object": _category(unicode_text, object),
    "category int": _category(st.integers(-(2**62), 2**62), "int64"),
    "category float": _category(st.floats(-1e9, 1e9).map(lambda number: number + 0.0), "float64"),
    "category datetime": _category(recent, None),
    "category Timedelta": _category(short_durations.map(pd.Timedelta), None),
    "category Period": _category(recent.map(lambda moment: pd.Period(moment, "D")), None),
    "category time": _category(times, None),
    "category UUID": _category(st.uuids(), None),
    **{
        f"datetime64[{unit}] {zone}": _made(_instants(unit, zone), recent if unit == "ns" or zone else moments)
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "Europe/Paris", "UTC")
    },
    "arrow int16": _made(_arrow(pa.int16()), _integers("int16")),
    "arrow uint64": _made(_arrow(pa.uint64()), _integers("uint64")),
    "arrow float": _made(_arrow(pa.float32()), singles),
    "arrow double": _made(_arrow(pa.float64()), doubles),
    "arrow bool": _made(_arrow(pa.bool_()), st.booleans()),
    "arrow string": _made(_arrow(pa.string()), unicode_text),
    "arrow large_string": _made(_arrow(pa.large_string()), unicode_text),
    "arrow decimal128": _made(_arrow(pa.decimal128(20, 2)), decimals),
    "arrow date32": _made(_arrow(pa.date32()), st.dates()),
    "arrow timestamp": _made(_arrow(pa.timestamp("us")), moments),
    "arrow timestamp zone": _made(_arrow(pa.timestamp("ns", "Europe/Paris")), _zoned(dt.UTC)),
    "arrow duration": _made(_arrow(pa.duration("us")), short_durations),
    "arrow time32": _made(_arrow(pa.time32("ms")), times.map(lambda time: time.replace(microsecond=0))),
    "arrow time64": _made(_arrow(pa.time64("ns")), times),
    "arrow date64": _made(_arrow(pa.date64()), st.dates()),
    "arrow dictionary": _made(_arrow(pa.dictionary(pa.int32(), pa.string())), unicode_text),
}
"""A strategy of columns for each supported dtype, by number of rows."""


@st.composite
def frames(draw: Any, kinds: tuple[str, ...] = tuple(COLUMNS), max_rows: int = 6) -> pd.DataFrame:
    """Frames of one to four columns of any supported dtypes."""
    rows = draw(st.integers(1, max_rows))
    labels = draw(names)
    columns = [draw(COLUMNS[draw(st.sampled_from(kinds))](rows)) for _ in labels]
    return pd.concat(columns, axis=1, keys=labels, ignore_index=False).set_axis(pd.Index(labels), axis=1)
