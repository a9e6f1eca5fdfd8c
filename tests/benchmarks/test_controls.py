"""Tables whose faults are known pass and fail as they must; also the rows and weights of a model that overfits."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from attrs import evolve
from benchmarks import controls
from benchmarks.controls import CONTROLS, MODEL_ATTACKS, OVERFIT, Control, judge, split
from benchmarks.planted_defects import Frames

from rowsmith.hookspecs import GROUP
from rowsmith.plugins import Registry

from ..plugins.evaluations.census import census

LEARNED = 120


@pytest.fixture(scope="module")
def frames() -> Frames:
    return split(census(1_200, 0), 400, 0)


@pytest.fixture(scope="module")
def registry() -> Registry:
    plugins = ("fidelity", "privacy")
    return Registry(entry_points=[EntryPoint(name, f"rowsmith_plugins.{name}", GROUP) for name in plugins], environ={})


def test_parts_are_of_the_same_size_and_share_no_row() -> None:
    table = pd.DataFrame({"n": np.arange(1_000)})
    parts = split(table, 400, 0)
    assert parts.holdout is not None
    sizes = [len(each) for each in (parts.real, parts.synthetic, parts.holdout)]
    assert sizes == [333] * 3
    assert len(set(pd.concat([parts.real, parts.synthetic, parts.holdout])["n"])) == 999


@pytest.mark.slow
@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_each_control_is_judged_as_it_must(control: Control, frames: Frames, registry: Registry) -> None:
    judged = judge(control, frames, 0, registry)
    assert judged.as_it_must, [finding.message for finding in judged.report.warnings]


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_an_overfit_model_fails_privacy_by_its_rows_and_by_its_weights(
    frames: Frames, registry: Registry, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    learned = frames.real[:LEARNED]
    model = controls.overfit(learned, len(frames.real), 300, 0, tmp_path / "overfit")
    few = evolve(frames, real=learned)
    assert judge(OVERFIT, evolve(few, synthetic=model.rows), 0, registry).as_it_must
    assert judge(CONTROLS[0], few, 0, registry).as_it_must, "beside few rows others fail as well"
    assert frames.holdout is not None
    attacks = controls.attacked(model, frames.holdout, 0)
    for name, limit in MODEL_ATTACKS.items():
        assert attacks[name][1][0] > limit, (name, attacks[name])
