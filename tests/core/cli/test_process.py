"""The command line as a process of its own: streams, signals, threads."""

from __future__ import annotations

import csv
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from rowsmith.cli.display.settings import Settings, apply_settings

from ...shared.warm_interpreter import Command, run

pytest.importorskip("torch")

Process = Callable[..., "subprocess.CompletedProcess[str]"]


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
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader(done.stdout.splitlines()))
    assert rows[0] == ["age", "city"]
    assert len(rows) == 21
    assert all(len(row) == 2 for row in rows)
    assert "generating: 20 rows" in done.stderr


@pytest.mark.slow
def test_a_reader_that_has_had_enough_is_no_error(environment: dict[str, str], model: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as output:
        done = run("generate", "--run-dir", model, "-n", "5000", "-o", "-", stdout=output, env=environment)
    errors = done.stderr
    assert done.returncode == 0, errors
    assert "BrokenPipe" not in errors
    assert "Traceback" not in errors


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")


@FULL
@pytest.mark.slow
@pytest.mark.parametrize("rows", [5, 5_000])
def test_rows_that_find_no_room_on_stdout_are_kept(
    environment: dict[str, str], process: Process, model: Path, rows: int
) -> None:
    with open("/dev/full", "wb") as full:
        failed = run("generate", "--run-dir", model, "-n", rows, "-o", "-", stdout=full, env=environment)
    assert failed.returncode == 2
    assert "Cannot write the rows to stdout: No space left on device" in failed.stderr
    assert "Traceback" not in failed.stderr
    done = process("generate", "--run-dir", model, "-n", rows, "-o", "-", "--resume")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == rows + 1


@FULL
@pytest.mark.slow
def test_a_log_that_finds_no_room_does_not_end_a_run(environment: dict[str, str], model: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = run("generate", "--run-dir", model, "-n", "20", "-o", "-", stderr=full, env=environment)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 21


@FULL
def test_help_that_finds_no_room_is_told(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "rowsmith.cli", "--help"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("Error: Cannot write stdout or a file: No space left on device.")


@pytest.mark.parametrize("tracebacks", [False, True])
def test_warnings_show_where_an_error_was_raised_only_when_asked(
    tracebacks: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    apply_settings(Settings(traceback=tracebacks))
    try:
        raise ValueError("a reason")
    except ValueError:
        logging.getLogger("rowsmith.test").warning("an observer failed", exc_info=True)
    told = capsys.readouterr().err
    apply_settings(Settings())
    assert told.startswith("WARNING: an observer failed")
    assert "ValueError: a reason" in told
    assert ("Traceback" in told) is tracebacks


TO_END = pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
)


def _interrupted(
    environment: dict[str, str], arguments: list[str], sign: str, number: signal.Signals = signal.SIGINT
) -> tuple[int, str]:
    """Start a process, send it a signal when it has told something, and return exit code and stderr."""
    reader, writer = os.pipe()
    with open(writer, "wb") as messages:
        running = Command(arguments, stderr=messages, env=environment)
    with open(reader, encoding="utf-8") as lines:
        told = ""
        while sign not in told:
            line = lines.readline()
            assert line, told
            told += line
        running.send_signal(number)
        told += lines.read()
        return running.wait(60), told


@TO_END
def test_a_generation_that_is_to_end_keeps_the_rows_so_far(
    environment: dict[str, str], model: Path, tmp_path: Path, number: signal.Signals, expected: int
) -> None:
    output = tmp_path / "out.csv"
    arguments = ["generate", "--run-dir", str(model), "-n", "50000000", "-o", str(output), "--verbose", "--force"]
    code, told = _interrupted(environment, arguments, "generating:", number)
    assert code == expected, told
    assert "Traceback" not in told
    assert "interrupted" in told
    rows = output.read_text().splitlines()
    assert rows[0] == "age,city"
    assert len(rows) > 1
    assert f"{len(rows) - 1:,} rows in" in told


def test_ctrl_c_twice_ends_at_once(environment: dict[str, str]) -> None:
    code = """
        import os, signal
        from rowsmith.cli.interrupts import interruptible

        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with interruptible():
                os.kill(os.getpid(), signal.SIGINT)
                print("not reached")
        except KeyboardInterrupt:
            print("ending", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            print("not reached")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (143, "ending\n")
    assert "Press Ctrl-C again" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_is_left_alone_where_it_is_ignored(environment: dict[str, str]) -> None:
    code = """
        import os, signal
        from rowsmith.cli.interrupts import interruptible

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with interruptible():
            os.kill(os.getpid(), signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with interruptible():
            pass
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, timeout=60, check=True)


@TO_END
def test_a_training_that_is_to_end_saves_its_state(
    environment: dict[str, str], table: Path, tmp_path: Path, number: signal.Signals, expected: int
) -> None:
    directory = tmp_path / "run"
    arguments = ["run", str(table), "--run-dir", str(directory), "--verbose", "--set", "model.options.dtype=float32"]
    code, told = _interrupted(environment, arguments, "training: step", number)
    assert code == expected, told
    assert "Interrupted: training was stopped after step" in told
    assert f"{directory} holds the state of the training; go on with --resume." in told
    assert "Traceback" not in told
    assert not (directory / "bundle" / "bundle.json").exists()
    assert len(list((directory / "checkpoints").iterdir())) == 1
