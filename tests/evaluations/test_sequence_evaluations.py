"""The rows of groups in their order, and time series: planted defects are named, real groups raise nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from benchmarks import planted_sequences

from rowsmith.evaluation import EvaluationReport, EvaluationStatus, TableEvaluation, evaluation_tables, run_evaluations
from rowsmith.table import from_frame
from rowsmith_plugins.evaluations.sequences.autocorrelation import SeriesAutocorrelation
from rowsmith_plugins.evaluations.sequences.lengths import SequenceLengths
from rowsmith_plugins.evaluations.sequences.level import SeriesLevel
from rowsmith_plugins.evaluations.sequences.next_row import NextRow
from rowsmith_plugins.evaluations.sequences.order import SequenceOrder
from rowsmith_plugins.evaluations.sequences.repeats import SequenceRepeats
from rowsmith_plugins.evaluations.sequences.seasons import SeriesSeasons
from rowsmith_plugins.evaluations.sequences.steps import SequenceSteps
from rowsmith_plugins.evaluations.sequences.transitions import Transitions
from rowsmith_plugins.evaluations.sequences.trend import SeriesTrend

SEQUENCES = (SequenceLengths(), SequenceOrder(), SequenceSteps(), SequenceRepeats(), Transitions(), NextRow())
SERIES = (SeriesTrend(), SeriesSeasons(), SeriesAutocorrelation(), SeriesLevel())
SEEDS = range(10)


def visits(groups: int, seed: int) -> pd.DataFrame:
    """Patients with visits some days apart, a ward that stays mostly, and a score that depends on the last one."""
    random, rows = np.random.default_rng(seed), []
    for number in range(groups):
        day, ward, score = random.integers(0, 300), random.choice(list("abc")), random.normal()
        sex = random.choice(["m", "f"])
        for _ in range(random.integers(2, 12)):
            date = pd.Timestamp("2021-01-01") + pd.Timedelta(days=int(day))
            rows.append((f"P{number}", str(date.date()), round(50 + 5 * score, 1), ward, sex))
            day += random.integers(1, 5)
            score = 0.8 * score + 0.6 * random.normal()
            ward = ward if random.random() < 0.8 else random.choice(list("abc"))
    return pd.DataFrame(rows, columns=["patient", "visit", "score", "ward", "sex"])


def panel(groups: int, seed: int, length: int = 70) -> pd.DataFrame:
    """Daily series with a week and a level of their own."""
    random, days = np.random.default_rng(seed), pd.date_range("2020-01-01", periods=length).astype(str)
    tables = []
    for number in range(groups):
        noise = random.normal(size=length)
        for row in range(1, length):
            noise[row] += 0.5 * noise[row - 1]
        values = 100 + 10 * random.normal() + 5 * noise + 3 * np.sin(2 * np.pi * np.arange(length) / 7)
        tables.append(pd.DataFrame({"shop": f"S{number}", "day": days, "sales": values.round(2)}))
    return pd.concat(tables, ignore_index=True)


def lone(seed: int, persistence: float = 0.5, trend: float = 0.0, length: int = 360) -> pd.DataFrame:
    """One monthly series."""
    random, noise = np.random.default_rng(seed), 0.0
    values = []
    for row in range(length):
        noise = persistence * noise + random.normal()
        values.append(round(50 + trend * row / length + 3 * np.sin(2 * np.pi * row / 12) + noise, 2))
    return pd.DataFrame({"month": pd.date_range("1990-01-01", periods=length, freq="MS").astype(str), "y": values})


VISITS, PANEL = visits(250, 1), panel(60, 1)
OF_VISITS = {"group_by": ["patient"], "order_by": "visit", "keys": ["patient"]}
OF_PANEL = {"group_by": ["shop"], "order_by": "day", "time_column": "day", "keys": ["shop"]}
OF_LONE = {"time_column": "month"}


def judged(
    evaluations: tuple[TableEvaluation, ...],
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    holdout: pd.DataFrame | None = None,
    **settings: object,
) -> EvaluationReport:
    held = None if holdout is None else from_frame(holdout)
    tables = evaluation_tables(from_frame(real), from_frame(synthetic), held, **settings)  # type: ignore[arg-type]
    report = run_evaluations(evaluations, tables)
    assert [result.message for result in report.failed] == []
    return report


def warned(report: EvaluationReport) -> list[str]:
    return [finding.defect for finding in report.warnings]


@pytest.mark.parametrize("seed", SEEDS)
def test_real_groups_raise_no_warning(seed: int) -> None:
    random = np.random.default_rng(seed)
    for synthetic in (visits(60, 100 + seed), planted_sequences.resampled_groups(VISITS, "patient", random)):
        assert warned(judged(SEQUENCES, VISITS, synthetic, **OF_VISITS)) == []
    for synthetic in (panel(20, 100 + seed), planted_sequences.resampled_groups(PANEL, "shop", random)):
        assert warned(judged((*SEQUENCES, *SERIES), PANEL, synthetic, **OF_PANEL)) == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("persistence", "trend"), [(0.5, 0.0), (0.8, 20.0), (1.0, 0.0)])
def test_another_path_of_the_same_series_raises_no_warning(persistence: float, trend: float, seed: int) -> None:
    real, other = lone(1, persistence, trend), lone(10 + seed, persistence, trend)
    assert warned(judged(SERIES, real, other, **OF_LONE)) == []


@pytest.mark.parametrize("plant", ["shorter_groups", "broken_order"])
@pytest.mark.parametrize(("real", "settings"), [(VISITS, OF_VISITS), (PANEL, OF_PANEL)], ids=["visits", "panel"])
def test_planted_defects_of_groups_are_named_first(plant: str, real: pd.DataFrame, settings: dict[str, object]) -> None:
    synthetic = getattr(planted_sequences, plant)(real, settings["group_by"], np.random.default_rng(0))
    assert warned(judged(SEQUENCES, real, synthetic, **settings))[0] == planted_sequences.PLANTED[plant]


def test_a_broken_order_is_told_with_its_share_and_nothing_else() -> None:
    synthetic = planted_sequences.broken_order(visits(250, 2), ["patient"], np.random.default_rng(0))
    report = judged(SEQUENCES, VISITS, synthetic, visits(80, 3), **OF_VISITS)
    assert warned(report) == ["order-broken"]
    assert "of the steps within groups go back in 'visit', in the real table 0.0%" in report.warnings[0].message
    measure = report.measures["sequence-order"]
    assert measure.value == pytest.approx(0.02, abs=0.002)
    assert measure.ceiling == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_series_that_wander_are_named(seed: int) -> None:
    random = np.random.default_rng(seed)
    many = planted_sequences.wandering_series(panel(60, 2), ["shop"], "sales", random)
    assert "series-wanders" in warned(judged(SERIES, PANEL, many, **OF_PANEL))
    one = planted_sequences.wandering_series(lone(2), [], "y", random)
    assert "series-wanders" in warned(judged(SERIES, lone(1), one, **OF_LONE))


def test_rows_in_another_order_are_incoherent() -> None:
    synthetic = planted_sequences.shuffled_rows(VISITS, ["patient"], "score", np.random.default_rng(0))
    report = judged(SEQUENCES, VISITS, synthetic, **OF_VISITS)
    assert "rows-incoherent" in warned(report)
    assert {finding.columns for finding in report.warnings} == {("score",)}


def test_labels_that_follow_each_other_otherwise_are_named() -> None:
    synthetic = VISITS.assign(ward=np.random.default_rng(0).permutation(VISITS["ward"].to_numpy()))
    report = judged(SEQUENCES, VISITS, synthetic, **OF_VISITS)
    assert set(warned(report)) == {"transitions-differ", "rows-incoherent", "repeats-differ"}
    assert {finding.columns for finding in report.warnings} == {("ward",)}


def test_a_value_of_the_group_that_changes_within_it_is_named() -> None:
    synthetic = planted_sequences.changing_group_values(VISITS, "sex", np.random.default_rng(0))
    report = judged((NextRow(),), VISITS, synthetic, **OF_VISITS)
    assert warned(report) == ["group-values-change"]
    assert report.measures["group-values"].value is not None


def test_steps_twice_as_long_are_named() -> None:
    days = pd.to_datetime(VISITS["visit"])
    first = days.groupby(VISITS["patient"]).transform("first")
    synthetic = VISITS.assign(visit=(first + 2 * (days - first)).dt.strftime("%Y-%m-%d"))
    assert set(warned(judged(SEQUENCES, VISITS, synthetic, **OF_VISITS))) == {"steps-differ", "durations-differ"}


def test_a_season_that_is_lost_and_a_trend_that_is_added_are_named() -> None:
    real = lone(1)
    flat = real.assign(y=50 + 0.5 * np.random.default_rng(0).normal(size=len(real)))
    assert {"season-differs", "autocorrelation-differs"} <= set(warned(judged(SERIES, real, flat, **OF_LONE)))
    rising = real.assign(y=real["y"] + np.linspace(0, 15, len(real)))
    assert "trend-differs" in warned(judged(SERIES, real, rising, **OF_LONE))


def test_a_period_is_found_without_dates() -> None:
    real, synthetic = (lone(seed).assign(month=lambda rows: range(len(rows))) for seed in (1, 2))
    report = judged((SeriesSeasons(),), real, synthetic, **OF_LONE)
    assert report.results[0].evaluated is not None
    assert list(report.results[0].evaluated.details) == ["y: period of 12"]


def test_what_there_is_nothing_to_compare_for_is_said() -> None:
    report = judged((*SEQUENCES, *SERIES), VISITS, VISITS)
    assert {result.status for result in report.results[:6]} == {EvaluationStatus.SKIPPED}
    assert {measure.reason for measure in report.measures.values()} == {"it needs a column of times"}
    unordered = judged((SequenceOrder(), SequenceSteps()), VISITS, VISITS, group_by=["patient"])
    assert all("no column of numbers or times orders" in measure.reason for measure in unordered.measures.values())


def test_groups_of_one_row_and_columns_without_values_are_no_error() -> None:
    single = VISITS.groupby("patient").head(1).assign(empty=None, constant=1, nulls=[None, 1.5] * 125)
    report = judged((*SEQUENCES, *SERIES), single, single, single, time_column="visit", **OF_VISITS)
    assert warned(report) == []
    pair = VISITS.groupby("patient").head(2).assign(empty=None, constant=1)
    alone = single.drop(columns="nulls")
    assert warned(judged((*SEQUENCES, *SERIES), pair, alone, time_column="visit", **OF_VISITS)) == ["groups-shorter"]


def test_every_measure_says_what_it_is() -> None:
    report = judged((*SEQUENCES, *SERIES), PANEL, panel(40, 5), panel(30, 6), **OF_PANEL)
    for measure in report.measures.values():
        for each in (measure, *measure.parts):
            assert each.value is not None, each.name
            assert each.range[0] <= each.value <= each.range[1]
            assert each.interval is not None, each.name
            assert each.interval[0] <= each.value <= each.interval[1]
            assert each.ceiling is not None, each.name
            assert each.sizes
