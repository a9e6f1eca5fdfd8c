"""A run whose training is ended by a policy of a plugin that judges sampled rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

POLICIES = """
    import os

    from rowsmith import Component, hookimpl
    from rowsmith.evaluation import TrainingStopping, TrialDecision

    class Third(TrainingStopping):
        rows = 20
        trials = 6

        def __init__(self):
            self.count = 0

        def decide(self, trial):
            self.count += 1
            if self.count == 2 and os.environ.get("STUMBLES"):
                raise RuntimeError("stumbled")
            tables = trial.tables
            figures = {part.value: size for part, size in tables.sizes.items()}
            figures["groups"] = {part.value: int(codes.max()) + 1 for part, codes in tables.groups.items()}
            figures["columns"] = [column.name for column in tables.columns]
            stop = "it was the third trial" if self.count == 3 else None
            return TrialDecision(best=self.count == 2, stop=stop, figures=figures)

        def state(self):
            return {"count": self.count}

        def restore(self, state):
            self.count = state["count"]

    class Failing(TrainingStopping):
        def decide(self, trial):
            raise ZeroDivisionError("no trial")

    def third(context, options):
        return Third()

    def failing(context, options):
        return Failing()

    @hookimpl
    def rowsmith_training_stopping():
        yield Component(name="third", factory="policies_module:third")
        yield Component(name="failing", factory="policies_module:failing")
"""


@pytest.fixture(autouse=True)
def policies(plugin: Callable[..., None]) -> None:
    pytest.importorskip("torch")
    plugin("policies", POLICIES)


@pytest.fixture
def run(invoke: Callable[..., Result], table: Path, tiny: list[str], tmp_path: Path) -> Callable[..., Result]:
    def call(
        *args: str | Path, policy: str = "third", data: Path = table, command: str = "run", size: str = "--rows"
    ) -> Result:
        options = ["--no-evaluate", size, "30" if size == "--rows" else "2"] if command == "run" else []
        chosen = ["--set", "training.max_steps=12", "--set", f"training.stopping={policy}"]
        return invoke(command, data, "--run-dir", tmp_path / "run", *options, *tiny, *chosen, *args)

    return call


def training(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "run" / "metrics.json").read_text())["training"]
    return found


def test_a_policy_of_a_plugin_ends_training_and_is_reported(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    found = training(tmp_path)
    assert (found["steps"], found["best_step"], found["stop_reason"]) == (6, 4, "it was the third trial")
    stopping = found["stopping"]
    assert (stopping["policy"], stopping["held_out_rows"]) == ("third", 22)
    assert [(trial["step"], trial["best"]) for trial in stopping["trials"]] == [(2, False), (4, True), (6, False)]
    first = stopping["trials"][0]
    assert (first["real"], first["synthetic"], first["holdout"]) == (92, 20, 22)
    assert first["columns"] == ["age", "income", "married", "city"]
    assert 0 < stopping["share_of_time"] < 1
    rows = json.loads((tmp_path / "run" / "plan.json").read_text())["rows"]
    assert rows == {"table": 120, "validation": 22, "train": 92, "holdout": 6}
    assert "22 rows are not trained on either" in result.output


def test_a_run_that_broke_off_is_resumed_with_its_trials(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every_step = ("--set", "training.checkpoint_every=0")
    monkeypatch.setenv("STUMBLES", "1")
    assert run(*every_step).exit_code != 0
    monkeypatch.delenv("STUMBLES")
    result = run(*every_step, "--resume")
    assert result.exit_code == 0, result.output
    assert "training goes on from step 3" in result.output
    found = training(tmp_path)
    assert (found["steps"], found["best_step"], found["stop_reason"]) == (6, 4, "it was the third trial")
    assert [(trial["step"], trial["best"]) for trial in found["stopping"]["trials"]] == [
        (2, False),
        (4, True),
        (6, False),
    ]


@pytest.mark.slow
def test_whole_series_are_sampled_and_held_out(run: Callable[..., Result], tmp_path: Path) -> None:
    series = tmp_path / "series.csv"
    rows = [f"s{one},2024-01-{day:02},{(day + one) % 7}" for one in range(10) for day in range(1, 21)]
    series.write_text("\n".join(["who,at,x", *rows]) + "\n")
    settings = ["time_series.is_timeseries=true", "time_series.timestamp_column=at"]
    settings += ["data.group_training_examples_by=who", "data.holdout=0"]
    result = run(*(part for setting in settings for part in ("--set", setting)), data=series, size="--groups")
    assert result.exit_code == 0, result.output
    judged = [trial for trial in training(tmp_path)["stopping"]["trials"] if "not_judged" not in trial]
    assert judged
    for trial in judged:
        assert trial["groups"] == {"real": 8, "synthetic": 2, "holdout": 2}


def test_groups_are_sampled_and_held_out_whole(run: Callable[..., Result], table: Path, tmp_path: Path) -> None:
    header, *lines = table.read_text().splitlines()
    grouped = tmp_path / "grouped.csv"
    rows = [f"p{number // 4},{line}" for number, line in enumerate(lines)]
    grouped.write_text("\n".join([f"who,{header}", *rows]) + "\n")
    result = run("--set", "data.group_training_examples_by=who", data=grouped)
    assert result.exit_code == 0, result.output
    judged = [trial for trial in training(tmp_path)["stopping"]["trials"] if "not_judged" not in trial]
    assert judged
    for trial in judged:
        assert trial["holdout"] == 4 * trial["groups"]["holdout"] > 0
        assert trial["real"] == 4 * trial["groups"]["real"]
        assert trial["synthetic"] >= 20


@pytest.mark.parametrize("command", ["run", "train"])
def test_the_policy_is_looked_up_before_anything_is_trained(
    run: Callable[..., Result], tmp_path: Path, command: str
) -> None:
    result = run(policy="thrid", command=command)
    assert result.exit_code == 3
    assert "Unknown training stopping policy 'thrid'. Did you mean 'third'" in result.output
    assert not (tmp_path / "run" / "bundle").exists()


def test_a_single_series_has_no_rows_that_could_decide(run: Callable[..., Result], tmp_path: Path) -> None:
    series = tmp_path / "series.csv"
    series.write_text("at,x\n" + "".join(f"2024-01-{day:02},{day % 7}\n" for day in range(1, 31)))
    settings = ["--set", "time_series.is_timeseries=true", "--set", "time_series.timestamp_column=at"]
    for more in ([], ["--dry-run"]):
        result = run(*settings, *more, data=series, size="--groups")
        assert result.exit_code == 2, result.output
        assert "a single group or series" in result.output
        assert "Leave training.stopping at 'loss'" in result.output


def test_a_tiny_table_is_refused(run: Callable[..., Result], tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("a,b\n" + "".join(f"{row},x{row % 2}\n" for row in range(12)))
    result = run("--set", "data.holdout=0", data=few)
    assert result.exit_code == 2, result.output
    assert "at least 15 are needed" in result.output


def test_the_error_of_a_policy_names_the_plugin(run: Callable[..., Result]) -> None:
    result = run(policy="failing")
    assert result.exit_code != 0
    assert "ZeroDivisionError: no trial" in result.output
    assert "failing" in result.output


def test_loss_by_its_name_is_the_default() -> None:
    from rowsmith.config import RunConfig, load_config

    for value in ("loss", {"name": "loss"}):
        assert load_config(values={"training": {"stopping": value}}) == RunConfig()
