"""Whatever tables, paths, options, plugins and models are called, no text of theirs steers a terminal."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.cli.display.sanitizer import Filtered, filtered_streams, json_text
from rowsmith.cli.display.settings import Settings, apply_settings
from rowsmith.cli.root import cli

EVIL = "x\x1b]0;OWNED\x07\x1b[2J\x1b[31mRED\x9b31m\u202e\u2066\u200f\rEND"
YAML = "x\\e]0;OWNED\\a\\e[31m\\x9b31m\\u202eEND"

Invoke = Callable[..., Result]


def steering(text: str) -> list[str]:
    """The characters of a text that a terminal might obey."""
    return [
        each for each in text if each not in "\n\t" and unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    ]


def config(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text)
    return path


def bad_table(folder: Path, header: str, row: str) -> Path:
    path = folder / "bad.csv"
    path.write_text(f"{header},b\n{row},1\n{row},1,2\n", encoding="utf-8", newline="")
    return path


CALLS: dict[str, Callable[[Path], list[str | Path]]] = {
    "an option": lambda folder: ["run", f"--{EVIL}"],
    "a command": lambda folder: [EVIL],
    "a value of an option": lambda folder: ["run", "t.csv", "-n", EVIL],
    "a choice": lambda folder: ["demo", "--table", EVIL],
    "a table's path": lambda folder: ["run", folder / f"{EVIL}.csv"],
    "a table's suffix": lambda folder: ["run", folder / f"t.{EVIL}"],
    "a configuration's path": lambda folder: ["validate", folder / EVIL],
    "a run directory": lambda folder: ["generate", "--run-dir", folder / EVIL],
    "a setting": lambda folder: ["run", "t.csv", "--set", f"{EVIL}={EVIL}"],
    "a component's name": lambda folder: ["run", "t.csv", "--set", f"backend={EVIL}"],
    "a component to show": lambda folder: ["plugins", "show", EVIL],
    "a configuration's value": lambda folder: ["validate", config(folder, f'backend: "{YAML}"\n')],
    "a configuration's key": lambda folder: ["validate", config(folder, f'"{YAML}": 1\n')],
    "a column": lambda folder: ["init", bad_table(folder, EVIL.replace("\r", ""), "1")],
    "a column named twice": lambda folder: ["init", bad_table(folder, "a", "1").with_name("t.csv")],
    "an error shown with its place": lambda folder: ["run", folder / f"{EVIL}.csv", "--traceback"],
}


@pytest.mark.parametrize("name", CALLS)
def test_nothing_in_a_message_steers_the_terminal(name: str, invoke: Invoke, tmp_path: Path) -> None:
    twice = EVIL.replace("\r", "")
    (tmp_path / "t.csv").write_text(f"{twice},{twice}\n1,2\n", encoding="utf-8")
    done = invoke(*CALLS[name](tmp_path))
    assert done.exit_code in (2, 3), done.output
    assert done.stderr
    assert not steering(done.stderr)


def test_nothing_a_plugin_says_steers_the_terminal(invoke: Invoke, plugin: Any) -> None:
    plugin("noisy", f"raise RuntimeError({EVIL!r})")
    for call in (["plugins", "list"], ["run", "t.csv", "--set", "backend=noisy"], ["noisy"]):
        assert not steering(invoke(*call).stderr)


def test_nothing_that_libraries_log_or_print_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    import logging

    with filtered_streams():
        apply_settings(Settings(verbose=True))
        logging.getLogger("rowsmith").warning("said %s", EVIL)
        logging.getLogger("rowsmith").warning("failed", exc_info=ValueError(EVIL))
        print(EVIL, file=sys.stderr)
        sys.stderr.buffer.write(EVIL.encode())
        sys.stderr.buffer.flush()
    said = capsys.readouterr().err
    assert said.count("OWNED") == 4
    assert not steering(said)


def test_a_fault_with_escapes_in_its_message_is_shown_harmless(
    monkeypatch: pytest.MonkeyPatch, invoke: Invoke, tmp_path: Path
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError(EVIL)

    monkeypatch.setattr("rowsmith.cli.commands.validate.check", fail)
    done = invoke("validate", tmp_path / "x.yaml")
    assert done.exit_code == 4
    assert "OWNED" in done.stderr
    assert not steering(done.stderr)


@given(st.text())
def test_text_is_shown_whole_and_harmless(text: str) -> None:
    shown = io.StringIO()
    assert Filtered(shown).write(text) == len(text)
    assert not steering(shown.getvalue())
    if not steering(text) and text.replace("\n", "").replace("\t", "").isprintable():
        assert shown.getvalue() == text


@given(st.binary())
def test_bytes_do_not_go_round_the_filter(data: bytes) -> None:
    shown = io.StringIO()
    stream = Filtered(shown)
    stream.buffer.write(data)
    stream.buffer.flush()
    assert not steering(shown.getvalue())


@given(st.recursive(st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=5))
def test_json_is_harmless_and_says_the_same(value: Any) -> None:
    text = json_text(value)
    assert not steering(text)
    assert json.loads(text) == value


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
@pytest.mark.parametrize("terminal", [True, False])
def test_stdout_is_filtered_on_a_terminal_and_exact_in_a_pipe(environment: dict[str, str], terminal: bool) -> None:
    program = (
        "import sys\nfrom rowsmith.cli.display.sanitizer import filtered_streams\n"
        "from rowsmith.cli.display.streams import data_stream\n"
        "with filtered_streams(), data_stream() as out:\n    out.write('a,\\x1b[31m,\\u202e\\n'.encode())\n"
    )
    leader, follower = os.openpty() if terminal else os.pipe()
    subprocess.run([sys.executable, "-c", program], stdout=follower, env=environment, check=True, timeout=60)
    os.close(follower)
    said = os.read(leader, 1_000).decode()
    os.close(leader)
    assert said.replace("\r\n", "\n") == ("a,\\x1b[31m,\\u202e\n" if terminal else "a,\x1b[31m,\u202e\n")


def test_the_command_line_leaves_the_streams_as_they_were(invoke: Invoke) -> None:
    before = sys.stderr, sys.stdout
    invoke("--version")
    assert (sys.stderr, sys.stdout) == before
    assert cli.name == "rowsmith"
