"""Layering of configuration values: one mapping over another, and single overrides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rowsmith.config import yaml_file as config_file
from rowsmith.errors import ConfigError

__all__ = ["apply_override", "merge"]

_SECTIONS = frozenset({"data", "time_series", "training", "generation", "plugins"})
_NO_VALUE = ("%", "@", "`", "*", "&", "!")
"""What begins no value that YAML could read here, so that it can only be meant as it is."""
_PART = re.compile(r'"([^"]*)"|([^."]+)')


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one configuration over another.

    Sections are merged value by value; a component is replaced as a whole, since its options belong
    to its name.
    """
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if key in _SECTIONS and isinstance(under, Mapping) and isinstance(value, Mapping):
            merged[key] = {**under, **value}
        else:
            merged[key] = value
    return merged


def apply_override(values: Mapping[str, Any], override: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Set one value.

    Args:
        values: The configuration as plain data.
        override: ``path=value``: names joined by points (a name with a point goes in double quotes),
            and a value written as in YAML, or text that begins as no value does there, such as ``%Y%m%d``.
        defaults: The default configuration, for the name of a component that is only given options.

    Raises:
        ConfigError: It has no such shape, or leads into something that is not a mapping.
    """
    path, text = _split(override)
    value = text if text.startswith(_NO_VALUE) else _parsed(override, text)
    if isinstance(value, Mapping) and not text.lstrip().startswith("{"):
        raise ConfigError([_quotes(override, text)], f"--set {override}")
    return _set(values, path, value, defaults, override)


def _parsed(override: str, text: str) -> Any:
    try:
        return config_file.parse(text, f"--set {override}")[0]
    except ConfigError as error:
        if text.lstrip()[:1] in ("{", "[", '"', "'"):
            raise
        raise ConfigError([*error.problems, _quotes(override, text)], error.source) from error


def _quotes(override: str, text: str) -> str:
    return f"put the value in quotes: --set '{override.removesuffix(text)}\"{text}\"'"


def _split(override: str) -> tuple[list[str], str]:
    source = f"--set {override}"
    path: list[str] = []
    position = 0
    while match := _PART.match(override, position):
        if match[2] is not None and "=" in match[2]:
            name = match[2].partition("=")[0]
            if name:
                return [*path, name.strip()], override[match.start() + len(name) + 1 :]
            break
        path.append(match[1] if match[1] is not None else str(match[2]).strip())
        position = match.end() + 1
        following = override[match.end() : position]
        if following == "=":
            return path, override[position:]
        if following != ".":
            break
    raise ConfigError(["expected a setting such as 'generation.top_p=0.9'"], source)


def _set(
    values: Mapping[str, Any], path: list[str], value: Any, defaults: Mapping[str, Any], override: str
) -> dict[str, Any]:
    name, *rest = path
    if not rest:
        return {**values, name: value}
    under = values.get(name, defaults.get(name))
    if name in values or not isinstance(under, Mapping):
        inner = {"name": under} if isinstance(under, str) else under
    else:
        inner = {}
    if inner is None:
        inner = {}
    if not isinstance(inner, Mapping):
        raise ConfigError([f"{name!r} holds a list or a number, not settings"], f"--set {override}")
    return {**values, name: _set(inner, rest, value, {}, override)}
