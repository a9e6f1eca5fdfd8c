"""A small model of a table, for engines that run vLLM itself and for servers."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from rowsmith.model import Bundle
from rowsmith.plugins import Registry

from .tables import people, scratch

NEEDS_NO_VLLM = {"test_vllm_backend.py"}
if importlib.util.find_spec("vllm") is None:
    collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name not in NEEDS_NO_VLLM]


@pytest.fixture(scope="session")
def bundle(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model made from a table; not to be changed."""
    return scratch(people(), tmp_path_factory.mktemp("scratch") / "run", registry)


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
