"""The bounds of pyproject.toml are those that the session "lowest" tests, and each package declared is used."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from rowsmith_plugins.demonstration.tables import DEMO_TABLES

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = ["core", "assemblers", "backends", "plugins"]
MODULES = {"huggingface-hub": "huggingface_hub", "pyyaml": "yaml", "scikit-learn": "sklearn"}
"""The modules of packages that are imported by another name."""


def requirements(lines: Iterable[str]) -> list[Requirement]:
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def declared() -> dict[str, list[Requirement]]:
    """What each part of the project asks for; vLLM, which wants versions of its own, has a session of its own."""
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name != "vllm"}
    tested = {name: groups[name] for name in ("test", "bench")}
    parts = {"build": PROJECT["build-system"]["requires"], "base": project["dependencies"], **extras, **tested}
    return {name: requirements(lines) for name, lines in parts.items()}


def pins(name: str) -> dict[str, Version]:
    """The versions that a file of constraints asks for."""
    found = {}
    for requirement in requirements((ROOT / name).read_text(encoding="utf-8").splitlines()):
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        found[canonicalize_name(requirement.name)] = Version(specifier.version)
    return found


def floors(requirements: Iterable[Requirement]) -> Mapping[str, Version]:
    found: dict[str, Version] = {}
    for requirement in requirements:
        (floor,) = [Version(part.version) for part in requirement.specifier if part.operator == ">="]
        name = canonicalize_name(requirement.name)
        assert found.setdefault(name, floor) == floor, f"two bounds of {name}"
    return found


def imported() -> set[str]:
    """The packages that the product imports anywhere, and those whose tables it reads."""
    found = {table.package for table in DEMO_TABLES.values()}
    for path in [path for source in SOURCES for path in (ROOT / source).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module))
    tops = {name.partition(".")[0] for name in found} - {"__future__"}
    return {name for name in tops - set(sys.stdlib_module_names) if not name.startswith("rowsmith")}


def test_the_lowest_versions_that_are_tested_are_those_declared() -> None:
    lowest = floors(requirement for part in declared().values() for requirement in part)
    tested = pins("requirements/lowest.txt")
    # Of torch only the build of constraints.txt can be had everywhere.
    torch = tested.pop("torch")
    assert torch == pins("constraints.txt")["torch"] >= lowest["torch"]
    assert tested == {name: floor for name, floor in lowest.items() if name != "torch"}


def test_the_product_imports_what_it_declares_and_nothing_else() -> None:
    parts = ("base", *PROJECT["project"]["optional-dependencies"])
    names = {canonicalize_name(requirement.name) for part in parts for requirement in declared().get(part, [])}
    assert imported() - {"vllm"} == {MODULES.get(name, name) for name in names}


def test_the_lowest_python_is_the_one_that_the_session_runs() -> None:
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    assert '@nox.session(python="3.11")\ndef lowest' in (ROOT / "noxfile.py").read_text(encoding="utf-8")
