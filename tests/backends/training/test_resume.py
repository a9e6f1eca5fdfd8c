"""A training that is broken off and taken up again, against one without a break."""

from __future__ import annotations

import json

import pytest

from rowsmith.interruption import Interrupted

from ...shared.interrupted_training import Killed, Training

pytestmark = pytest.mark.usefixtures("no_disk")


@pytest.mark.parametrize("step", [2, 6, 14])
def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(whole, tmp_path, step):
    broken = Training(tmp_path, max_steps=14)
    with pytest.raises(Killed):
        broken.run(kill=("", step))
    assert broken.run().steps == 14
    assert broken.weights == whole.weights
    assert broken.notes[-1] == f"training goes on from step {step - 1}"
    assert len(broken.states) <= 2


def test_a_training_can_be_killed_again_and_again(whole, tmp_path):
    broken = Training(tmp_path, max_steps=14)
    for step in (3, 4, 9):
        with pytest.raises(Killed):
            broken.run(kill=("", step))
    report = broken.run()
    assert broken.weights == whole.weights
    assert (report.steps, report.best_step, report.validation_loss) == (
        whole.report.steps,
        whole.report.best_step,
        whole.report.validation_loss,
    )


def test_a_training_that_is_asked_to_stop_saves_its_last_step(whole, tmp_path):
    broken = Training(tmp_path, max_steps=14)
    with pytest.raises(Interrupted, match="stopped after step 8 of 14"):
        broken.run(stop=("", 7))
    broken.run()
    assert broken.weights == whole.weights
    assert broken.notes == ["training goes on from step 8"]


@pytest.fixture(scope="module")
def cross_validated(tmp_path_factory):
    """A training that is cross-validated, without a break."""
    training = Training(tmp_path_factory.mktemp("unbroken"), rows=120, validation=0, every=60, max_steps=9)
    return training, training.run()


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["fold 1 of 4", "fold 3 of 4", ""])
def test_cross_validation_is_taken_up_where_it_was(cross_validated, tmp_path, phase):
    unbroken, report = cross_validated
    broken = Training(tmp_path, rows=120, validation=0, every=60, max_steps=9)
    with pytest.raises(Interrupted):
        broken.run(stop=(phase, 3))
    before = len(broken.seen)
    assert broken.run().stop_reason == report.stop_reason
    assert broken.weights == unbroken.weights
    assert broken.seen[before][0] == phase, "folds that are done are not done again"


@pytest.mark.slow
def test_a_cool_down_is_taken_up(tmp_path):
    unbroken = Training(tmp_path / "unbroken", rows=300, validation=100, every=60, max_steps=4_000)
    report = unbroken.run()
    assert "stopped falling" in report.stop_reason
    broken = Training(tmp_path / "broken", rows=300, validation=100, every=60, max_steps=4_000)
    with pytest.raises(Interrupted):
        broken.run(stop=unbroken.seen[-2])
    assert broken.run().stop_reason == report.stop_reason
    assert broken.weights == unbroken.weights


def test_a_time_budget_counts_on(tmp_path):
    broken = Training(tmp_path, rows=400, validation=40, every=60, max_time=6.0)
    with pytest.raises(Interrupted, match="after step 1 of"):
        broken.run(stop=("", 0))
    state = json.loads((broken.states[-1] / "state.json").read_text())
    report = broken.run()
    assert report.steps > 1
    assert report.seconds > state["seconds"] > 0, "the time before the break counts"
