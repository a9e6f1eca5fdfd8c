"""Imports of objects named as ``package.module:name``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rowsmith.errors import PluginLoadError

__all__ = ["check_installed_module", "import_target", "missing_modules"]


def import_target(target: str, title: str) -> Any:
    """Import the object that a target names.

    Args:
        target: ``package.module:name``.
        title: What it belongs to, for messages.

    Raises:
        PluginLoadError: The module is not there, fails while being imported, or lacks the name.
    """
    module_name, _, name = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and f"{module_name}.".startswith(f"{exc.name}."):
            raise PluginLoadError(f"{title} names {target!r}, but there is no module {exc.name!r}.") from exc
        raise PluginLoadError(f"{title} cannot be imported: {module_name} needs {exc.name!r}.") from exc
    except (Exception, SystemExit) as exc:
        raise PluginLoadError(f"{title} cannot be imported: {type(exc).__name__}: {exc}") from exc
    try:
        return getattr(module, name)
    except AttributeError as exc:
        raise PluginLoadError(f"{title} names {target!r}, but {module_name} has no {name!r}.") from exc


def check_installed_module(target: str, directory: Path) -> None:
    """Refuse a target that a saved model could bring along or misuse; nothing is imported.

    Args:
        target: ``package.module:name`` that a saved model names and the user allows.
        directory: Where the model is.

    Raises:
        PluginLoadError: It is in the standard library, beside the model or in the working folder.
    """
    top = target.partition(":")[0].partition(".")[0]
    if top in sys.stdlib_module_names:
        raise PluginLoadError(
            f"the factory {target!r} is of Python's own library, which holds no components. It is not run."
        )
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise PluginLoadError(f"the factory {target!r} cannot be imported: there is no module {top!r}. Install it.")
    found = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.origin is not None else [])]
    model, here = directory.resolve(), Path.cwd().resolve()
    for path in (Path(each).resolve() for each in found):
        # A package is found by its folder and by a file in that.
        holding = path.parent.parent if path.name == "__init__.py" else path.parent
        if holding in (here, model.parent) or holding.is_relative_to(model):
            raise PluginLoadError(
                f"the factory {target!r} is in {holding}, the working folder or beside the saved model, where it may "
                "have come with the model. Install it as a package, or start from another folder."
            )


def missing_modules(names: Iterable[str]) -> tuple[str, ...]:
    """Find top-level modules that are not installed, without importing any."""
    return tuple(name for name in names if not _is_installed(name))


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
