"""Distributions made for a test: real metadata on disk, and the modules that it names."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest

from ...shared.checkout import write_metadata


class Site:
    """A directory of installed distributions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folders: list[Path] = []

    def install(self, name: str, version: str, plugins: dict[str, str], modules: dict[str, str] | None = None) -> None:
        # A folder each, as only one distribution per folder may own a module of a name.
        folder = self.path / name
        write_metadata(folder, name, version, plugins)
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
