"""validate and init."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

FAULTY = """\
data: {source: no-such-file.csv}
training: {max_tme: 60}
backend: transfomers
model: {name: scratch, options: {widht: 64}}
stopping: {name: any-of, options: {policies: [patienc, {name: time-limit, options: {seconds: -1}}]}}
transforms: [keys, {name: quantize, options: {bins: 0}}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "run.yaml"
        path.write_text(text)
        return path

    return write


def test_all_problems_at_once(config: Callable[[str], Path], invoke: Callable[..., Result]) -> None:
    path = config(FAULTY)
    result = invoke("validate", path, "--json")
    assert result.exit_code == 2
    found = json.loads(result.stdout)
    assert found["valid"] is False
    text = "\n".join(problem["message"] for problem in found["problems"])
    for word in (
        "no-such-file.csv",
        "max_time",
        "'transformers'",
        "'width'",
        "'patience'",
        "policies[1].options.seconds",
        "transforms[1]",
    ):
        assert word in text
    plain = invoke("validate", path)
    assert (plain.exit_code, plain.stdout) == (2, "")
    assert "7 problems" in plain.stderr


def test_a_missing_component_alone_is_a_plugin_error(
    config: Callable[[str], Path], invoke: Callable[..., Result]
) -> None:
    result = invoke("validate", config("backend: nope\n"))
    assert result.exit_code == 3
    assert "Unknown backend 'nope'" in result.stderr
    assert invoke("validate", config("backend: nope\n"), "--json").exit_code == 3


@pytest.mark.parametrize("text", ["a: [", "- 1\n", "seed: 1\nseed: 2\n", "model: {name: x, factory: 'a:b'}\n"])
def test_what_is_no_configuration(text: str, config: Callable[[str], Path], invoke: Callable[..., Result]) -> None:
    result = invoke("validate", config(text))
    assert result.exit_code == 2
    assert "Error" in result.stderr
    assert "Traceback" not in result.stderr


def test_settings_on_the_command_line_count(config: Callable[[str], Path], invoke: Callable[..., Result]) -> None:
    path = config("seed: 1\n")
    assert invoke("validate", path).exit_code == 0
    assert invoke("validate", path, "--set", "generation.top_p=2").exit_code == 2


def test_there_is_no_file(invoke: Callable[..., Result], tmp_path: Path) -> None:
    assert invoke("validate", tmp_path / "none.yaml").exit_code == 2


def test_init_writes_what_validates(table: Path, invoke: Callable[..., Result], tmp_path: Path) -> None:
    from rowsmith.config import RunConfig, load_config

    path = tmp_path / "new.yaml"
    written = invoke("init", table, "-o", path)
    assert (written.exit_code, written.stdout) == (0, "")
    assert invoke("validate", path).exit_code == 0
    loaded = load_config(path)
    assert loaded.data.source == str(table)
    assert loaded.training == RunConfig().training
    text = path.read_text()
    assert "income   decimal" in text
    assert "missing" in text
    assert invoke("init", table, "-o", path).exit_code == 2
    assert invoke("init", table, "-o", path, "--force").exit_code == 0
    assert invoke("init", table, "-o", "-").stdout == text


@pytest.mark.parametrize(
    ("header", "group", "order"),
    [("customer_id,day", "customer_id", "day"), ("userID,day", "userID", "day"), ("paid,city", None, None)],
)
def test_init_tells_what_may_group_and_order_the_rows(
    header: str, group: str | None, order: str | None, invoke: Callable[..., Result], tmp_path: Path
) -> None:
    table = tmp_path / "purchases.csv"
    rows = [f"{row // 4},{'2024-01-' if order else 'town '}{row % 28 + 1:02d},{row % 3}.5" for row in range(80)]
    table.write_text("\n".join([header + ",amount", *rows]) + "\n")
    text = invoke("init", table, "-o", "-").stdout
    assert (f"; perhaps {group}\n" in text) == (group is not None)
    assert (f"; perhaps {order}\n" in text) == (order is not None)
    assert ("perhaps" in text) == (group is not None)


def test_init_of_awkward_names(invoke: Callable[..., Result], tmp_path: Path) -> None:
    table = tmp_path / "a: b #c.csv"
    table.write_text('"x\n# y: [",{z}\n1,2\n3,4\n')
    path = tmp_path / "new.yaml"
    assert invoke("init", table, "-o", path).exit_code == 0
    assert invoke("validate", path).exit_code == 0


def test_init_of_no_table(invoke: Callable[..., Result], tmp_path: Path) -> None:
    result = invoke("init", tmp_path / "none.csv")
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
