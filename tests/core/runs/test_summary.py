"""The real table against the synthetic one, against slow and obvious references."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.runs.comparison.summary import ColumnSummary, summarize
from rowsmith.table import Table, from_frame, read_table
from rowsmith.table.frames.respelling import spell_frame


def compare(real: pd.DataFrame, synthetic: pd.DataFrame, **options: object) -> dict[str, ColumnSummary]:
    table: Table = from_frame(real)
    columns = spell_frame(synthetic, table.schema)
    return {each.name: each for each in summarize(table.columns, columns, table.schema, **options)}  # type: ignore[arg-type]


NUMBERS = st.lists(st.integers(-5, 5) | st.none(), min_size=1, max_size=30).filter(
    lambda v: any(x is not None for x in v)
)


@given(real=NUMBERS, synthetic=NUMBERS)
def test_numbers_by_kolmogorov_smirnov(real: list[int | None], synthetic: list[int | None]) -> None:
    frames = [pd.DataFrame({"x": pd.array(values, dtype="Int64")}) for values in (real, synthetic)]
    found = compare(*frames)["x"]
    ours, theirs = ([x for x in values if x is not None] for values in (real, synthetic))
    grid = range(-6, 7)
    expected = max(abs(sum(x <= g for x in ours) / len(ours) - sum(x <= g for x in theirs) / len(theirs)) for g in grid)
    assert found.measure == "KS"
    assert found.distance == pytest.approx(expected)
    inner = np.clip(ours, *np.sort(ours)[[4, -5]]) if len(ours) >= 10 else None
    assert found.real.mean == (None if inner is None else pytest.approx(inner.mean()))
    assert found.synthetic.nulls == pytest.approx(1 - len(theirs) / len(synthetic))


LABELS = st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=30)


@given(real=LABELS, synthetic=LABELS)
def test_labels_by_total_variation(real: list[str | None], synthetic: list[str | None]) -> None:
    dtype = pd.CategoricalDtype(["a", "b"])
    frames = [pd.DataFrame({"x": pd.Series(values, dtype=dtype)}) for values in (real, synthetic)]
    found = compare(*frames)["x"]
    shares = [{key: values.count(key) / len(values) for key in ("a", "b", None)} for values in (real, synthetic)]
    assert found.measure == "TV"
    assert found.distance == pytest.approx(sum(abs(shares[0][k] - shares[1][k]) for k in shares[0]) / 2)


def test_the_same_table_is_alike(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text(
        "n,f,b,d,c,e\n"
        + "".join(f"{i},{i / 8},{i % 2 == 0},2024-01-{i % 28 + 1:02d},{'xy'[i % 2]},\n" for i in range(280))
    )
    table = read_table(path)
    summary = summarize(table.columns, table.columns, table.schema)
    assert [each.distance for each in summary] == [0.0] * 6
    assert all(each.real == each.synthetic for each in summary)
    by_name = {each.name: each for each in summary}
    assert by_name["d"].real.quantiles == ("2024-01-02", "2024-01-14", "2024-01-27")
    assert by_name["e"].real.top is None


def test_keys_are_compared_by_what_is_not_new() -> None:
    real = pd.DataFrame({"id": [1, 2, 3, 4]})
    assert compare(real, pd.DataFrame({"id": [5, 6, 7, 8]}), keys={"id"})["id"].distance == 0.0
    assert compare(real, pd.DataFrame({"id": [4, 5, 6, 7]}), keys={"id"})["id"].distance == 0.25


def test_nothing_was_made() -> None:
    found = compare(pd.DataFrame({"x": [1, 2], "c": pd.Categorical(["a", "b"])}), pd.DataFrame(columns=["x", "c"]))
    assert [each.distance for each in found.values()] == [1.0, 1.0]
    assert found["x"].synthetic.top is None


def test_no_value_of_a_single_row_is_told() -> None:
    rows = 400
    frame = pd.DataFrame(
        {
            "mail": [f"person{number}@example.org" for number in range(rows)],
            "story": [f"once upon {number} times, there was a table {number * 7}" for number in range(rows)],
            "few": [4242424.0] * 3 + [None] * (rows - 3),
            "alone": pd.array([*range(9), *[None] * (rows - 9)], dtype="Int64"),
            "seen": [pd.Timestamp("1987-05-06"), *[pd.NaT] * (rows - 1)],
            "rare": pd.Categorical([f"label{number // 4}" for number in range(rows)]),
            "city": ["Ulm", "Rome"] * (rows // 2),
            "size": range(rows),
        }
    )
    found = compare(frame, frame, keys={"mail"})
    told = {
        name: [value for value in (each.real.top, *each.real.quantiles, each.real.mean) if value is not None]
        for name, each in found.items()
    }
    assert [told[name] for name in ("mail", "story", "few", "seen", "rare")] == [[]] * 5
    assert found["alone"].real.quantiles == (None, "4", None)
    assert told["city"][0] in ("Ulm", "Rome")
    assert told["size"] == ["19", "199", "379", pytest.approx(199.5)]


def test_a_value_of_one_group_is_not_told() -> None:
    groups = np.repeat(np.arange(30), 10)
    frame = pd.DataFrame(
        {
            "who": [f"patient-{group}" for group in groups],
            "ward": pd.Categorical([f"ward of {group}" for group in groups]),
            "rate": np.where(groups == 0, 999.5, groups / 10 + 1),
            "share": np.where(groups < 26, 0.5, 7777.5),
        }
    )
    table = from_frame(frame)
    (_, ward, rate, share) = summarize(table.columns, table.columns, table.schema, {"who"}, ["who"])
    assert ward.real.top is None
    assert "999.5" not in rate.real.quantiles and rate.real.quantiles[1] == "2.5"
    assert share.real.quantiles == ("0.5", "0.5", "7777.5")
