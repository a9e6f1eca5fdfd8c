"""A command line to call: in this process, or as a process of its own."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ...shared.checkout import SOURCES, write_metadata
from ...shared.warm_interpreter import run


@pytest.fixture
def invoke() -> Callable[..., Result]:
    """Calls the command line in this process."""
    from rowsmith.cli.root import cli

    def call(*args: str | Path) -> Result:
        return CliRunner().invoke(cli, [str(arg) for arg in args], terminal_width=80)

    return call


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a process that finds this checkout and its plugins."""
    paths = [*map(str, SOURCES)]
    # Only what was added here: the rest a new interpreter finds by itself.
    paths += [path for path in sys.path if "installed" in Path(path).name or "plugin-site" in path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def process(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Calls the command line as a process of its own."""
    return partial(run, cwd=tmp_path, env=environment)


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Installs a plugin for the time of a test."""
    before, modules = list(sys.path), set(sys.modules)

    def install(name: str, source: str, distribution: str | None = None) -> None:
        distribution = distribution or f"rowsmith-{name}"
        folder = tmp_path / "plugin-site" / distribution
        write_metadata(folder, distribution, "1.0", {name: f"{name}_module"})
        (folder / f"{name}_module.py").write_text(textwrap.dedent(source))
        sys.path.append(str(folder))

    yield install
    sys.path[:] = before
    for module in set(sys.modules) - modules:
        if str(tmp_path) in (getattr(sys.modules[module], "__file__", None) or ""):
            del sys.modules[module]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A small CSV file."""
    chance = random.Random(5)
    path = tmp_path / "people.csv"
    lines = ["age,income,married,city"]
    for _ in range(120):
        city = chance.choice(["Paris", "Rome", "Ulm", ""])
        lines.append(f"{chance.randint(18, 60)},{chance.gauss(30, 9):.2f},{chance.choice(['yes', 'no'])},{city}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def tiny() -> list[str]:
    """Options that train a model in no time."""
    import torch

    torch.set_num_threads(1)
    settings = [
        "training.max_steps=3",
        "model.options.width=32",
        "model.options.layers=1",
        "model.options.dtype=float32",
    ]
    return [part for setting in settings for part in ("--set", setting)]
