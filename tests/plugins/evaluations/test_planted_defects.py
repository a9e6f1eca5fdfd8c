"""Defects that were planted in good synthetic rows are found and named; good rows raise no warning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks import planted_defects
from benchmarks.planted_defects import DEFECTS, QUICK, Defect, Frames, evaluations, judged

from rowsmith.evaluation import TableEvaluation
from rowsmith.plugins import Registry

from .census import census

ROWS = 3_000


@pytest.fixture(scope="module")
def good() -> Frames:
    return Frames(real=census(ROWS, 1), synthetic=census(ROWS, 2), holdout=census(ROWS // 2, 3))


@pytest.fixture(scope="module")
def chosen(registry: Registry) -> list[TableEvaluation]:
    return evaluations(QUICK, registry)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_each_defect_is_found_and_named(defect: Defect, good: Frames, chosen: list[TableEvaluation]) -> None:
    report = judged(defect.plant(good, np.random.default_rng(0)), chosen, 0)
    assert defect.found(report) is not None, [finding.message for finding in report.findings]


@pytest.mark.parametrize("seed", range(10))
def test_good_rows_raise_no_warning(seed: int, good: Frames, chosen: list[TableEvaluation]) -> None:
    rows = Frames(real=good.real, synthetic=census(ROWS, 100 + seed), holdout=good.holdout)
    assert [finding.message for finding in judged(rows, chosen, seed).warnings] == []


def test_the_benchmark_says_what_was_found(
    tmp_path: Path,
    good: Frames,
    registry: Registry,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planted_defects, "Registry", lambda: registry)
    monkeypatch.setattr(planted_defects, "DEFECTS", DEFECTS[1:2])
    good.real.to_csv(tmp_path / "train.csv", index=False)
    good.synthetic.to_csv(tmp_path / "good.csv", index=False)
    arguments = ["--train", str(tmp_path / "train.csv"), "--seeds", "1", "--evaluations", "values"]
    planted_defects.main([*arguments, str(tmp_path / "good.csv")])
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert [line[1:3] for line in lines[2:]] == [["", ""], ["constant", "hours_per_week"]]
