"""Strict conversion of plain values (from YAML or JSON) into typed, frozen attrs objects, and back.

Nothing is coerced but an integer where a float is expected: text is not a number, a number is not
true or false, text is not a list. Every problem in a value is reported at once, each with its path.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import attrs

from rowsmith.components import ComponentRef
from rowsmith.config.problems import Invalid, Problem, did_you_mean, show
from rowsmith.config.structuring import hook_for
from rowsmith.errors import ConfigError

__all__ = ["Problem", "did_you_mean", "find_problems", "show", "structure", "unstructure"]

T = TypeVar("T")


def find_problems(value: Any, cls: type[T]) -> tuple[T | None, tuple[Problem, ...]]:
    """Convert a value and return problems instead of raising them.

    Args:
        value: Plain data.
        cls: The type to make of it.

    Returns:
        The object and no problems, or None and at least one.
    """
    try:
        return cast("T", hook_for(cls)(value, cls)), ()
    except Invalid as exc:
        return None, exc.problems


def structure(value: Any, cls: type[T], path: str = "", source: str | None = None) -> T:
    """Convert plain data into a typed object.

    Args:
        value: Plain data: mappings, lists and scalars.
        cls: The type to make of it.
        path: The path of the value in the configuration, such as ``backend.options``.
        source: What the configuration came from, for the message.

    Raises:
        ConfigError: With every problem found and its path.
    """
    result, problems = find_problems(value, cls)
    if problems:
        raise ConfigError([problem.render(path) for problem in problems], source)
    return cast("T", result)


def unstructure(value: Any) -> Any:
    """Plain data for a typed object: the inverse of ``structure``, for YAML and JSON."""
    if isinstance(value, ComponentRef):
        named = {"name": value.name} if value.name is not None else {"factory": value.factory}
        if not value.options:
            return value.name if value.name is not None else named
        return {**named, "options": unstructure(value.options)}
    if attrs.has(type(value)):
        return {attribute.name: unstructure(getattr(value, attribute.name)) for attribute in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return {key: unstructure(element) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return [unstructure(element) for element in value]
    return value.value if isinstance(value, enum.Enum) else value
