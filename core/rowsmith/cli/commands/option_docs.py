"""Documentation of a component's options: names, types, defaults and docstrings."""

from __future__ import annotations

import inspect
import re
from typing import Any

import attrs

from rowsmith.config.conversion import unstructure

__all__ = ["describe_options"]

_ATTRIBUTE = re.compile(r"(\w+)(?: \([^)]*\))?:\s+(\S.*)")


def describe_options(cls: type[Any]) -> list[dict[str, Any]]:
    """Every option of an options class.

    Args:
        cls: A frozen attrs class whose docstring has a section ``Attributes``; ``metadata={"help": …}``
            of a field goes before it.

    Returns:
        For each option its name, type, default, whether it is required, and its meaning.
    """
    meanings = _meanings(cls)
    return [
        {
            "name": attribute.name,
            "type": _type_words(attribute.type),
            "default": _default(attribute),
            "required": attribute.default is attrs.NOTHING,
            "help": str(attribute.metadata.get("help") or meanings.get(attribute.name, "")).replace("``", ""),
        }
        for attribute in attrs.fields(cls)
    ]


def _default(attribute: Any) -> Any:
    default = attribute.default
    if default is attrs.NOTHING:
        return None
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return None if default.takes_self else unstructure(default.factory())
    return unstructure(default)


def _type_words(type_: Any) -> str:
    words = type_ if isinstance(type_, str) else getattr(type_, "__name__", str(type_))
    return words.replace("ComponentRef", "component")


def _meanings(cls: type[Any]) -> dict[str, str]:
    """The texts of the section ``Attributes`` of a docstring, each on one line."""
    _, _, section = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")
    meanings: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        indent = len(line) - len(line.lstrip())
        found = _ATTRIBUTE.fullmatch(line.strip()) if indent == 4 else None
        if found:
            name = found[1]
            meanings[name] = found[2]
        elif line.strip() and name:
            meanings[name] += f" {line.strip()}"
    return meanings
