"""Names, paths, permissions, secrets, formulas, and calls that are not to be made."""

from __future__ import annotations

import ast
import csv
import io
import json
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings

from rowsmith.components import Kind
from rowsmith.errors import DataError, PluginError, RowsmithError, RunDirectoryError
from rowsmith.plugins import Registry
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table import from_frame, read_table, write_table

from ..shared.table_strategies import unicode_text
from .conftest import TINY

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX paths")
SOURCES = ("core", "assemblers", "backends", "plugins")

BANNED = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads"),
    *("marshal.load", "marshal.loads", "shelve.open", "yaml.load", "yaml.unsafe_load", "yaml.full_load"),
    *("torch.load", "tempfile.mktemp", "tarfile.open", "joblib.load", "pd.read_pickle", "pandas.read_pickle"),
    *("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_output", "jinja2.Template"),
}
BANNED_METHODS = {"query", "to_pickle", "read_pickle", "extractall", "apply_chat_template"}
# This interpreter, with a program of ours and no shell: vLLM runs in a process of its own.
ALLOWED = {("backends/rowsmith_backends/vllm/process.py", "subprocess.Popen")}


def calls(root: Path) -> Iterator[tuple[Path, ast.Call, str]]:
    for source in SOURCES:
        for path in sorted((root / source).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield path, node, ast.unparse(node.func)


def test_calls_that_run_data_are_not_made(root: Path) -> None:
    found = []
    for path, node, name in calls(root):
        words = {word.arg: ast.unparse(word.value) for word in node.keywords}
        method = isinstance(node.func, ast.Attribute) and node.func.attr in BANNED_METHODS
        loads = name.endswith("from_pretrained") and words.get("trust_remote_code") != "False"
        risky = words.get("shell") == "True" or words.get("allow_pickle") == "True"
        where = path.relative_to(root).as_posix()
        if (where, name) in ALLOWED and not risky:
            continue
        if name in BANNED or method or loads or risky or (name == "np.load" and words.get("allow_pickle") != "False"):
            found.append(f"{where}:{node.lineno} {name}")
    assert found == []


NAMES = [
    "../../x",
    "/etc/x",
    "a/../../x",
    "..",
    ".",
    "",
    "x" * 300,
    "a\0b",
    "a\nb",
    "\u2024\u2024/x",
    "\uff0e\uff0e",
    "~/x",
    "a\\..\\b",
]


@posix
@pytest.mark.parametrize("name", NAMES)
def test_file_names_of_a_run_never_lead_out(tmp_path: Path, name: str) -> None:
    directory = RunDirectory(tmp_path / "root" / "run").create()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RunDirectoryError, match="not a safe file name"):
        directory.write_text(name, "x")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "", "x" * 300, "a\0b", "os:system", "__class__", "..", "\ud800"]
)
def test_component_names_are_only_looked_up(name: str) -> None:
    with pytest.raises(PluginError):
        Registry().resolve(Kind.MODEL, name)


@posix
def test_a_run_directory_behind_a_link_keeps_to_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    directory = RunDirectory(tmp_path / "link" / "run")
    directory.write_text("x", "y")
    assert (tmp_path / "real" / "run" / "x").read_text() == "y"
    (directory.root / "out").symlink_to(tmp_path)
    with pytest.raises(RunDirectoryError, match="leads out"):
        directory.write_text("out/x", "y")


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "\x1b[2J", "x" * 300, " "])
def test_run_directories_of_no_sane_name_are_refused(tmp_path: Path, name: str) -> None:
    from rowsmith.cli.root import cli

    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    result = CliRunner().invoke(cli, ["run", str(tmp_path / "x.csv"), "--run-dir", name])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


FORMULAS = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    '"=1',
    "'=1",
    "\uff1d1",
    "-x",
]


@pytest.mark.parametrize("format_", ["csv", "tsv"])
def test_formulas_become_text_where_asked(format_: str) -> None:
    frame = pd.DataFrame({"=name": [*FORMULAS, "plain", "-5", "+5", "1e5", ""], "number": range(-8, 9)})
    table = from_frame(frame)
    faithful, safe = io.BytesIO(), io.BytesIO()
    write_table(table.columns, table.schema, faithful, format_)
    write_table(table.columns, table.schema, safe, format_, csv_safe=True)
    delimiter = "," if format_ == "csv" else "\t"
    header, *rows = csv.reader(io.StringIO(safe.getvalue().decode(), newline=""), delimiter=delimiter)
    assert header == ["'=name", "number"]
    assert [row[0] for row in rows] == [*(f"'{text}" for text in FORMULAS), "plain", "-5", "+5", "1e5", ""]
    assert [row[1] for row in rows] == [str(number) for number in range(-8, 9)]
    _, *rows = csv.reader(io.StringIO(faithful.getvalue().decode(), newline=""), delimiter=delimiter)
    assert [row[0] for row in rows] == frame["=name"].tolist()


