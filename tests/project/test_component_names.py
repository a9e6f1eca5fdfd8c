"""The core names bundled components in one module: what ``auto`` stands for."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

from rowsmith.components import Kind
from rowsmith.hookspecs import GROUP
from rowsmith.plugins import Registry

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "rowsmith"
DEFAULTS = "config/defaults.py"

OTHER_MEANINGS = {
    "copies": ["evaluation/verdict.py"],  # the label of a line
    "distance": ["cli/display/summary_table.py", "runs/result_files.py"],  # a figure of each column
    "keys": ["cli/commands/evaluate.py"],  # columns that identify rows
    "changes": ["transforms/fitted_transforms.py"],  # a key of its state
    "constant": ["config/sections.py", "table/"],  # a type and role of columns
    "datetime": ["config/sections.py", "table/"],  # the same
    "grouped": ["generation/"],  # an attribute of processors
    "groups": ["assembly/", "cli/", "generation/", "runs/arguments.py"],  # how many, or of which a row is
    "relations": ["config/cross_checks.py", "runs/result_files.py"],  # a setting, and what is retained
    "quality": ["evaluation/"],  # the score of a table
    "texts": ["generation/"],  # of completions
    "transformers": ["runs/plan/"],  # the library
}
"""Words that are the name of a component and something else, and where they are that."""


def bundled() -> set[str]:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"][GROUP]
    points = [EntryPoint(name, value, GROUP) for name, value in declared.items()]
    registry = Registry(entry_points=points, environ={})
    return {name for kind in Kind for name in registry.components(kind)}


def is_other(place: str, name: str) -> bool:
    """Whether a word means something else in a module; the page of a report explains measures by their names."""
    return place.startswith(("evaluation/page/", *OTHER_MEANINGS.get(name, [])))


def named(source: str, names: set[str]) -> Iterator[tuple[int, str]]:
    """Line and name, where a string of a program is a component's name, or quotes one; docstrings aside."""
    tree = ast.parse(source)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            quoted = re.findall(r"'(?:\w+:)?([a-z-]+)'|`(?:\w+:)?([a-z-]+)`|=([a-z-]+)\b", node.value)
            words = {node.value.rpartition(":")[2], *(word for words in quoted for word in words)}
            yield from ((node.lineno, name) for name in sorted(words & names))


def test_no_component_is_named_outside_the_defaults() -> None:
    names, found = bundled(), []
    for path in sorted(CORE.rglob("*.py")):
        place = path.relative_to(CORE).as_posix()
        if place == DEFAULTS:
            continue
        for line, name in named(path.read_text(encoding="utf-8"), names):
            if not is_other(place, name):
                found.append(f"{place}:{line} names {name!r}")
    assert found == []


def test_names_are_found_wherever_they_stand() -> None:
    source = "\n".join(
        [
            '"""Not in a docstring: \'keys\'."""',
            'if name in ("keys", "standard:groups"):',
            "    raise ValueError(f\"needs the transform 'quantize', or `codes` @ {path}\")",
            '    raise ValueError("say --set backend=vllm")',
            '    raise ValueError("the keys of groups")',
        ]
    )
    names = {"keys", "groups", "quantize", "codes", "vllm"}
    assert sorted(named(source, names)) == [(2, "groups"), (2, "keys"), (3, "codes"), (3, "quantize"), (4, "vllm")]


def test_every_component_that_the_defaults_name_is_bundled() -> None:
    names = bundled()
    words = {name for _, name in named((CORE / DEFAULTS).read_text(encoding="utf-8"), names)}
    assert {"scratch", "transformers", "patience", "timeseries", "grouped", "tabular", "sequential", "keys"} <= words
