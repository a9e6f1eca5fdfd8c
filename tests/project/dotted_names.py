"""Dotted names of the project's code wherever they are written: in imports, texts, programs in texts, and pages.

Sources are read and not run, so that a name can be checked where what its module needs is not installed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from attrs import frozen

_PROJECT = r"rowsmith(?:_assemblers|_backends|_plugins)?"
# What follows a name in bytes marks a file's format, and what follows a slash or a hyphen is part of another name.
_DOTTED = re.compile(rf"(?<![\w./-])(?<!b\")({_PROJECT}(?:\.\w+)+)(?::(\w+))?(?![\w/-])")
_TARGET = re.compile(r"(?<![\w./-])([a-z_]\w*(?:\.\w+)*):([A-Za-z_]\w*)(?!\w)")
_FROM = re.compile(r"(?<!\w)from\s+([\w.]+)\s+import\s+(\w+(?:\s*,\s*\w+)*)")
_IMPORT = re.compile(r"(?<!\w)import\s+([\w.]+(?:\s*,\s*[\w.]+)*)")
_ENTRY_POINTS = "rowsmith.plugins"
_FILES = (".md", ".yaml", ".toml")


RUN = "__main__"
"""Stands for a module as a program."""


@frozen
class Name:
    """A dotted name that a text holds.

    Attributes:
        module: The module, or a dotted name of which a part is one.
        attribute: A name in it; empty where only the module is named.
        where: File and line.
    """

    module: str
    attribute: str
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.module}{':' if self.attribute else ''}{self.attribute}"


class Sources:
    """Modules below some folders.

    Args:
        roots: Folders as on the import path.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._own = {
            path.stem for root in roots for path in root.iterdir() if path.suffix == ".py" or _is_package(path)
        }

    def owns(self, module: str) -> bool:
        """Whether the first part of a name is a module or package of these folders."""
        return module.partition(".")[0] in self._own

    def module(self, name: str) -> Path | None:
        """The file of a module, or the folder of a package without an ``__init__``; None where there is none."""
        for root in self._roots:
            base = root.joinpath(*name.split("."))
            for path in (base / "__init__.py", base.with_name(f"{base.name}.py"), base):
                if path.is_file() or (path == base and _is_package(base)):
                    return path
        return None

    def resolves(self, name: Name) -> bool:
        """Whether a name leads to a module, or to what one defines, imports or offers."""
        if name.attribute == RUN:
            path = self.module(name.module)
            package = path is not None and (path.is_dir() or path.name == "__init__.py")
            return self.module(f"{name.module}.{RUN}") is not None if package else path is not None
        parts = name.module.split(".")
        attributes = [name.attribute] if name.attribute else []
        for size in range(len(parts), 0, -1):
            module = ".".join(parts[:size])
            if self.module(module) is not None:
                return self._offers(module, [*parts[size:], *attributes], frozenset())
        return False

    def _offers(self, module: str, attributes: Sequence[str], seen: frozenset[tuple[str, str]]) -> bool:
        if not attributes:
            return True
        first, *rest = attributes
        if self.module(f"{module}.{first}") is not None:
            return self._offers(f"{module}.{first}", rest, seen)
        path = self.module(module)
        if path is None or path.is_dir() or (module, first) in seen:
            return False
        found = bindings(path)
        if first not in found:
            return False
        bound = found[first]
        if isinstance(bound, ast.ImportFrom):
            source = _absolute(bound, module, path)
            if self.owns(source):
                original = next(alias.name for alias in bound.names if (alias.asname or alias.name) == first)
                return self._offers(source, [original, *rest], seen | {(module, first)})
        if isinstance(bound, ast.ClassDef) and rest:
            return bool(bound.bases) or rest[0] in _bound(bound.body)
        return True


def _is_package(path: Path) -> bool:
    return path.is_dir() and path.name.isidentifier() and any(path.rglob("*.py"))


@cache
def bindings(path: Path) -> dict[str, ast.stmt]:
    """What a module binds at its top, also for type checkers alone, which is how lazy names are declared."""
    return _bound(_tree(path).body)


def _bound(body: Iterable[ast.stmt]) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= dict.fromkeys([(alias.asname or alias.name.partition(".")[0]) for alias in node.names], node)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
            found |= dict.fromkeys(names, node)
        else:
            for inner in ("body", "orelse", "handlers", "finalbody"):
                for each in getattr(node, inner, ()):
                    found |= _bound(each.body if isinstance(each, ast.ExceptHandler) else [each])
    return found


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_tree(path)))


def _absolute(node: ast.ImportFrom, module: str, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{node.module}" if node.module else package


def imports(path: Path, module: str, where: str) -> Iterator[Name]:
    """What the import statements of a file name, those in functions as well."""
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            yield from (Name(alias.name, "", f"{where}:{node.lineno}") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, module, path)
            yield from (Name(source, alias.name, f"{where}:{node.lineno}") for alias in node.names)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The text constants of a file and their lines; a bell character stands for what an f-string fills in."""
    joined = [node for node in _nodes(path) if isinstance(node, ast.JoinedStr)]
    inside = {id(part) for node in joined for part in node.values}
    for node in _nodes(path):
        if id(node) in inside:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "\a" for part in node.values)
            yield node.lineno, "".join(map(str, parts))


def programs(path: Path, where: str) -> Iterator[Name]:
    """What programs in texts import, such as those given to ``python -c``, and the modules given to ``python -m``."""
    for line, text in texts(path):
        for found in _FROM.finditer(text):
            for name in re.split(r"\s*,\s*", found[2]):
                yield Name(found[1], name, f"{where}:{line}")
        for found in _IMPORT.finditer(_FROM.sub("", text)):
            if not text[found.end() :].startswith(("\a", ".\a")):
                yield from (Name(name.strip("."), "", f"{where}:{line}") for name in re.split(r"\s*,\s*", found[1]))
    for node in _nodes(path):
        parts = node.elts if isinstance(node, ast.List | ast.Tuple) else getattr(node, "args", None)
        values = [getattr(part, "value", None) for part in parts] if isinstance(parts, list) else []
        for option, module in pairwise(values):
            if option == "-m" and isinstance(module, str):
                yield Name(module, RUN, f"{where}:{getattr(node, 'lineno', 0)}")


def dotted(text: str, where: str) -> Iterator[Name]:
    """Every name of the project's packages with a point in it, and ``module:name`` of any module."""
    for number, line in enumerate(text.splitlines(), start=1):
        for found in _DOTTED.finditer(line):
            if found[1] != _ENTRY_POINTS and not found[1].endswith(_FILES):
                yield Name(found[1], found[2] or "", f"{where}:{number}")
        for found in _TARGET.finditer(line):
            yield Name(found[1], found[2], f"{where}:{number}")
