"""run, train and generate from end to end, in this process."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import Result

pytest.importorskip("torch")


@pytest.fixture
def run(invoke: Callable[..., Result], table: Path, tiny: list[str], tmp_path: Path) -> Callable[..., Result]:
    def call(*args: str | Path, directory: str = "run") -> Result:
        return invoke("run", table, "--run-dir", tmp_path / directory, "-n", "40", *tiny, *args)

    return call


def test_run_leaves_a_private_directory_and_tells_the_outcome(
    run: Callable[..., Result], tmp_path: Path, table: Path
) -> None:
    result = run("--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    directory = tmp_path / "run"
    assert told["status"] == "complete"
    assert told["result"] == str(directory / "synthetic.csv")
    assert (told["rows"], told["training"]["steps"]) == (40, 3)
    frame = pd.read_csv(directory / "synthetic.csv")
    real = pd.read_csv(table)
    assert list(frame.columns) == list(real.columns)
    assert len(frame) == 40
    assert (directory / "synthetic.csv").read_text().splitlines()[1].split(",")[1].partition(".")[2].isdigit()
    metrics = json.loads((directory / "metrics.json").read_text())
    generation = metrics["generation"]
    assert generation["num_completion_tokens"] == (
        generation["num_valid_record_tokens"]
        + generation["num_invalid_record_tokens"]
        + generation["num_non_record_tokens"]
    )
    assert {"reading", "training", "generating", "writing"} <= set(metrics["seconds"])
    assert list(metrics["changed"]) == [each["name"] for each in metrics["columns"]]
    assert all(0 <= share <= 1 for share in metrics["changed"].values())
    plan = json.loads((directory / "plan.json").read_text())
    assert plan["rows"] == {"table": 120, "train": 114, "holdout": 6}
    assert plan["plugins"]["model"]["component"] == "scratch:scratch"
    assert "auto" not in (plan["config"][name] for name in ("assembler", "transforms", "processor"))
    assert (directory / "rejected.jsonl").read_text() == ""
    assert "training:" in result.stderr
    for path in [directory, *directory.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        assert run("--quiet", "--seed", seed, directory=name).exit_code == 0
    a, b, c = ((tmp_path / name / "synthetic.csv").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_a_result_is_overwritten_only_by_force(run: Callable[..., Result], tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    first = run("-o", output)
    assert first.exit_code == 0
    assert len(output.read_text().splitlines()) == 40
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    refused = run()
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    taken = run("-o", output, directory="other")
    assert taken.exit_code == 2
    assert not (tmp_path / "other").exists(), "nothing may be done before a refusal"
    assert run("-o", output, "--force").exit_code == 0


def test_train_then_generate(
    invoke: Callable[..., Result], table: Path, tiny: list[str], tmp_path: Path, run: Callable[..., Result]
) -> None:
    directory = tmp_path / "trained"
    trained = invoke("train", table, "--run-dir", directory, "--json", *tiny)
    assert trained.exit_code == 0, trained.stderr
    assert json.loads(trained.stdout)["status"] == "trained"
    assert not (directory / "synthetic.csv").exists()
    to_stdout = invoke("generate", "--run-dir", directory, "-n", "40", "-o", "-", "-q")
    assert to_stdout.stderr == ""
    assert len(to_stdout.stdout.splitlines()) == 41
    assert not (directory / "synthetic.csv").exists()
    assert invoke("generate", "--run-dir", directory, "-n", "40").exit_code == 0
    assert (directory / "synthetic.csv").read_text() != to_stdout.stdout, "a second call makes further rows"
    exact = invoke("generate", "--run-dir", directory, "-n", "40", "-o", "-", "-q", "--seed", "0")
    assert exact.stdout == to_stdout.stdout
    assert invoke("generate", "--run-dir", directory, "-n", "40").exit_code == 2
    assert run("--quiet").exit_code == 0
    assert (tmp_path / "run" / "synthetic.csv").read_text() == to_stdout.stdout, "run is train and generate"
    for command in (("generate", "--run-dir", tmp_path / "run", "-n", "40", "-o", "-", "-q"),) * 2:
        assert invoke(*command).stdout != to_stdout.stdout
    reseeded = invoke("generate", "--run-dir", directory, "-n", "40", "-o", "-", "-q", "--seed", "5")
    assert reseeded.stdout != to_stdout.stdout
    other = tmp_path / "other.parquet"
    assert invoke("generate", "--run-dir", directory, "-n", "7", "-o", other).exit_code == 0
    assert len(pd.read_parquet(other)) == 7


def test_what_libraries_print_does_not_reach_stdout(
    run: Callable[..., Result], plugin: Callable[..., None], invoke: Callable[..., Result], tmp_path: Path
) -> None:
    plugin(
        "noisy",
        """
        from rowsmith import hookimpl

        @hookimpl
        def rowsmith_batch_finished(run, batch):
            print("NOISE")

        @hookimpl
        def rowsmith_run_finished(run, report):
            print(report.status, report.rows)
        """,
    )
    result = run("-o", "-", "--format", "jsonl")
    assert result.exit_code == 0
    assert all(json.loads(line).keys() == {"age", "income", "married", "city"} for line in result.stdout.splitlines())
    assert "NOISE" in result.stderr
    assert "complete 40" in result.stderr


def test_falling_short_is_told_and_kept(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run(
        "--set", "stopping={name: time-limit, options: {seconds: 1.0e-9}}", "--set", "generation.num_records=30000"
    )
    assert result.exit_code == 1, result.stderr
    assert "Fell short" in result.stderr
    assert 0 < len(pd.read_csv(tmp_path / "run" / "synthetic.csv")) < 30_000


def test_a_dry_run_writes_nothing(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run("--dry-run", "--json")
    assert result.exit_code == 0
    plan = json.loads(result.stdout)
    assert plan["rows"] == {"table": 120}
    assert not (tmp_path / "run").exists()
    assert "training:" in run("--dry-run").stdout


def test_the_format_of_the_source_is_kept(
    invoke: Callable[..., Result], tiny: list[str], table: Path, tmp_path: Path
) -> None:
    source = tmp_path / "people.parquet"
    frame = pd.read_csv(table)
    frame.to_parquet(source)
    result = invoke("run", source, "--run-dir", tmp_path / "run", "-n", "10", *tiny)
    assert result.exit_code == 0, result.stderr
    written = pq.read_schema(tmp_path / "run" / "synthetic.parquet")
    assert (written.names, written.types) == (pq.read_schema(source).names, pq.read_schema(source).types)


def test_a_configuration_file_stands_below_options(
    invoke: Callable[..., Result], table: Path, tiny: list[str], tmp_path: Path
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(f"data: {{source: {table}}}\ngeneration: {{num_records: 11}}\nseed: 3\n")
    plan = json.loads(invoke("run", "-c", config, "--seed", "4", "--dry-run", "--json", *tiny).stdout)["config"]
    assert (plan["seed"], plan["generation"]["num_records"], plan["training"]["max_steps"]) == (4, 11, 3)


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["run", "none.csv"], 2, "none.csv"),
        (["run"], 2, "which table"),
        (["run", "{table}", "--set", "backend=nope"], 3, "Unknown backend"),
        (["run", "{table}", "--set", "generation.top_p=3"], 2, "top_p"),
        (["run", "{table}", "--set", "data.types={aeg: integer}"], 2, "age"),
        (["run", "{table}", "--holdout", "none.csv"], 2, "none.csv"),
        (["run", "{table}", "--holdout", "119"], 2, "at least 10"),
        (["run", "{table}", "--max-train-time", "soon"], 2, "duration"),
        (["run", "{table}", "-o", "x.docx"], 2, "format"),
        (["run", "{table}", "-o", "no/folder/x.csv"], 2, "folder"),
        (["run", "{table}", "-o", "-", "--json"], 2, "stdout"),
        (["run", "{table}", "--format", "csv"], 2, "--output"),
        (["run", "{table}", "--run-dir", "a\nb"], 2, "run directory"),
        (["run", "{table}", "--run-dir", ""], 2, "run directory"),
        (["run", "{table}", "--run-dir", "{table}"], 2, "is a file"),
        (["run", "{table}", "-n", "0"], 2, "0"),
        (["run", "{table}", "--quiet", "--verbose"], 2, "contradict"),
        (["generate", "--run-dir", "nowhere"], 2, "no trained model"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    args: list[str],
    code: int,
    word: str,
    invoke: Callable[..., Result],
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*(arg.replace("{table}", str(table)) for arg in args))
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_an_internal_error_is_told_as_one(
    invoke: Callable[..., Result], table: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rowsmith.runs.stages.read", lambda run: 1 / 0)
    result = invoke("run", table)
    assert result.exit_code == 4
    assert "ZeroDivisionError" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in invoke("run", table, "--traceback").stderr
    monkeypatch.setenv("ROWSMITH_DEBUG", "1")
    assert "Traceback" in invoke("run", table).stderr


def test_the_default_directory_is_named_after_the_table(
    invoke: Callable[..., Result], tiny: list[str], table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = table.rename(tmp_path / "my people!.csv")
    assert invoke("train", odd, *tiny).exit_code == 0
    assert [name.startswith("my-people-") for name in os.listdir("rowsmith-runs")] == [True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--order-by", "age"], "only rows of a group are ordered; set data.group_training_examples_by"),
        (["--group-by", "city", "--order-by", "city"], "'city' groups the rows as well"),
        (["--time-column", "age", "--order-by", "income"], "a time series is ordered by its time column"),
        (["-g", "5"], "the table has no groups"),
        (["--group-by", "city", "-g", "5"], "--rows and --groups both say how much to write"),
        (["--group-by", "city", "--group-by", "city"], "'city' is named more than once"),
    ],
)
def test_options_of_groups_that_need_or_contradict_each_other(
    invoke: Callable[..., Result], table: Path, arguments: list[str], message: str
) -> None:
    rows = ["-n", "40"] if "--rows" in message else []
    result = invoke("run", table, "--dry-run", *rows, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
