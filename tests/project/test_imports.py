"""What start-up may cost. Who may import whom is held by the contracts of import-linter in pyproject.toml."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = {
    "rowsmith": ROOT / "core" / "rowsmith",
    "rowsmith_assemblers": ROOT / "assemblers" / "rowsmith_assemblers",
    "rowsmith_backends": ROOT / "backends" / "rowsmith_backends",
    "rowsmith_plugins": ROOT / "plugins" / "rowsmith_plugins",
}
HEAVY = {"torch", "transformers", "datasets", "tokenizers", "peft", "accelerate", "vllm", "sklearn"}
DATA = {"pandas", "numpy", "pyarrow", "scipy"}


def sources(package):
    return sorted(ROOTS[package].rglob("*.py"))


def names(node):
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and not node.level:
        return {node.module}
    return set()


def all_imports(path):
    return {name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) for name in names(node)}


def is_for_type_checking(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def eager_imports(path):
    """What importing a module imports: not what stands in functions or under TYPE_CHECKING."""
    found, waiting = set(), [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            found |= names(node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or is_for_type_checking(node):
                continue
            waiting.append(node)
    return found


def tops(imports):
    return {name.partition(".")[0] for name in imports}


def offenders(paths, imports_of, banned):
    found = {str(path.relative_to(ROOT)): tops(imports_of(path)) & set(banned) for path in paths}
    return {path: bad for path, bad in found.items() if bad}


def test_the_core_imports_heavy_packages_only_when_it_uses_them():
    assert offenders(sources("rowsmith"), eager_imports, HEAVY) == {}
    assert offenders(sources("rowsmith_plugins"), eager_imports, HEAVY) == {}


def test_manifests_are_short_and_import_only_what_describes_components():
    manifests = [path for path in ROOTS["rowsmith_plugins"].glob("*.py") if path.name != "__init__.py"]
    assert manifests
    for path in manifests:
        ours = {name for name in all_imports(path) if name.startswith("rowsmith")}
        assert ours <= {"rowsmith", "rowsmith.components", "rowsmith.hookspecs"}, path
        others = tops(all_imports(path)) - {"rowsmith", "__future__"}
        assert others <= set(sys.stdlib_module_names), path
        assert len(path.read_text().splitlines()) <= 100, path


LIGHT = ["rowsmith", "rowsmith.plugins.registry", "rowsmith.config.run_config", "rowsmith.hookspecs", "rowsmith.cli"]
PACKAGES = ["rowsmith_assemblers", "rowsmith_backends", "rowsmith_plugins", "rowsmith.generation"]


@pytest.mark.parametrize("module", [*LIGHT, *PACKAGES])
def test_importing_it_is_light(python, module):
    loaded = python(f"import sys, {module}; print(sorted(set(sys.modules) & {HEAVY | DATA}))")
    assert loaded == "[]\n"


def test_listing_and_checking_are_light(python):
    code = f"""
        import sys
        from rowsmith.components import Kind
        from rowsmith.config import load_config
        from rowsmith.plugins import Registry
        registry = Registry()
        config = load_config(overrides=["stopping.options.x=1"])
        assert [registry.components(kind) for kind in Kind]
        print(sorted(set(sys.modules) & {HEAVY | DATA}))
    """
    assert python(code) == "[]\n"
