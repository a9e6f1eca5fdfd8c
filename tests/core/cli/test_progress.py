"""Progress as it is shown: live for people, lines for logs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from rowsmith.cli.display.progress import LiveReporter, PlainReporter, reporting
from rowsmith.cli.display.settings import Settings
from rowsmith.cli.display.summary_table import print_summary
from rowsmith.model import TrainingProgress
from rowsmith.observers import BatchReport
from rowsmith.runs.comparison.summary import ColumnSide, ColumnSummary
from rowsmith.runs.reporting import Reporter
from rowsmith.table.schema import ColumnType


def a_run(reporter: Reporter) -> None:
    reporter.note("[bold]10[/bold] rows are held out")
    reporter.stage_started("training")
    reporter.training(TrainingProgress(step=5, total_steps=10, loss=1.25, validation_loss=1.5, seconds=2.0))
    reporter.stage_finished("training", 4.0, "10 steps")
    reporter.stage_started("generating")
    reporter.batch(
        BatchReport(number=0, prompts=50, valid_records=50, invalid_records=0, total_valid_records=50, seconds=1.0), 40
    )
    reporter.stage_finished("generating", 1.0, "40 rows")


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    a_run(PlainReporter(0.0))
    assert capsys.readouterr() == (
        "",
        "note: [bold]10[/bold] rows are held out\n"
        "training: step 5 of 10, loss 1.250, held-out 1.500, 2.0 s left\n"
        "training: 10 steps (4.0 s)\n"
        "generating: 40 of 40 rows, 50 rows/s, 100.0% valid, 0.0 s left\n"
        "generating: 40 rows (1.0 s)\n",
    )


def test_lines_within_a_stage_come_seldom(capsys: pytest.CaptureFixture[str]) -> None:
    a_run(PlainReporter(60.0))
    assert "step 5" not in capsys.readouterr().err


def test_live() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    columns = (TextColumn("{task.description}"), TextColumn("{task.fields[words]}", markup=False))
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        reporter = LiveReporter(progress)
        reporter.training(TrainingProgress(step=1, total_steps=1, loss=None, validation_loss=None, seconds=0.0))
        a_run(reporter)
        reporter.stage_started("writing")
        assert [task.description for task in progress.tasks] == ["writing"]
    shown = stream.getvalue()
    assert "[bold]10[/bold] rows are held out" in shown
    assert "training: 10 steps (4.0 s)" in shown


def test_the_reporter_suits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting(Settings(quiet=True)) as quiet:
        assert type(quiet) is Reporter
    with reporting(Settings()) as plain:
        assert isinstance(plain, PlainReporter)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with reporting(Settings()) as live:
        assert isinstance(live, LiveReporter)


def _column(name: str, distance: float) -> ColumnSummary:
    side = ColumnSide(nulls=0.0, distinct=2, top="[red]x\ny", top_share=0.5)
    return ColumnSummary(
        name=name, type=ColumnType.CATEGORICAL, real=side, synthetic=side, measure="TV", distance=distance
    )


def test_a_wide_table_shows_what_differs_most(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [_column(f"c{place:02d}", place / 100) for place in range(20)]
    print_summary(columns)
    shown = capsys.readouterr().err
    assert "[red]x y 50.0%" in shown
    assert "c19" in shown
    assert "c07" not in shown
    print_summary(columns, full=True)
    assert "c07" in capsys.readouterr().err
    print_summary([])
    assert capsys.readouterr() == ("", "")


def test_long_numbers_are_cut_and_names_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    digits = ("0.123456789012345", "1234567.890123456", "-1e-300")
    side = ColumnSide(nulls=0.0, distinct=2, top="1", top_share=0.5, mean=0.5, quantiles=digits)
    columns = [
        ColumnSummary(name=name, type=ColumnType.DECIMAL, real=side, synthetic=side, measure="KS", distance=0.5)
        for name in ("income per head", "a_name_that_is_longer_than_most_others_are")
    ]
    print_summary(columns)
    shown = capsys.readouterr().err
    assert "income per head" in shown
    assert "a_name_that_is_longer_than_mo…" in shown
    assert "0.12346 … 1.2346e+06" in shown
    assert shown.count("0.500 ") == 2
    assert max(map(len, shown.splitlines())) <= 140
