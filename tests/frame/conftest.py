"""Distributions made for a test: real metadata on disk, and the modules that it names."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest

from rowsmith.hookspecs import GROUP

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = ("core", "assemblers", "backends", "plugins")


class Site:
    """A directory of installed distributions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folders: list[Path] = []

    def install(self, name: str, version: str, plugins: dict[str, str], modules: dict[str, str] | None = None) -> None:
        # A folder each, as only one distribution per folder may own a module of a name.
        folder = self.path / name
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = "\n".join(f"{plugin} = {module}" for plugin, module in plugins.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")
        for module, source in (modules or {}).items():
            (folder / f"{module}.py").write_text(textwrap.dedent(source))
        self.folders.append(folder)
        sys.path.insert(0, str(folder))

    @property
    def entry_points(self) -> list[EntryPoint]:
        folders = [str(folder) for folder in self.folders]
        return [point for found in distributions(path=folders) for point in found.entry_points]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    paths, modules = list(sys.path), set(sys.modules)
    yield Site(tmp_path / "site")
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        module_file = getattr(sys.modules[name], "__file__", None) or ""
        if module_file.startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def python() -> Callable[[str], str]:
    """Runs code in a fresh interpreter and returns what it printed."""

    def run(code: str) -> str:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / root) for root in SOURCE_ROOTS)}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
