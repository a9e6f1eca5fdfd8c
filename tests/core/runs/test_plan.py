import json

import pytest
from attrs import evolve

from rowsmith.components import Component, ComponentRef
from rowsmith.config import load_config
from rowsmith.errors import RunDirectoryError
from rowsmith.plugins.records import ProvidedComponent
from rowsmith.runs.plan import PLAN_FILE, Plan, PluginVersion
from rowsmith.storage.run_directory import RunDirectory


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "run")


@pytest.fixture
def plan():
    found = ProvidedComponent(
        component=Component(name="echo", factory="a.b:c"), plugin="e", distribution="rowsmith-e", version="2"
    )
    return Plan(
        config=load_config(overrides=["model.options.width=64", "seed=3"]),
        plugins={
            "backend": PluginVersion.of(found),
            "model": PluginVersion.of(ProvidedComponent.unpackaged("m.n:build")),
        },
        seeds={"training": 2**62},
        rows={"train": 90, "holdout": 10},
        data_fingerprint="sha256:00",
    )


def test_a_plan_survives_its_file(directory, plan):
    plan.save(directory)
    assert Plan.load(directory) == plan
    assert json.loads(directory.read_text(PLAN_FILE))["plugins"]["backend"] == {
        "component": "e:echo",
        "distribution": "rowsmith-e",
        "version": "2",
    }


def test_choices_replace_auto_and_steps_are_added(plan):
    assert plan.config.assembler == "auto"
    resolved = plan.resolve(assembler=ComponentRef(name="tabular"), transforms=(ComponentRef(name="keys"),))
    assert resolved.config.assembler == ComponentRef(name="tabular")
    assert plan.config.assembler == "auto"
    assert plan.with_steps(total_steps=5).with_steps(total_steps=7, warm_up=1).steps == {"total_steps": 7, "warm_up": 1}


def test_what_keeps_a_run_from_continuing_is_named(plan):
    assert plan.differences(plan.with_steps(total_steps=3)) == ()
    config = load_config(overrides=["model.options.width=32", "seed=3", "data.types={a: text}"])
    found = plan.differences(evolve(plan, data_fingerprint="sha256:01", config=config, rowsmith="9"))
    assert found == (
        "data.types.a was None and is 'text'",
        "model.options.width was 64 and is 32",
        f"rowsmith was {plan.rowsmith!r} and is '9'",
        "the data are not the same",
    )


def test_what_does_not_change_the_rows_does_not_keep_a_run_from_continuing(plan):
    config = load_config(
        overrides=["model.options.width=64", "seed=3", "data.source=moved.csv", "training.checkpoint_every=1"]
    )
    assert plan.differences(evolve(plan, config=config)) == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 99}', r"has layout 99, this version of Rowsmith reads 1. Start the run again"),
        ("[]", "has layout None"),
        ("{", "is damaged"),
        ('{"format": 1, "config": {"seed": "x"}}', r"is damaged. Start the run again.\n1 problem in .*plan.json:\n"),
    ],
)
def test_a_plan_that_cannot_be_used_says_why(directory, content, message):
    directory.write_text(PLAN_FILE, content)
    with pytest.raises(RunDirectoryError, match=message):
        Plan.load(directory)


def test_a_missing_plan_says_so(directory):
    with pytest.raises(RunDirectoryError, match=r"Cannot read .*plan.json: No such file"):
        Plan.load(directory.create())
