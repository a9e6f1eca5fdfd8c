"""Imports what a component names as ``package.module:name``."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from typing import Any

from rowsmith.errors import PluginLoadError

__all__ = ["import_target", "missing_modules"]


def import_target(target: str, title: str) -> Any:
    """The object that a target names.

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
    except Exception as exc:
        raise PluginLoadError(f"{title} cannot be imported: {type(exc).__name__}: {exc}") from exc
    try:
        return getattr(module, name)
    except AttributeError as exc:
        raise PluginLoadError(f"{title} names {target!r}, but {module_name} has no {name!r}.") from exc


def missing_modules(names: Iterable[str]) -> tuple[str, ...]:
    """Those top-level modules that are not installed; none of them is imported."""
    return tuple(name for name in names if not _is_there(name))


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
