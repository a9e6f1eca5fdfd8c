"""The checkout that is tested: its folders, its metadata, and distributions laid out as an installer does."""

from __future__ import annotations

import os
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / name for name in ("core", "assemblers", "backends", "plugins")]
PYTHONPATH = os.pathsep.join(map(str, SOURCES))
"""What another interpreter needs to find the packages."""
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GROUP = "rowsmith.plugins"
BUNDLED: dict[str, str] = PROJECT["entry-points"][GROUP]
"""The modules of the bundled plugins."""


def bundled_entry_points() -> list[EntryPoint]:
    """What the project declares, whatever is installed."""
    return [EntryPoint(name, value, GROUP) for name, value in BUNDLED.items()]


def write_metadata(folder: Path, name: str, version: str, plugins: dict[str, str]) -> None:
    """The metadata of an installed distribution that has plugins."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = "\n".join(f"{plugin} = {module}" for plugin, module in plugins.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")
