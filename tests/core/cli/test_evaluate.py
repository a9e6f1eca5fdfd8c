"""A run ends with a verdict, and ``rowsmith evaluate`` judges rows: in this process, with evaluations of a plugin."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

JUDGES = """
    import os
    import signal

    from rowsmith import Component, hookimpl
    from rowsmith.evaluation import Evaluated, EvaluationKind, Finding, Measure, TableEvaluation

    class Alike(TableEvaluation):
        name = "alike"
        kind = EvaluationKind.FIDELITY

        def evaluate(self, tables):
            sizes = {part.value: size for part, size in tables.sizes.items()}
            parts = tuple(Measure(name="share", value=0.5, columns=(column.name,)) for column in tables.columns)
            return Evaluated(measures=(Measure(name="alike", value=0.75, ceiling=0.9, sizes=sizes, parts=parts),))

    class Doubtful(TableEvaluation):
        name = "doubtful"
        kind = EvaluationKind.FIDELITY

        def evaluate(self, tables):
            return Evaluated(
                measures=(Measure(name="doubtful", value=None, reason="nobody counted"),),
                findings=(Finding(defect="tails-cut", message="age ends at 59", columns=("age",), excess=2.0),),
            )

    class Broken(TableEvaluation):
        name = "broken"
        kind = EvaluationKind.PRIVACY

        def evaluate(self, tables):
            raise ZeroDivisionError("no rows left")

    class Interrupting(TableEvaluation):
        name = "interrupting"
        kind = EvaluationKind.FIDELITY

        def evaluate(self, tables):
            os.kill(os.getpid(), signal.SIGINT)
            return Evaluated(measures=())

    def alike(context, options):
        return Alike()

    def doubtful(context, options):
        return Doubtful()

    def broken(context, options):
        return Broken()

    def interrupting(context, options):
        return Interrupting()

    def unbuilt(context, options):
        raise RuntimeError("no licence")

    @hookimpl
    def rowsmith_evaluations():
        for name in ("alike", "doubtful", "broken", "interrupting", "unbuilt"):
            yield Component(name=name, factory=f"judges_module:{name}")
"""


@pytest.fixture
def judges(plugin: Callable[..., None]) -> None:
    plugin("judges", JUDGES)


@pytest.fixture
def run(invoke: Callable[..., Result], table: Path, tiny: list[str], tmp_path: Path) -> Callable[..., Result]:
    pytest.importorskip("torch")

    def call(*args: str | Path) -> Result:
        return invoke("run", table, "--run-dir", tmp_path / "run", "-n", "40", *tiny, *args)

    return call


@pytest.fixture
def others(table: Path, tmp_path: Path) -> list[str]:
    """The options of two tables that Rowsmith did not make."""
    lines = table.read_text().splitlines()
    synthetic, holdout = tmp_path / "synthetic.csv", tmp_path / "holdout.csv"
    synthetic.write_text("\n".join([lines[0], *lines[1:60]]) + "\n")
    holdout.write_text("\n".join([lines[0], *lines[60:80]]) + "\n")
    return ["--real", str(table), "--synthetic", str(synthetic), "--holdout", str(holdout)]


MODEL_JUDGES = """
    from rowsmith import Component, hookimpl
    from rowsmith.components import JUDGES_MODEL

    @hookimpl
    def rowsmith_evaluations():
        yield Component(name="asks-model", factory="models_module:build", capabilities=frozenset({JUDGES_MODEL}))
