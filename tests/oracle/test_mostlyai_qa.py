"""Accuracies, distances and the discriminator as mostlyai-qa has them (``nox -s oracle``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rowsmith.evaluation import EvaluationReport

from .conftest import ROWS, Answers, Ask, Case

pytestmark = pytest.mark.oracle

ROUNDED = 5.1e-6
"""It rounds accuracies to five digits."""
SHARE_ERROR = 0.5 / np.sqrt(ROWS)
AREA_TOLERANCE = 0.03
CERTAIN = 0.60


@pytest.fixture(scope="module")
def theirs(ask: Ask, cases: dict[str, Case]) -> Answers:
    return ask("mostlyai_qa", cases)


@pytest.fixture(scope="module")
def ours(cases: dict[str, Case]) -> dict[str, EvaluationReport]:
    return {name: case.judged("distance", "classifier") for name, case in cases.items()}


def test_bins_of_one_and_of_two_columns_are_equally_alike(theirs: Answers) -> None:
    """Of its own bins, which Rowsmith reads as labels."""
    for name, found in theirs.items():
        real, made = (
            pd.read_csv(Path(found["folder"], f"{part}.binned.csv"), keep_default_na=False)
            for part in ("real", "synthetic")
        )
        measures = Case(real, real, made).judged("column-shapes", "pair-trends").measures
        columns = {part.columns[0]: part.value for part in measures["column-shapes"].parts}
        assert columns == pytest.approx(found["columns"], abs=ROUNDED), name
        pairs = {"|".join(part.columns): part.value for part in measures["pair-trends"].parts}
        for pair, value in pairs.items():
            assert value == pytest.approx(found["pairs"][pair], abs=ROUNDED), (name, pair)


def test_the_share_of_rows_nearer_to_training_rows_is_the_same_within_chance(
    theirs: Answers, ours: dict[str, EvaluationReport]
) -> None:
    """Both measure in a space of their own; it takes the largest share of several groups of columns."""
    for name, report in ours.items():
        share, other = report.measures["dcr-share"].value, theirs[name]["dcr-share"]
        assert share is not None
        assert share == pytest.approx(other, abs=4 * SHARE_ERROR), name
        assert (share > CERTAIN, other > CERTAIN) == (name.endswith("copied"),) * 2, name


def test_classifiers_agree_on_rows_that_no_model_made_and_on_independent_columns(
    theirs: Answers, ours: dict[str, EvaluationReport]
) -> None:
    areas = {name: report.measures["classifier"].value for name, report in ours.items()}
    others = {name: found["classifier"] for name, found in theirs.items()}
    fresh = [name for name in areas if name.endswith("fresh")]
    assert np.mean([areas[name] for name in fresh]) == pytest.approx(
        np.mean([others[name] for name in fresh]), abs=AREA_TOLERANCE
    )
    for name in areas:
        if name.endswith("independent"):
            assert areas[name] > CERTAIN and others[name] > CERTAIN, name
