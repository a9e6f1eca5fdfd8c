"""A plugin that somebody else wrote, installed from its own distribution, replaces stages by name."""

import csv
import json

import pytest

BATCH_LIMIT = """
from rowsmith import Component, hookimpl


@hookimpl
def rowsmith_stopping_policies():
    yield Component(name="batch-limit", factory="rowsmith_echo.stopping:build")
"""


def settings(values):
    return [argument for value in values for argument in ("--set", value)]


def replaced(stopping="batch-limit"):
    return settings(
        [
            "assembler.name=echo",
            "assembler.options.copies=3",
            "processor.name=no-echo",
            f"stopping.name={stopping}",
            "stopping.options.batches=3",
        ]
    )


def plugins(environment, *sites):
    done = environment.rowsmith("plugins", "list", "--json", sites=sites)
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)["plugins"]}


def test_it_is_listed_with_what_it_provides(environment):
    row = plugins(environment)["echo"]
    assert (row["distribution"], row["version"], row["status"]) == ("rowsmith-echo", "1.0.0", "active")
    assert {(each["kind"], each["name"]) for each in row["components"]} == {
        ("assembler", "echo"),
        ("processor", "no-echo"),
        ("stopping", "batch-limit"),
    }


def test_its_options_are_checked_like_our_own(environment, table):
    wrong = settings(["assembler.name=echo", "assembler.options.copys=3"])
    done = environment.rowsmith("run", table, "--dry-run", *wrong)
    assert done.returncode == 2
    assert "copys" in done.stderr
    assert "copies" in done.stderr


def test_it_stands_in_the_plan(environment, table):
    done = environment.rowsmith("run", table, "--dry-run", "--json", *replaced())
    assert done.returncode == 0, done.stderr
    used = json.loads(done.stdout)["plugins"]
    for place, name in {"assembler": "echo", "processor": "no-echo", "stopping": "batch-limit"}.items():
        assert used[place] == {"component": f"echo:{name}", "distribution": "rowsmith-echo", "version": "1.0.0"}
    assert used["backend"]["distribution"] == "rowsmith"


def test_a_run_with_three_stages_replaced(environment, table):
    training = settings(["training.max_steps=20", "model.options.batch_size=10", "data.holdout=0"])
    arguments = ["--run-dir", "run", "-n", "500", "--rejected-text", *training, *replaced()]
    done = environment.rowsmith("run", table, *arguments)
    assert done.returncode == 1, done.stderr  # the policy ended the job before its target
    run = environment.folder / "run"

    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["status"] == "incomplete"
    assert metrics["generation"]["stop_reason"] == "batch-limit: 3 batches were enough"
    assert len(metrics["generation"]["batch_valid_record_fractions"]) == 3

    with (run / "synthetic.csv").open(newline="") as file:
        rows = [tuple(row.items()) for row in csv.DictReader(file)]
    assert len(rows) == metrics["rows"] > 0
    assert len(set(rows)) == len(rows)  # the processor lets no record through twice
    for row in map(dict, rows):
        assert row["color"] in ("red", "green", "blue")
        assert row["size"] in ("S", "M", "L")
        assert row["grade"] in ("1", "2", "3", "4")
    reasons = {json.loads(line)["reason"] for line in (run / "rejected.jsonl").read_text().splitlines()}
    assert "Echo of an earlier record" in reasons

    # The assembler gave three examples for each of the 60 rows.
    steps, epochs = metrics["training"]["steps"], metrics["training"]["epochs"]
    assert round(steps * 10 / epochs) == 180


def test_a_broken_plugin_is_listed_with_its_reason_and_breaks_nothing(environment, distribution, table):
    broken = distribution("rowsmith-broken", "broken", 'raise RuntimeError("the engine is not licensed")\n')
    rows = plugins(environment, broken)
    assert rows["broken"]["status"] == "failed"
    assert rows["broken"]["error"] == "RuntimeError: the engine is not licensed"
    assert rows["echo"]["status"] == "active"
    done = environment.rowsmith("run", table, "--dry-run", *replaced(), sites=(broken,))
    assert done.returncode == 0, done.stderr


def test_the_reason_is_told_where_the_broken_plugin_might_be_meant(environment, distribution, table):
    broken = distribution("rowsmith-broken", "broken", 'raise RuntimeError("the engine is not licensed")\n')
    done = environment.rowsmith("run", table, "--dry-run", "--set", "backend=licensed", sites=(broken,))
    assert done.returncode == 3
    assert "the engine is not licensed" in done.stderr
    assert "rowsmith-broken 2.0" in done.stderr


@pytest.mark.slow
def test_a_run_beside_a_broken_plugin(environment, distribution, table):
    broken = distribution("rowsmith-broken", "broken", 'raise RuntimeError("the engine is not licensed")\n')
    training = settings(["training.max_steps=5", "data.holdout=0"])
    done = environment.rowsmith("run", table, "--run-dir", "run", "-n", "20", *training, sites=(broken,))
    assert done.returncode == 0, done.stderr
    assert len((environment.folder / "run" / "synthetic.csv").read_text().splitlines()) == 21


def test_a_name_of_two_strangers_is_ambiguous_only_when_it_is_used(environment, distribution, table):
    other = distribution("rowsmith-other", "other", BATCH_LIMIT)
    unused = environment.rowsmith("run", table, "--dry-run", "--set", "assembler.name=echo", sites=(other,))
    assert unused.returncode == 0, unused.stderr

    used = environment.rowsmith("run", table, "--dry-run", *settings(["stopping=batch-limit"]), sites=(other,))
    assert used.returncode == 3
    for name in ("'echo:batch-limit'", "rowsmith-echo 1.0.0", "'other:batch-limit'", "rowsmith-other 2.0"):
        assert name in used.stderr


@pytest.mark.parametrize(("plugin", "package"), [("echo", "rowsmith-echo"), ("other", "rowsmith-other")])
def test_the_plugin_s_name_settles_it(environment, distribution, table, plugin, package):
    other = distribution("rowsmith-other", "other", BATCH_LIMIT)
    chosen = settings([f"stopping={plugin}:batch-limit"])
    done = environment.rowsmith("run", table, "--dry-run", "--json", *chosen, sites=(other,))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["plugins"]["stopping"]["distribution"] == package


def test_it_can_be_left_out(environment, table):
    done = environment.rowsmith(
        "run", table, "--dry-run", "--set", "plugins.disable=[rowsmith-echo]", "--set", "assembler.name=echo"
    )
    assert done.returncode == 3
    assert "echo" in done.stderr