"""


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_an_evaluation_of_a_model_is_refused_before_anything_is_trained(
    plugin: Callable[..., None], run: Callable[..., Result], tmp_path: Path, more: list[str]
) -> None:
    plugin("models", MODEL_JUDGES)
    result = run("--set", "evaluation=[column-shapes, asks-model]", *more)
    assert result.exit_code == 2, result.output
    assert "evaluation 'asks-model' asks a trained model and does not compare tables" in result.output
    assert "@ evaluation[1]" in result.output
    assert not (tmp_path / "run" / "bundle").exists()


def test_validate_and_evaluate_refuse_an_evaluation_of_a_model(
    plugin: Callable[..., None], invoke: Callable[..., Result], others: list[str], tmp_path: Path
) -> None:
    plugin("models", MODEL_JUDGES)
    config = tmp_path / "run.yaml"
    config.write_text("evaluation: [asks-model]\n")
    for command in (["validate", config], ["evaluate", *others, "--only", "asks-model"]):
        result = invoke(*command)
        assert result.exit_code == 2, result.output
        assert "does not compare tables" in result.output


def test_a_run_ends_with_a_verdict_names_what_failed_and_keeps_the_rows(
    judges: None,
    run: Callable[..., Result],
    invoke: Callable[..., Result],
    tmp_path: Path,
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = run("--set", "evaluation=[alike, doubtful, broken, unbuilt]")
    assert result.exit_code == 5, result.output
    lines = result.stderr.splitlines()
    verdict = "\n".join(lines[next(place for place, line in enumerate(lines) if line.startswith("verdict")) :])
    assert "1 warning: tails cut; 2 evaluations failed" in verdict
    assert "broken (ZeroDivisionError: no rows left)" in " ".join(verdict.split())
    assert "worst      age ends at 59" in verdict
    assert "report.html" in verdict
    assert max(map(len, verdict.splitlines())) <= 80 or str(tmp_path) in verdict
    assert len((tmp_path / "run" / "synthetic.csv").read_text().splitlines()) == 41
    report = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert report["version"] == 1
    assert report["sizes"] == {"real": 114, "synthetic": 40, "holdout": 6}
    assert {each["name"]: each["status"] for each in report["evaluations"]} == {
        "alike": "done",
        "doubtful": "done",
        "broken": "failed",
        "unbuilt": "failed",
    }
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert figures["evaluation"]["measures"]["alike"] == {"value": 0.75, "ceiling": 0.9}
    assert figures["evaluation"]["failed"] == ["broken", "unbuilt"]
    assert "evaluating" in figures["seconds"]
    assert "<html" in (tmp_path / "run" / "report.html").read_text()

    assert run("--set", "evaluation=[alike, doubtful, broken, unbuilt]", "--resume").exit_code == 5
    assert run("--set", "evaluation=[alike, doubtful, broken, unbuilt]", "--resume", "--strict").exit_code == 1

    again = invoke("evaluate", "--run-dir", tmp_path / "run", "--only", "alike", "--json", "-q")
    assert again.exit_code == 0, again.output
    told = json.loads(again.stdout)
    assert told["sizes"] == {"real": 114, "synthetic": 40, "holdout": 6}, "the same rows are held out again"
    assert told["report"] == str(tmp_path / "run" / "report.html")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["evaluation"]["failed"] == []

    more = invoke("generate", "--run-dir", tmp_path / "run", "-n", "20", "-o", tmp_path / "more.csv", "--evaluate")
    assert more.exit_code == 5, more.output
    assert "worst      age ends at 59" in more.stderr
    assert "report.html" not in more.stderr, "rows that go elsewhere leave the report of the run as it is"

    def broken_page(*given: object) -> None:
        raise LookupError("no template")

    with monkeypatch.context() as patched:
        patched.setattr("rowsmith.evaluation.files.write_page", broken_page)
        pageless = invoke("evaluate", "--run-dir", tmp_path / "run", "--only", "alike")
    assert pageless.exit_code == 5, pageless.output
    assert "report (it could not be written: LookupError: no template)" in " ".join(pageless.stderr.split())

    table.write_text(table.read_text().replace("Ulm", "Bern"))
    refused = invoke("evaluate", "--run-dir", tmp_path / "run", "--only", "alike")
    assert refused.exit_code == 2
    assert "is not the table that was learned from" in refused.stderr
    assert "--real REAL --synthetic ROWS" in refused.stderr


def test_a_run_whose_evaluation_is_interrupted_has_its_rows_and_is_evaluated_later(
    judges: None, run: Callable[..., Result], invoke: Callable[..., Result], tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        result = run("--set", "evaluation=[interrupting, alike]")
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.exit_code == 130, result.output
    assert "the rows are written" in result.stderr
    assert "40 rows in" in result.stderr
    assert len((tmp_path / "run" / "synthetic.csv").read_text().splitlines()) == 41
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["status"] == "complete"
    assert not (tmp_path / "run" / "evaluation.json").exists()
    assert invoke("evaluate", "--run-dir", tmp_path / "run", "--only", "alike").exit_code == 0


def test_an_evaluation_that_is_not_there_is_refused_before_training(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run("--set", "evaluation=[no-such]")
    assert result.exit_code == 3
    assert "Unknown evaluation 'no-such'" in result.stderr
    assert not (tmp_path / "run" / "bundle").exists()


@pytest.mark.parametrize("word", ["best", "3"])
def test_an_extent_that_is_not_known_is_refused(invoke: Callable[..., Result], table: Path, word: str) -> None:
    result = invoke("run", table, "--set", f"evaluation={word}", "--dry-run")
    assert result.exit_code == 2
    assert "expected one of auto, quick, full, none or a list" in result.stderr


def test_no_evaluation_is_part_of_the_plan_where_none_is_wanted(invoke: Callable[..., Result], table: Path) -> None:
    plan = json.loads(invoke("run", table, "--no-evaluate", "--dry-run", "--json").stdout)
    assert plan["config"]["evaluation"] == []
    asked = invoke("run", table, "--set", "evaluation=none", "--evaluate", "--dry-run", "--json")
    assert asked.exit_code in (0, 3), "what is asked for is looked up"


def test_tables_that_others_made_are_judged(
    judges: None, invoke: Callable[..., Result], others: list[str], tmp_path: Path
) -> None:
    report = tmp_path / "report"
    result = invoke("evaluate", *others, "--only", "alike", "--only", "doubtful", "-o", report)
    assert result.exit_code == 0, result.output
    assert "verdict    1 warning: tails cut" in result.stderr
    assert "warning    age ends at 59" in result.stderr
    assert json.loads((report / "evaluation.json").read_text())["sizes"] == {
        "real": 120,
        "synthetic": 59,
        "holdout": 20,
    }
    assert (report / "report.html").exists()
    strict = invoke("evaluate", *others, "--only", "alike", "--only", "doubtful", "--strict", "--json", "-q")
    assert strict.exit_code == 1
    assert strict.stderr == ""
    assert json.loads(strict.stdout)["report"] is None
    failing = invoke("evaluate", *others, "--only", "broken", "--only", "alike")
    assert failing.exit_code == 5
    assert "1 evaluation failed: broken (ZeroDivisionError: no rows left)" in " ".join(failing.stderr.split())
    assert "measures   alike 0.750 / 0.900" in failing.stderr


def test_options_that_contradict_each_other_are_refused(invoke: Callable[..., Result], others: list[str]) -> None:
    assert "Give --run-dir, or both --real and --synthetic" in invoke("evaluate").stderr
    assert "--quick and --only" in invoke("evaluate", *others, "--quick", "--only", "alike").stderr
    told = invoke("evaluate", "--run-dir", "x", "--group-by", "city", "--keys", "age")
    assert told.exit_code == 2
    assert "--group-by, --keys: the run directory says so already" in told.stderr


def test_a_column_that_is_not_there_is_named(judges: None, invoke: Callable[..., Result], others: list[str]) -> None:
    result = invoke("evaluate", *others, "--only", "alike", "--group-by", "person")
    assert result.exit_code == 2
    assert "no column 'person'" in result.stderr


def test_nothing_is_evaluated_without_rows(invoke: Callable[..., Result], tmp_path: Path) -> None:
    result = invoke("evaluate", "--run-dir", tmp_path / "none")
    assert result.exit_code == 2
    assert "holds no trained model" in result.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_the_series_in_another_file_of_a_lone_series_are_told_apart_by_their_number(
    invoke: Callable[..., Result], tiny: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    source, other = tmp_path / "series.csv", tmp_path / "other.csv"
    source.write_text("at,x\n" + "".join(f"2024-01-{day:02},{day % 7}\n" for day in range(1, 31)))
    settings = ["--time-column", "at", "--groups", "1", "--no-evaluate", "--set", "data.holdout=0"]
    made = invoke("run", source, "--run-dir", tmp_path / "run", *settings, *tiny)
    assert made.exit_code == 0, made.output
    days = [f"{number},2024-01-{day:02},{day % 5}" for number in (1, 2, 3) for day in range(1, 31)]
    other.write_text("\n".join(["series,at,x", *days]) + "\n")
    result = invoke(
        "evaluate", "--run-dir", tmp_path / "run", "--synthetic", other, "--only", "sequence-lengths", "--json", "-q"
    )
    assert result.exit_code == 0, result.output
    measure = json.loads(result.stdout)["evaluations"][0]["evaluated"]["measures"][0]
    assert measure["value"] == 1.0, "three series of 30 rows, and not one of 90"
