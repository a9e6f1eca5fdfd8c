"""Every module and name that is written somewhere is there: in imports that only slow tests run, in manifests, in
programs that other processes are given, in configurations of tools, in examples and on pages."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .dotted_names import Name, Sources, bindings, dotted, imports, programs

ROOT = Path(__file__).parents[2]
PRODUCT = [ROOT / name for name in ("core", "assemblers", "backends", "plugins")]
EXAMPLES = [ROOT / "docs/examples/hooks", ROOT / "docs/examples/rowsmith-echo/src"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MANIFESTS = PROJECT["entry-points"]["rowsmith.plugins"]
HELPERS = ("tests", "benchmarks")
PAGES = [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "pyproject.toml", "noxfile.py", "mkdocs.yml", ".ci/run")
]
SKIPPED = {".venv", ".nox", "build", "dist", "site", "shared", "__pycache__"}


def modules(roots: Iterable[Path], base: Path | None = None) -> Iterator[tuple[Path, str]]:
    """The Python files below folders, and the names of their modules."""
    for root in roots:
        for path in sorted(root.rglob("*.py")):
            if SKIPPED.isdisjoint(path.parts):
                parts = path.relative_to(base or root).with_suffix("").parts
                yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


OWN = [*modules(PRODUCT), *modules(EXAMPLES)]
ALL = [*OWN, *modules([ROOT / name for name in HELPERS], ROOT)]
SOURCES = Sources([*PRODUCT, *EXAMPLES, ROOT])


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def missing(names: Iterable[Name]) -> list[str]:
    return sorted({str(name) for name in names if SOURCES.owns(name.module) and not SOURCES.resolves(name)})


def test_every_import_of_our_modules_finds_what_it_names() -> None:
    """Those in tests that are rarely run, and in functions, as well."""
    assert missing(name for path, module in ALL for name in imports(path, module, where(path))) == []


def test_programs_in_texts_import_what_is_there() -> None:
    """What ``python -c`` and ``python -m`` are given is seen by no checker of imports."""
    found = [name for path, _ in ALL for name in programs(path, where(path))]
    assert {"rowsmith.cli:__main__", "benchmarks:__main__"} <= {f"{name.module}:{name.attribute}" for name in found}
    assert any(name.where.startswith("backends/") for name in found), "vLLM's process is started with a program"
    assert missing(found) == []


def test_names_in_texts_comments_and_docstrings_are_there() -> None:
    """Targets of manifests and commands, the logits processor that vLLM imports, loggers, and what comments say."""
    paths = [path for path, _ in [*OWN, *modules([ROOT / "benchmarks"], ROOT)]]
    found = [name for path in paths for name in dotted(path.read_text(encoding="utf-8"), where(path))]
    assert any(name.attribute for name in found if name.where.startswith("backends/")), "vLLM is told its processor"
    assert missing(found) == []


def test_names_on_pages_and_in_configurations_of_tools_are_there() -> None:
    paths = [*PAGES, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "docs").rglob("*.toml"))]
    found = [name for path in paths for name in dotted(path.read_text(encoding="utf-8"), where(path))]
    assert len(found) > 100
    assert missing(found) == []


def test_paths_in_configurations_of_tools_lead_somewhere() -> None:
    """A pattern that matches nothing is an exception that is made for nothing, and nobody is told."""
    path = re.compile(
        r"(?<![\w./-])/?((?:core|assemblers|backends|plugins|tests|benchmarks|docs|requirements)/[\w./*-]+)"
    )
    lost = [
        f"{where(page)}: {found}"
        for page in PAGES
        if page.name != "mkdocs.yml"  # its paths begin in docs/, and mkdocs tells of each that is not there
        for found in path.findall(page.read_text(encoding="utf-8"))
        if not any(ROOT.glob(found.rstrip("./")))
    ]
    assert lost == []


# Manifests: imported, as the registry imports them


def loaded(target: str) -> Any:
    """What a target names; the test is skipped where an optional package is not installed."""
    module, _, name = target.partition(":")
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if SOURCES.owns(error.name or ""):
            raise
        pytest.skip(f"{module} needs {error.name}")
    return getattr(imported, name) if name else imported


def hooks(manifest: ModuleType) -> Iterator[Any]:
    """What the functions of a manifest describe."""
    for name, function in inspect.getmembers(manifest, inspect.isfunction):
        if name.startswith("rowsmith_"):
            yield from function()


PARTS = [(plugin, part) for plugin, module in MANIFESTS.items() for part in hooks(importlib.import_module(module))]
TARGETS = sorted(
    {
        (field, target)
        for _, part in PARTS
        for field in ("factory", "options", "target")
        if (target := getattr(part, field, None)) is not None
    }
)


def test_every_plugin_describes_something() -> None:
    assert {plugin for plugin, _ in PARTS} == set(MANIFESTS)
    assert len(TARGETS) > len(PARTS)


@pytest.mark.parametrize(("field", "target"), TARGETS, ids=lambda value: value)
def test_every_target_of_a_manifest_can_be_imported(field: str, target: str) -> None:
    module, _, name = target.partition(":")
    assert SOURCES.resolves(Name(module, name, "manifest"))
    found = loaded(target)
    assert callable(found)
    assert isinstance(found, type) == (field == "options")


@pytest.mark.parametrize("target", [*PROJECT["scripts"].values(), *MANIFESTS.values()])
def test_every_entry_point_can_be_imported(target: str) -> None:
    assert loaded(target) is not None


# Lazy packages

LAZY = [
    (path, module)
    for path, module in modules(PRODUCT)
    if path.name == "__init__.py" and "__getattr__" in bindings(path)
]


@pytest.mark.parametrize(("path", "module"), LAZY, ids=[module for _, module in LAZY])
def test_a_lazy_package_gives_each_name_as_type_checkers_see_it(path: Path, module: str) -> None:
    package = loaded(module)
    declared = {
        alias.asname or alias.name: (node.module, alias.name)
        for block in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared
    assert set(declared) <= set(package.__all__)
    assert all(SOURCES.resolves(Name(module, name, "")) for name in package.__all__)
    for name, (home, original) in declared.items():
        there = getattr(loaded(str(home)), original)
        assert getattr(package, name) is there, name
    with pytest.raises(AttributeError, match="nothing"):
        _ = package.nothing


# The checks themselves


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    package = tmp_path / "made"
    package.mkdir()
    (package / "__init__.py").write_text("if True:\n    from made.inner import thing as other\n")
    (package / "inner.py").write_text("from . import second\nthing: int = 1\nclass C:\n    x = 1\n")
    (package / "second.py").write_text("")
    sources = Sources([tmp_path])
    there = [("made", "other"), ("made.inner", "second"), ("made.inner.C.x", ""), ("made.inner", ""), ("made", "inner")]
    assert all(sources.resolves(Name(module, name, "")) for module, name in there)
    lost = [
        ("made", "thing"),
        ("made.third", ""),
        ("made.inner.C.y", ""),
        ("made.inner", "D"),
        ("made.inner.thong", ""),
    ]
    assert not any(sources.resolves(Name(module, name, "")) for module, name in lost)


def test_names_are_found_where_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    path.write_text(
        "code = 'import sys; from made.inner import a, b; import made.second'\n"
        "more = f'import made.{code}; from made import {more}'\n"
        "call = [run, '-m', 'made.cli', f'{code}']\n"
    )
    assert [f"{name.module}:{name.attribute}" for name in programs(path, "some.py")] == [
        "made.inner:a",
        "made.inner:b",
        "sys:",
        "made.second:",
        "made.cli:__main__",
    ]
    text = 'see `rowsmith.a.B`, "rowsmith_x.y", b"rowsmith.format", rowsmith.plugins and "made.inner:build".'
    assert [str(name) for name in dotted(text, "page")] == ["page:1: rowsmith.a.B", "page:1: made.inner:build"]
