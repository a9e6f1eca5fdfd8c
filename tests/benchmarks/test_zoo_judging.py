"""Invariants of the zoo: a resample of a table passes all of them, and each fault is found by its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmarks.zoo.invariants import Fault
from benchmarks.zoo.judging import Told, Verdict, column_faults, faults, share_noted, verdict
from benchmarks.zoo.kinds import Kind, counts_rows, kind_of, names_identifiers, numbers_of, read_numbers
from benchmarks.zoo.protection import follows_from_rule

ROWS = 500


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Columns of every kind."""
    draw = np.random.default_rng(seed)
    words = np.array(["north", "gate", "mill", "river", "stone", "hill"])
    return pd.DataFrame(
        {
            "id": np.arange(rows) + 1,
            "normal": draw.normal(100, 15, rows).round(1),
            "tail": draw.lognormal(5, 1.2, rows).round(2),
            "zeros": np.where(draw.random(rows) < 0.9, 0, draw.integers(1, 900, rows)),
            "count": draw.poisson(3, rows),
            "gaps": pd.Series(draw.normal(0, 1, rows)).where(draw.random(rows) > 0.2),
            "flag": draw.random(rows) < 0.3,
            "label": draw.choice(list("abcdefgh"), rows, p=np.array([40, 20, 15, 10, 6, 4, 3, 2]) / 100),
            "marked": pd.Series(draw.normal(20, 4, rows).round(1)).astype(object).where(draw.random(rows) > 0.05, "<5"),
            "day": (pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 700, rows), "D")).strftime(
                "%Y-%m-%d"
            ),
            "text": [" ".join(draw.choice(words, draw.integers(1, 4))) + f" {draw.integers(999)}" for _ in range(rows)],
            "nothing": np.full(rows, np.nan),
        }
    )


def resample(real: pd.DataFrame, seed: int = 1, rows: int | None = None) -> pd.DataFrame:
    """As good as a model can be."""
    found = real.sample(rows or len(real), replace=True, random_state=seed).reset_index(drop=True)
    return found.assign(id=np.arange(len(found)) + len(real) + 1) if "id" in found else found


def test_kinds() -> None:
    real = table()
    kinds = {name: kind_of(real[name]) for name in real}
    assert {name for name, kind in kinds.items() if kind is Kind.LABELS} == {"flag", "label"}
    assert {name for name, kind in kinds.items() if kind is Kind.TEXT} == {"text"}
    assert {name for name, kind in kinds.items() if kind is Kind.EMPTY} == {"nothing"}
    assert numbers_of(real["label"], real["label"]) is None
    moments = numbers_of(real["day"], pd.Series(["2020-01-02", "2020-01-01", None, "never"]))
    assert moments is not None and moments.isna().tolist() == [False, False, True, True]
    assert moments[0] - moments[1] == 86_400


def test_numbers_are_read_whatever_stands_among_them() -> None:
    texts = pd.Series(
        ["1", "-2.5", "1e+05", ".5", "5.", "1e99999999", "1" * 5_000, "1_0", "nan", "", "槈3", None, 7, 1.5]
    )
    found = read_numbers(texts).tolist()
    assert found[:5] == [1, -2.5, 1e5, 0.5, 5]
    assert np.isnan(found[5]) and np.isinf(found[6]) and np.isnan(found[7:12]).all()
    assert found[12:] == [7, 1.5]


@pytest.mark.parametrize(
    "name", ["id", "order_id", "userId", "case", "Subject No.", "zip.code", "ID", "pid", "schid", "idno", "bcode"]
)
def test_names_of_identifiers(name: str) -> None:
    assert names_identifiers(name)


@pytest.mark.parametrize("name", ["idea", "population", "width", "income", "notes", "paid", "piano"])
def test_other_names(name: str) -> None:
    assert not names_identifiers(name)


def test_columns_that_count_rows() -> None:
    assert counts_rows(pd.Series([3, 1, 2]))
    assert counts_rows(pd.Series(range(100, 200)))
    assert not counts_rows(pd.Series([1, 2, 2]))
    assert not counts_rows(pd.Series([1, 20, 300]))
    assert not counts_rows(pd.Series(["a", "b"]))
    assert not counts_rows(pd.Series([], dtype=float))


