"""What a plan says is what runs: each component that is chosen, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attrs import evolve

from rowsmith import Synthesizer
from rowsmith.components import ComponentRef, Kind
from rowsmith.config import AUTO, DataConfig, RunConfig, TimeSeriesConfig
from rowsmith.config.defaults import is_auto, reopened, resolved
from rowsmith.model.bundle import BUNDLE_FILE
from rowsmith.plugins import Registry
from rowsmith.runs.generations import journal_of
from rowsmith.runs.plan import Plan
from rowsmith.runs.plan.planning import draft_plan, resumed
from rowsmith.runs.stages import Run
from rowsmith.storage.run_directory import RunDirectory

GROUPS = ComponentRef(name="grouped")
GROUPED = DataConfig(group_training_examples_by="g")
SERIES = TimeSeriesConfig(is_timeseries=True, timestamp_column="t")
KINDS = {
    "plain": RunConfig(),
    "grouped": RunConfig(data=GROUPED),
    "series": RunConfig(time_series=SERIES),
    "several series": RunConfig(data=GROUPED, time_series=SERIES),
}
_MARKS = {
    "plain": {},
    "grouped": {"group_by": "g"},
    "series": {"group_by": "g", "time_column": "t"},
}


def table() -> pd.DataFrame:
    chance = np.random.default_rng(2)
    times = np.tile(pd.date_range("2024-01-01", periods=15, freq="h"), 4)
    return pd.DataFrame({"g": np.repeat([*"abcd"], 15), "t": times, "x": chance.integers(0, 9, 60)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_leaves_nothing_open_and_choosing_again_changes_nothing(kind: str) -> None:
    config = resolved(KINDS[kind])
    assert not any(is_auto(ref) for ref in (config.assembler, config.processor, *config.transforms))
    assert isinstance(config.evaluation, tuple)
    assert resolved(config) == config
    assert draft_plan(KINDS[kind], Registry()).config == config


@pytest.mark.parametrize("kind", KINDS)
def test_a_generation_is_the_same_whether_its_processor_was_chosen_or_left_open(kind: str) -> None:
    assert reopened(resolved(KINDS[kind])).processor == reopened(KINDS[kind]).processor
    own = evolve(KINDS[kind], processor=ComponentRef(name="own"))
    assert reopened(own) == own


@pytest.mark.parametrize("kind", KINDS)
def test_generate_goes_on_with_the_generation_that_a_run_began(kind: str, tmp_path: Path) -> None:
    (tmp_path / BUNDLE_FILE).write_text("{}")
    bundle: Any = SimpleNamespace(directory=tmp_path, model_schema=None)

    def path(config: RunConfig) -> Path:
        return journal_of(Run(config=config, registry=Registry(), directory=RunDirectory(tmp_path)), bundle).path

    # A run has what the user gave; generate has what the plan of the run says.
    assert path(KINDS[kind]) == path(resolved(KINDS[kind]))
    assert path(KINDS[kind]) != path(evolve(KINDS[kind], processor=ComponentRef(name="own")))


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[Kind, str]]]:
    """The kind and the full name of every component that is built."""
    seen: set[tuple[Kind, str]] = set()
    build = Registry.build

    def watched(self: Registry, kind: Kind, ref: Any, context: Any) -> object:
        seen.add((Kind(kind), self.resolve(kind, ref).full_name))
        return build(self, kind, ref, context)

    monkeypatch.setattr(Registry, "build", watched)
    yield seen


@pytest.mark.parametrize("kind", _MARKS)
def test_what_the_plan_says_is_what_runs(
    kind: str, tiny: dict[str, Any], tmp_path: Path, built: set[tuple[Kind, str]]
) -> None:
    Synthesizer(**tiny, **_MARKS[kind], run_directory=tmp_path).fit(table()).sample()
    plan = Plan.load(RunDirectory(tmp_path))
    planned = {(_kind(place), used.component) for place, used in plan.plugins.items()}
    assert built == {each for each in planned if each[0] is not Kind.EVALUATION}, "sample alone evaluates nothing"
    assert plan.config.processor != AUTO


def _kind(place: str) -> Kind:
    name = place.rpartition(".")[2].partition("[")[0]
    return Kind.TRANSFORM if name == "transforms" else Kind(name)


def test_a_run_saved_before_plans_listed_a_component_can_go_on() -> None:
    plan = draft_plan(KINDS["series"], Registry())
    earlier = {place: used for place, used in plan.plugins.items() if not place.startswith("time_series")}
    assert evolve(plan, plugins=earlier).differences(plan) == ()
    other = {**plan.plugins, "model": evolve(plan.plugins["model"], version="9")}
    assert evolve(plan, plugins=other).differences(plan) == (
        f"plugins.model.version was '9' and is {plan.plugins['model'].version!r}",
    )


def test_a_run_is_resumed_with_the_processor_that_its_model_asked_for_but_not_with_another() -> None:
    config, registry = KINDS["plain"], Registry()
    drafted, written = draft_plan(config, registry), draft_plan(evolve(config, processor=GROUPS), registry)
    assert written.differences(resumed(drafted, written, config)) == ()
    own = evolve(written, config=evolve(written.config, processor=ComponentRef(name="own")))
    assert "processor was 'own' and is 'tabular'" in own.differences(resumed(drafted, own, config))
    explicit = evolve(config, processor=ComponentRef(name="tabular"))
    assert "processor was 'grouped' and is 'tabular'" in written.differences(resumed(drafted, written, explicit))
