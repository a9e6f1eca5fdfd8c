"""One configuration, and the name of a backend: tables from transformers, vLLM and a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from rowsmith.cli.root import cli

from .serving import serve_vllm
from .tables import CONFIG, people

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a trained model and the configuration that it was trained with."""
    folder = tmp_path_factory.mktemp("one")
    people().to_csv(folder / "people.csv", index=False)
    (folder / "run.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    command("train", str(folder / "people.csv"), "-c", str(folder / "run.yaml"), "--run-dir", str(folder / "run"))
    return folder


@pytest.fixture(scope="module")
def url(run: Path) -> Iterator[str]:
    with serve_vllm(run / "run" / "bundle" / "model", folder=run) as serving:
        yield serving.url


def command(*words: str) -> None:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", ["transformers", "vllm", "remote"])
def test_the_backend_is_chosen_by_its_name(name: str, run: Path, request: pytest.FixtureRequest) -> None:
    options = ["--set", f"backend.options.url={request.getfixturevalue('url')}"] if name == "remote" else []
    output = run / f"{name}.csv"
    chosen = ["--set", f"backend={name}", *options]
    command("generate", "--run-dir", str(run / "run"), *chosen, "-n", "200", "-o", str(output))
    table, real = pd.read_csv(output), people()
    assert list(table.columns) == list(real.columns)
    assert len(table) == 200
    assert table["age"].between(real["age"].min(), real["age"].max()).all()
    assert set(table["grown"]) <= {"yes", "no"}
    assert len(table.drop_duplicates()) > 20