@pytest.mark.parametrize("rows", [60, 150, 1_000])
def test_a_resample_passes(rows: int) -> None:
    wrong = [
        fault
        for seed in range(3)
        for fault in faults(table(rows, seed), resample(table(rows, seed), seed), rows, keys={"id"})
    ]
    assert wrong == []


def test_another_draw_of_the_same_source_passes() -> None:
    real, other = table(1_000, 0), table(1_000, 1)
    other["id"] += 1_000
    assert list(faults(real, other, 1_000, keys={"id"})) == []


Change = Callable[[pd.DataFrame], pd.DataFrame]

FAULTS: dict[str, tuple[str, str, Change]] = {
    "a column constant": ("constant", "normal", lambda t: t.assign(normal=100.0)),
    "many zeros and nothing else": ("constant", "zeros", lambda t: t.assign(zeros=0)),
    "labels become one": ("constant", "label", lambda t: t.assign(label="a")),
    "texts become one": ("constant", "text", lambda t: t.assign(text="north gate 1")),
    "shifted": ("shape", "normal", lambda t: t.assign(normal=t["normal"] + 10)),
    "uniform in place of a tail": ("shape", "tail", lambda t: t.assign(tail=np.linspace(1, 5_000, len(t)).round(2))),
    "spread cut": ("spread", "normal", lambda t: t.assign(normal=(100 + (t["normal"] - 100) * 0.3).round(1))),
    "spread grown": ("spread", "count", lambda t: t.assign(count=t["count"] * 3)),
    "tail clipped": ("ends", "tail", lambda t: t.assign(tail=t["tail"].clip(upper=t["tail"].quantile(0.9).round(2)))),
    "tail cut off": ("ends", "tail", lambda t: t.assign(tail=t["tail"].where(t["tail"] < t["tail"].quantile(0.9), 99))),
    "beyond the range": ("ends", "tail", lambda t: t.assign(tail=t["tail"].where(t.index % 20 > 0, 1e9))),
    "more digits": ("digits", "normal", lambda t: t.assign(normal=t["normal"] + 0.001)),
    "whole numbers no more": ("digits", "count", lambda t: t.assign(count=t["count"].where(t.index % 9 > 0, 2.5))),
    "nulls gone": ("nulls", "gaps", lambda t: t.assign(gaps=t["gaps"].fillna(0))),
    "nulls where none were": ("nulls", "normal", lambda t: t.assign(normal=t["normal"].where(t.index > 0))),
    "more nulls": ("nulls", "gaps", lambda t: t.assign(gaps=t["gaps"].where(t.index % 3 > 0))),
    "a label lost": ("lost labels", "label", lambda t: t.assign(label=t["label"].replace("d", "a"))),
    "a label new": ("new labels", "label", lambda t: t.assign(label=t["label"].where(t.index > 0, "_RARE_"))),
    "shares of labels": ("labels", "label", lambda t: t.assign(label=t["label"].where(t.index % 3 > 0, "b"))),
    "a flag turned": ("labels", "flag", lambda t: t.assign(flag=~t["flag"])),
    "a mark gone": ("lost labels", "marked", lambda t: t.assign(marked=t["marked"].replace("<5", 21.0))),
    "garbled texts": ("characters", "text", lambda t: t.assign(text=t["text"].where(t.index % 9 > 0, "qx¤7"))),
    "short texts": ("lengths", "text", lambda t: t.assign(text=t["text"].str[:5])),
    "one text for half": (
        "repeated text",
        "text",
        lambda t: t.assign(text=t["text"].where(t.index % 2 > 0, "north gate 1")),
    ),
    "days shifted": ("shape", "day", lambda t: t.assign(day=np.where(t.index % 3 > 0, t["day"], "2020-01-01"))),
    "keys doubled": ("keys", "id", lambda t: t.assign(id=t["id"].where(t.index > 0, t["id"].max()))),
    "real keys": ("keys", "id", lambda t: t.assign(id=np.where(t.index % 9 > 0, t["id"], t.index + 1))),
    "another dtype": ("dtypes", "count", lambda t: t.astype({"count": str})),
    "columns in another order": ("columns", "", lambda t: t[t.columns[::-1]]),
    "a row missing": ("rows", "", lambda t: t.iloc[1:]),
}


