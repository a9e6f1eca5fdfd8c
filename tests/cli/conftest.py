"""A command line to call: in this process, or as a process of its own."""

from __future__ import annotations

import importlib.metadata
import os
import random
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

ROOT = Path(__file__).parents[2]
GROUP = "rowsmith.plugins"
SOURCE_ROOTS = ("core", "assemblers", "backends", "plugins")


def write_distribution(folder: Path, name: str, version: str, plugins: dict[str, str]) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = "\n".join(f"{plugin} = {module}" for plugin, module in plugins.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")


@pytest.fixture(scope="session", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The bundled plugins can be found, also in a checkout that is not installed."""
    if importlib.metadata.entry_points(group=GROUP):
        yield
        return
    folder = tmp_path_factory.mktemp("installed")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    write_distribution(folder, "rowsmith", "0", project["entry-points"][GROUP])
    sys.path.append(str(folder))
    yield
    sys.path.remove(str(folder))


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
    paths = [str(ROOT / root) for root in SOURCE_ROOTS]
    # Only what was added here: the rest a new interpreter finds by itself.
    paths += [path for path in sys.path if "installed" in Path(path).name or "plugin-site" in path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def process(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Calls the command line as a process of its own."""

    def call(*args: str | Path, **extra: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "rowsmith.cli", *map(str, args)]
        return subprocess.run(
            command, capture_output=True, env={**environment, **extra}, cwd=tmp_path, timeout=120, check=False
        )

    return call


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Installs a plugin for the time of a test."""
    before, modules = list(sys.path), set(sys.modules)

    def install(name: str, source: str, distribution: str | None = None) -> None:
        distribution = distribution or f"rowsmith-{name}"
        folder = tmp_path / "plugin-site" / distribution
        write_distribution(folder, distribution, "1.0", {name: f"{name}_module"})
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
