"""Whether a record was trained on cannot be told of it, not even of those that stand out most."""

from __future__ import annotations

import numpy as np
import pytest

from .membership import attacked, measured, people

SMALL = {
    "training": {"max_steps": 60},
    "model": {"name": "scratch", "options": {"width": 64, "layers": 2, "dtype": "float32", "batch_size": 64}},
}


def test_an_attack_that_knows_and_one_that_guesses_are_measured_as_such() -> None:
    members = np.arange(2_000) < 1_000
    knows, guesses = (attacked(scores, members) for scores in (members * 1.0, np.random.default_rng(0).random(2_000)))
    assert (knows.found, knows.area) == (1.0, 1.0)
    assert guesses.low < 0.01 < guesses.high
    assert guesses.area == pytest.approx(0.5, abs=0.04)


@pytest.mark.slow
def test_records_trained_on_are_not_recognised() -> None:
    pytest.importorskip("torch")
    for name, attack in measured(2_000, **SMALL).items():
        assert attack.low < 0.02, (name, attack)
        assert attack.area < 0.56, (name, attack)


@pytest.mark.slow
def test_nothing_that_tells_people_apart_is_made_again() -> None:
    pytest.importorskip("torch")
    from rowsmith import Synthesizer

    frame = people(600)
    made = Synthesizer(training={"max_steps": 4}, model=SMALL["model"]).fit(frame).sample(600)
    for name in ("email", "phone", "reference", "note"):
        assert not set(made[name].astype(str)) & set(frame[name].astype(str)), name
