"""Progress and outcomes in words."""

from __future__ import annotations

import pytest

from rowsmith.cli.display.sanitizer import printable
from rowsmith.cli.display.wording import (
    RowProgress,
    duration,
    outcome_line,
    percent,
    rows_line,
    shortened,
    stage_line,
    training_line,
)
from rowsmith.model import TrainingProgress
from rowsmith.observers import BatchReport


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (119, "119 s"),
        (200, "3 min 20 s"),
        (3900, "1 h 05 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_stages() -> None:
    assert stage_line("reading", 0.2, "10 rows") == "reading: 10 rows (0.2 s)"
    assert stage_line("loading", 1.0, "") == "loading (1.0 s)"


def test_training() -> None:
    progress = TrainingProgress(
        step=10, total_steps=30, loss=1.5, validation_loss=None, seconds=5.0, phase="fold 1 of 3"
    )
    assert training_line(progress) == "fold 1 of 3, loss 1.500, 10 s left"
    first = TrainingProgress(step=0, total_steps=30, loss=None, validation_loss=2.0, seconds=0.0)
    assert training_line(first) == "held-out 2.000"


def test_rows_add_up_over_batches() -> None:
    rows = RowProgress()
    assert rows_line(rows) == ""
    for number, total in enumerate((90, 180)):
        report = BatchReport(
            number=number, prompts=100, valid_records=90, invalid_records=10, total_valid_records=total, seconds=1.0
        )
        rows = rows.plus(report, 270)
    assert rows_line(rows) == "90 rows/s, 90.0% valid, 1.0 s left"


def test_outcomes() -> None:
    assert outcome_line(1000, 1000, None, "x.csv") == "1,000 rows in x.csv"
    assert outcome_line(1, 2, "time is up", "x.csv") == "Fell short: 1 row in x.csv, 2 were asked for (time is up)"
    assert outcome_line(9, 50, None, "x.csv", (4, 3)) == "3 groups, 9 rows in x.csv"
    short = "Fell short: 1 group, 9 rows in x.csv, 4 groups were asked for (time is up)"
    assert outcome_line(9, 5, "time is up", "x.csv", (1, 4)) == short
    assert outcome_line(0, 2, None, "x.csv") == "Fell short: no rows, 2 were asked for"


def test_cells_fit_on_a_line() -> None:
    assert shortened("a\nb\tc", 10) == "a b c"
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("", 4) == "''"
    assert (percent(0.0), percent(1.0), percent(0.1234)) == ("0%", "100%", "12.3%")


def test_groups_are_counted_where_groups_are_wanted():
    report = BatchReport(
        number=0,
        prompts=20,
        valid_records=90,
        invalid_records=10,
        total_valid_records=90,
        seconds=2.0,
        total_valid_groups=20,
        target_groups=60,
    )
    rows = RowProgress().plus(report, None)
    assert rows.counted == "20 of 60 groups"
    assert rows_line(rows) == "45 rows/s, 90.0% valid, 4.0 s left"


@pytest.mark.parametrize(("text", "shown"), [("a b", "a b"), ("\x1b[2J", "\\x1b[2J"), ("\u202eabc", "\\u202eabc")])
def test_names_and_cells_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shortened(text, 30) == shown