@given(unicode_text)
@example("\u2028=1")
@example("\x0b=1")
@settings(max_examples=max(200, settings().max_examples))
def test_no_safe_cell_begins_a_formula(text: str) -> None:
    table = from_frame(pd.DataFrame({"x": [text, "other"], "y": [-1, 2]}))
    out = io.BytesIO()
    write_table(table.columns, table.schema, out, "csv", csv_safe=True)
    cell = list(csv.reader(io.StringIO(out.getvalue().decode(), newline="")))[1][0]
    assert cell in (text, f"'{text}")
    if cell == text and text.strip(" \t\r\n\"'")[:1] in ("=", "@"):
        pytest.fail(f"{text!r} would be a formula")


def bomb(path: Path, megabytes: int) -> None:
    import gzip

    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,b\n")
        for _ in range(megabytes):
            file.write(b"1,2\n" * (1 << 18))


def test_a_compressed_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    from rowsmith.table.limits import Limits

    bomb(tmp_path / "x.csv.gz", 64)
    assert (tmp_path / "x.csv.gz").stat().st_size < 1 << 20
    with pytest.raises(DataError, match=r"x.csv.gz.* more than the limit of 16,777,216 bytes"):
        read_table(tmp_path / "x.csv.gz", limits=Limits(size=1 << 24))


def test_twenty_thousand_columns_are_refused(tmp_path: Path) -> None:
    names = [f"c{place}" for place in range(20_000)]
    (tmp_path / "x.csv").write_text(",".join(names) + "\n" + ",".join("1" * 20_000) + "\n")
    frame = pd.DataFrame(np.ones((2, 20_000), dtype="int8"), columns=names)
    (tmp_path / "x.jsonl").write_text(json.dumps(dict.fromkeys(names, 1)) + "\n")
    for suffix in ("csv", "jsonl"):
        with pytest.raises(DataError, match="20,000 columns, more than the limit of 10,000"):
            read_table(tmp_path / f"x.{suffix}")
    with pytest.raises(DataError, match="20,000 columns, more than the limit of 10,000"):
        from_frame(frame)


SECRET, CELL = "hf_CANARYtokenCANARYtokenCANARY", "canary-cell-4711"


@posix
@pytest.mark.slow
def test_secrets_and_rare_cells_stay_out_of_what_a_run_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("torch")
    from rowsmith.cli.root import cli

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    lines = [f"{row % 3},{'xyz'[row % 3]},{row % 7}" for row in range(60)]
    (tmp_path / "x.csv").write_text("\n".join(["a,b,c", *lines, f"1,{CELL},2"]) + "\n")
    options = [f"--set=model.options.{key}={value}" for key, value in TINY["model"]["options"].items()]
    run = ["run", str(tmp_path / "x.csv"), "--run-dir", str(tmp_path / "run"), "-n", "20", "-v", "--rejected-text"]
    caplog.set_level(logging.INFO)
    umask = os.umask(0)
    try:
        result = CliRunner().invoke(cli, [*run, "--set=training.max_steps=2", "--set=data.holdout=0", *options])
    finally:
        os.umask(umask)
    assert result.exit_code == 0, result.output
    told = result.output + caplog.text
    for path in (tmp_path / "run").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        told += "" if path.is_dir() else path.read_bytes().decode("utf-8", "replace")
    assert SECRET not in told
    assert CELL not in told
    # PyTorch keeps compiled code there, which knows nothing of the table.
    assert [path.name for path in scratch.iterdir() if not path.name.startswith("torchinductor_")] == []


def test_errors_about_cells_quote_little(tmp_path: Path) -> None:
    text = "x" * 100_000
    (tmp_path / "x.csv").write_text(f"a,b\n{text},1\n2,3\n")
    with pytest.raises(RowsmithError) as caught:
        read_table(tmp_path / "x.csv", types={"a": "integer"})
    assert len(str(caught.value)) < 500
