"""The command line as a process of its own: streams, signals, threads."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

Process = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model, made once."""
    from rowsmith import Synthesizer

    folder = tmp_path_factory.mktemp("model")
    table = folder / "people.csv"
    table.write_text("age,city\n" + "".join(f"{20 + i % 40},{'Rome' if i % 3 else 'Ulm'}\n" for i in range(200)))
    options = {"width": 32, "layers": 1, "dtype": "float32"}
    synthesizer = Synthesizer(training={"max_steps": 2}, model={"name": "scratch", "options": options})
    synthesizer.fit(table).save(folder / "saved")
    return folder / "saved"


def test_stdout_holds_rows_and_nothing_else(process: Process, model: Path) -> None:
    done = process("generate", "--run-dir", model, "-n", "20", "-o", "-", "--threads", "1", "--verbose")
    assert done.returncode == 0, done.stderr.decode()
    rows = list(csv.reader(done.stdout.decode().splitlines()))
    assert rows[0] == ["age", "city"]
    assert len(rows) == 21
    assert all(len(row) == 2 for row in rows)
    assert b"generating: 20 rows" in done.stderr


def test_a_reader_that_has_had_enough_is_no_error(environment: dict[str, str], model: Path) -> None:
    command = [sys.executable, "-m", "rowsmith.cli", "generate", "--run-dir", str(model), "-n", "5000", "-o", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        errors = running.stderr.read().decode()
        assert running.wait(60) == 0, errors
    assert "BrokenPipe" not in errors
    assert "Traceback" not in errors


def _interrupted(environment: dict[str, str], arguments: list[str], sign: str, times: int) -> tuple[int, str]:
    """Start a process, interrupt it when it has told something, and return exit code and stderr."""
    command = [sys.executable, "-m", "rowsmith.cli", *arguments]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, text=True
    ) as running:
        assert running.stderr is not None
        told = ""
        while sign not in told:
            line = running.stderr.readline()
            assert line, told
            told += line
        for _ in range(times):
            running.send_signal(signal.SIGINT)
            time.sleep(0.05)
        told += running.stderr.read()
        return running.wait(60), told


def test_ctrl_c_keeps_the_rows_so_far(environment: dict[str, str], model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    arguments = ["generate", "--run-dir", str(model), "-n", "50000000", "-o", str(output), "--verbose"]
    code, told = _interrupted(environment, arguments, "generating:", 1)
    assert code == 130, told
    assert "Traceback" not in told
    assert "interrupted" in told
    rows = output.read_text().splitlines()
    assert rows[0] == "age,city"
    assert len(rows) > 1
    assert f"{len(rows) - 1:,} rows in" in told


def test_ctrl_c_twice_ends_at_once(environment: dict[str, str], model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    arguments = ["generate", "--run-dir", str(model), "-n", "50000000", "-o", str(output), "--verbose"]
    code, told = _interrupted(environment, arguments, "generating:", 2)
    assert code == 130, told
    assert "Traceback" not in told
    assert not re.search(r"^Fell short", told, re.MULTILINE) or output.exists()


def test_ctrl_c_while_training(environment: dict[str, str], table: Path, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    arguments = ["run", str(table), "--run-dir", str(directory), "--verbose", "--set", "model.options.dtype=float32"]
    code, told = _interrupted(environment, arguments, "training: step", 1)
    assert code == 130, told
    assert "Interrupted." in told
    assert "Traceback" not in told
    assert not (directory / "bundle" / "bundle.json").exists()


def test_what_libraries_print_does_not_reach_stdout(
    environment: dict[str, str], plugin: Callable[..., None], model: Path, tmp_path: Path
) -> None:
    plugin(
        "noisy",
        """
        from rowsmith import hookimpl

        @hookimpl
        def rowsmith_batch_finished(run, batch):
            print("NOISE")
        """,
    )
    environment["PYTHONPATH"] += os.pathsep + str(tmp_path / "plugin-site" / "rowsmith-noisy")
    command = [sys.executable, "-m", "rowsmith.cli", "generate", "--run-dir", str(model), "-n", "5", "-o", "-"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
    assert b"NOISE" in done.stderr
    assert b"NOISE" not in done.stdout
