"""Engines that run vLLM itself."""

from __future__ import annotations

import importlib.util
import os
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from rowsmith.hookspecs import GROUP
from rowsmith.plugins import Registry

collect_ignore_glob = [] if importlib.util.find_spec("vllm") else ["test_*.py"]

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The bundled components, whatever else is installed."""
    points = [EntryPoint(name, value, GROUP) for name, value in PROJECT["entry-points"][GROUP].items()]
    return Registry(entry_points=points, environ={})


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """Fails the test when a process that it started is still there at its end."""
    before = children()
    yield
    assert children() <= before


def children() -> set[int]:
    """The processes that descend from this one."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(folder.name)] = int(fields[1])
    found, wave = set(), {os.getpid()}
    while wave:
        wave = {child for child, parent in parents.items() if parent in wave} - found
        found |= wave
    return found