@pytest.mark.parametrize("case", FAULTS)
@pytest.mark.filterwarnings("ignore")
def test_a_fault_is_found(case: str) -> None:
    invariant, column, change = FAULTS[case]
    real = table()
    found = list(faults(real, change(resample(real)), ROWS, keys={"id"}, dtypes=invariant == "dtypes"))
    assert (invariant, column) in {(fault.invariant, fault.column) for fault in found}
    assert {fault.column for fault in found} == {column}


def test_text_among_numbers_of_a_file_is_a_fault() -> None:
    real = table()
    strange = resample(real).astype({"count": object})
    strange.loc[3, "count"] = "b07"
    assert [fault.invariant for fault in faults(real, strange, ROWS, keys={"id"}, dtypes=False)] == ["dtypes"]


def test_row_numbers_in_a_first_column_without_a_name_go_on_counting() -> None:
    real = pd.DataFrame({"": range(1, 101), "x": range(100)})
    made = pd.DataFrame({"": range(1, 101), "x": resample(real)["x"]})
    assert list(faults(real, made, 100)) == []
    found = list(faults(real, made.assign(**{"": 7}), 100))
    assert [(fault.invariant, fault.column) for fault in found] == [("keys", "")]


def test_a_measure_that_differs_in_every_row_keeps_its_distribution_even_as_a_key() -> None:
    draw = np.random.default_rng(0)
    real = pd.Series(np.unique(draw.lognormal(10, 1, 400).astype(int)), name="population")
    made = pd.Series(np.arange(len(real)) + int(real.max()) + 1)
    assert "shape" in {fault.invariant for fault in column_faults("population", real, made, key=True)}
    assert list(column_faults("customer_id", real, made, key=True)) == []


def test_what_was_told_is_told_apart_from_what_was_not() -> None:
    lost = Fault("labels", "state", "lost", 0.2)
    assert verdict([], Told()) == (Verdict.RIGHT, [], [])
    assert verdict([lost], Told()) == (Verdict.SILENT, [lost], [])
    assert verdict([lost], Told(changed={"city": 1.0})) == (Verdict.SILENT, [lost], [])
    assert verdict([lost], Told(changed={"state": 0.05})) == (Verdict.SILENT, [lost], [])
    assert verdict([lost], Told(changed={"state": 0.25})) == (Verdict.TOLD, [], [lost])
    noted = Told(notes=("transform 'protect-rare' changes values permanently: city (3.0%), state (21.5%)",))
    assert verdict([lost], noted) == (Verdict.TOLD, [], [lost])
    other = Fault("shape", "age", "KS", 0.4)
    assert verdict([lost, other], noted) == (Verdict.SILENT, [other], [lost])
    outline = Told(notes=("there was time for 9 steps: the rows made will be like the real ones in outline only.",))
    assert verdict([lost, other], outline)[0] is Verdict.TOLD
    assert verdict([Fault("constant", "age", "one value", 0.9)], outline)[0] is Verdict.SILENT
    short = Fault("rows", "", "9 rows in place of 10", 0.1)
    assert verdict([short], Told(short=True))[0] is Verdict.TOLD
    assert verdict([short], Told())[0] is Verdict.SILENT


def test_whole_numbers_read_as_floats_are_the_same_labels() -> None:
    real = pd.Series([0.0, 1.0] * 100 + [np.nan])
    assert not list(column_faults("x", real, pd.Series([0, 1] * 100)))


