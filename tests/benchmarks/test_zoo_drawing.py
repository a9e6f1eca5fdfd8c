"""The draw of the zoo, the CSV that R writes, and verdicts that are kept."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.zoo.drawing import Animal, Limits, draw, r_csv
from benchmarks.zoo.invariants import Fault
from benchmarks.zoo.judging import Verdict
from benchmarks.zoo.learning import read_csv
from benchmarks.zoo.outcomes import Effort
from benchmarks.zoo.reporting import line, report
from benchmarks.zoo.running import Guard, Job, run
from benchmarks.zoo.verdicts import Judged, VerdictFile, read_verdicts, settings_of
from hypothesis import given
from hypothesis import strategies as st

ZOO = {
    **{f"p/t{number}": pd.DataFrame({"x": range(number, number + 100)}) for number in range(20)},
    "p/short": pd.DataFrame({"x": range(59)}),
    "p/long": pd.DataFrame({"x": range(20_001)}),
    "p/wide": pd.DataFrame({f"x{number}": range(60) for number in range(41)}),
    "p/named": pd.DataFrame({"rownames": range(100)}),
    "q/again": pd.DataFrame({"x": range(3, 103)}),
}


def drawn(count: int, seed: int, forms: Sequence[str] = ("frame",)) -> list[Animal]:
    return list(draw(list(ZOO), ZOO.__getitem__, count, seed, forms=forms))


def test_a_draw_depends_on_its_seed_alone() -> None:
    assert drawn(10, 1) == drawn(10, 1)
    assert drawn(10, 1) != drawn(10, 2)
    assert drawn(10, 1)[:4] == drawn(4, 1)


def test_a_draw_holds_every_table_within_limits_once() -> None:
    names = [animal.name for animal in drawn(100, 0)]
    assert len(names) == len(set(names)) == 20
    assert not {"p/short", "p/long", "p/wide", "p/named"}.intersection(names)
    assert len({"p/t3", "q/again"}.intersection(names)) == 1


def test_forms_take_turns() -> None:
    assert [animal.form for animal in drawn(5, 3, ("csv", "csv", "frame"))] == ["csv", "csv", "frame", "csv", "csv"]


def test_row_names_are_no_column() -> None:
    wide = pd.DataFrame({f"x{number}": range(60) for number in range(40)})
    assert Limits().fit(wide.assign(rownames=range(60)))
    assert not Limits().fit(wide.assign(another=range(60)))


def test_the_csv_of_r() -> None:
    table = pd.DataFrame(
        {
            "rownames": ["Mazda RX4", 'the "other"'],
            "whole": [3, 4],
            "with gap": [100_000.0, np.nan],
            "double": [100_000.5, 1e-5],
            "large": [1e5, 1e15],
            "logical": [True, False],
            "mixed": [True, None],
            "text": ["a,b", None],
        }
    )
    assert r_csv(table).splitlines() == [
        '"","whole","with gap","double","large","logical","mixed","text"',
        '"Mazda RX4",3,100000,100000.5,1e+05,TRUE,TRUE,"a,b"',
        '"the ""other""",4,NA,1e-05,1e+15,FALSE,NA,NA',
    ]
    assert r_csv(table.drop(columns="rownames")).splitlines()[1].startswith('"1",3,')


@given(st.lists(st.floats(-1e300, 1e300), min_size=1))
def test_numbers_of_that_csv_have_fifteen_digits(numbers: list[float]) -> None:
    read = pd.read_csv(io.StringIO(r_csv(pd.DataFrame({"x": numbers}))))["x"]
    assert np.allclose(read.to_numpy(float), numbers, rtol=1e-14, atol=0)


def test_a_csv_is_read_with_its_header_as_it_is(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [1.5, np.nan], "x.1": ["None", "NA"], "": [True, False]})
    path = tmp_path / "table.csv"
    path.write_text(r_csv(table.rename(columns={"": "null"})), encoding="utf-8")
    found = read_csv(path)
    assert list(found.columns) == ["", "x", "x.1", "null"]
    assert found["x"].isna().tolist() == [False, True]
    assert found["x.1"].tolist()[0] == "None"


def test_rows_made_follow_the_table() -> None:
    effort = Effort(fewest=300, most=2_000)
    assert [effort.rows(pd.DataFrame(index=range(rows))) for rows in (60, 700, 20_000)] == [300, 700, 2_000]


JUDGED = (
    Judged(name="p/right", form="csv", verdict=Verdict.RIGHT, rows=1_000, columns=3, seconds=2.0),
    Judged(
        name="p/wrong",
        form="frame",
        verdict=Verdict.SILENT,
        silent=(Fault("constant", "a|b", "3 values became 1", 0.5),),
        told=(Fault("labels", "c", "lost", 0.1),),
        notes=("a note",),
    ),
    Judged(name="p/refused", form="csv", verdict=Verdict.REFUSED, message="two columns\n  are called x"),
    Judged(name="p/crashed", form="csv", verdict=Verdict.CRASHED, message="Traceback\nValueError: no"),
)


def test_verdicts_are_kept_and_taken_up(tmp_path: Path) -> None:
    path, settings = tmp_path / "new" / "zoo.jsonl", {"seed": 1, "budget": 8.0}
    file = VerdictFile(path, settings)
    assert file.judged() == {}
    for each in JUDGED:
        file.add(each)
    with path.open("a") as broken_off:
        broken_off.write('{"name": "p/ha')
    again = VerdictFile(path, settings)
    assert list(again.judged().values()) == list(JUDGED)
    again.add(JUDGED[0])
    assert list(read_verdicts(path)) == [*JUDGED, JUDGED[0]]
    assert settings_of(path) == settings
    with pytest.raises(SystemExit, match="verdicts of other settings"):
        VerdictFile(path, {"seed": 1, "budget": 9.0})


def test_a_report_names_every_table_that_is_not_right_and_why() -> None:
    told = report({"seed": 7}, JUDGED, lambda name: pd.DataFrame({"a": [1, 2]}))
    assert "| 7 | 4 | 1 | 0 | 1 | 1 | 1 | 0 | 0 |" in told
    assert "p/right" not in told
    assert "| p/wrong | frame | silent | `a\\|b`: constant, 3 values became 1 |" in told
    assert "| p/refused | csv | refused | two columns are called x |" in told
    assert "| p/crashed | csv | crashed | ValueError: no |" in told
    assert "| constant | 1 |" in told
    assert line(JUDGED[0]) == "right    p/right (csv, 1,000 x 3, 2 s)"


@pytest.mark.slow
def test_no_table_ends_the_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)  # Worker processes import what they do by its name.
    work = import_module("zoo_work").work
    names = ["fine", "ended", "raised", "endless", "again"]
    jobs = [Job(animal=Animal(name, "frame"), effort=Effort()) for name in names]
    found = {each.name: each for each in run(jobs, Guard(seconds=15), at_once=1, work=work)}
    assert {name: each.verdict for name, each in found.items()} == {
        "fine": Verdict.RIGHT,
        "ended": Verdict.CRASHED,
        "raised": Verdict.CRASHED,
        "endless": Verdict.TIMEOUT,
        "again": Verdict.RIGHT,
    }
    assert "exit code 3" in found["ended"].message
    assert "ZeroDivisionError" in found["raised"].message