def test_a_few_labels_among_very_many_may_be_new() -> None:
    real = pd.Series([f"place {number % 60}" for number in range(600)])
    assert list(column_faults("place", real, real.where(real.index >= 12, "place 99"))) == []
    (fault,) = column_faults("place", real, real.where(real.index >= 30, "place 99"))
    assert (fault.invariant, fault.share) == ("new labels", 0.05)


def with_rare(new: Callable[[int], str], frequent: str = "abc", rare: int = 60) -> pd.Series:
    """Labels of 100 rows each, and others of one row each."""
    return pd.Series([*(label for label in frequent for _ in range(100)), *map(new, range(rare))])


def test_invented_labels_that_were_told_count_as_one_with_the_rare_ones() -> None:
    real, good = with_rare("r{:02}".format), with_rare("s{:02}".format)
    assert {fault.invariant for fault in column_faults("x", real, good)} == {"new labels"}
    assert list(column_faults("x", real, good, invented=True)) == []
    assert list(column_faults("x", real[300:], good[300:], invented=True)) == []


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (with_rare("s{:02}".format, rare=160), "labels"),
        (with_rare("s{:02}".format, frequent="ab"), "lost labels"),
        (with_rare("r{:02}".format), "new labels"),
        (with_rare("a".format, rare=60), "lost labels"),
        (with_rare("r\u00fc{:02}".format), "characters"),
        (with_rare("s{:022}".format), "lengths"),
        (with_rare("s99".format), "repeated text"),
    ],
)
def test_beside_invented_labels_all_that_is_wrong_is_found(made: pd.Series, found: str) -> None:
    real = with_rare("r{:02}".format)
    assert found in {fault.invariant for fault in column_faults("x", real, made, invented=True)}


def test_shares_are_of_all_rows_as_runs_count_them() -> None:
    real = pd.Series([*"abcdefgh", *([None] * 92)])
    (fault,) = column_faults("notes", real, real.where(real.isna(), "_RARE_"))
    assert fault.invariant == "constant" and fault.share == pytest.approx(0.08)
    assert verdict([fault], Told(changed={"notes": 0.08}))[0] is Verdict.TOLD


def test_numbers_that_are_said_to_be_keys_are_told() -> None:
    real = pd.Series(np.arange(100) * 7)
    faults = list(column_faults("area", real, real + 10_000, key=True))
    assert {fault.invariant for fault in faults} >= {"shape", "ends"}
    assert verdict(faults, Told())[0] is Verdict.SILENT
    assert verdict(faults, Told(keys=("area",)))[0] is Verdict.TOLD


def test_shares_in_notes() -> None:
    assert share_noted("state", "column 'state': 12.5 % of rows have values that are rare") == 0.125
    assert share_noted("state", "statement (12.5%)") == 0
    assert share_noted("state", "column 'state' is a key") == 0
    assert share_noted("", "12.5 %") == 0


def test_digits_of_large_amounts_are_those_of_their_text() -> None:
    amounts = np.random.default_rng(3).uniform(1e13, 3e13, ROWS).round(2)
    real = pd.DataFrame({"amount": np.append(amounts[:-1], 21121041271589.25)})
    assert not [
        fault for fault in faults(real, real.sample(frac=1, random_state=1), ROWS) if fault.invariant == "digits"
    ]
    finer = real.assign(amount=real["amount"].where(real.index > 0, 123456.7891))
    assert "digits" in {fault.invariant for fault in faults(real, finer, ROWS)}


@pytest.mark.parametrize(
    ("invariant", "values", "follows"),
    [
        ("constant", [0] * 56 + [1] * 4, True),
        ("constant", [0] * 55 + [1] * 5, False),
        ("constant", list(range(60)), True),
        ("nulls", [1.0, 2.0] * 28 + [None] * 4, True),
        ("nulls", [1.0, 2.0] * 27 + [None] * 6, False),
        ("shape", [0] * 56 + [1] * 4, False),
    ],
)
def test_only_what_fewer_than_five_rows_have_is_given_up_by_the_rule(
    invariant: str, values: list[Any], follows: bool
) -> None:
    assert follows_from_rule(Fault(invariant, "a", ""), pd.Series(values)) is follows
