"""YAML as configurations may use it: plain data, nothing that surprises.

Compared with YAML 1.1: repeated keys, anchors, aliases, tags and deep nesting are errors; dates,
base-60 numbers (``12:30``) and numbers with a leading zero stay text; ``1e-3`` is a number. The
words ``yes``, ``no``, ``on`` and ``off`` still mean true and false, and a field that wants text
says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rowsmith.errors import ConfigError

__all__ = ["Lines", "dump", "parse", "read"]

_MAX_DEPTH = 20
_MAX_CHARACTERS = 1_000_000

# The line, from 1, of the value at each path.
Lines = dict[tuple[str | int, ...], int]


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the base class declares it so
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not allowed", problem_mark=event.start_mark)
        if getattr(event, "tag", None):
            raise yaml.MarkedYAMLError(problem=f"the tag {event.tag!r} is not allowed", problem_mark=event.start_mark)
        if self.depth >= _MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested more than {_MAX_DEPTH} deep", problem_mark=event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def _add_resolvers() -> None:
    _Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""])
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool",
        re.compile(r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"),
        list("yYnNtTfFoO"),
    )
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)"), list("-+0123456789")
    )
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(
            r"[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?"
            r"|(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
        ),
        list("-+0123456789."),
    )


def _exact(pattern: re.Pattern[str]) -> re.Pattern[str]:
    # The resolver matches from the start only.
    return re.compile(rf"(?:{pattern.pattern})\Z")


_add_resolvers()
_Loader.yaml_implicit_resolvers = {
    first: [(tag, _exact(pattern)) for tag, pattern in resolvers]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def read(path: Path) -> str:
    """The text of a configuration file.

    Raises:
        ConfigError: It is missing, unreadable, too large or not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise ConfigError([f"the file cannot be read: {reason}"], str(path)) from exc
    return text


def parse(text: str, source: str | None = None) -> tuple[Any, Lines]:
    """Read one YAML document.

    Args:
        text: The document.
        source: Where it came from, for messages.

    Returns:
        Its value (None for an empty document), and the lines of all values.

    Raises:
        ConfigError: It is not YAML, or uses what is not allowed here.
    """
    if len(text) > _MAX_CHARACTERS:
        raise ConfigError([f"the configuration is longer than {_MAX_CHARACTERS:,} characters"], source)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines: Lines = {}
        repeated = _walk(node, (), lines)
        if repeated:
            raise ConfigError(repeated, source)
        return loader.construct_document(node), lines
    except yaml.YAMLError as exc:
        raise ConfigError([_describe(exc)], source) from exc
    except (ValueError, RecursionError, OverflowError) as exc:
        if isinstance(exc, ConfigError):
            raise
        raise ConfigError([f"the configuration cannot be read: {exc}"], source) from exc


def _describe(exc: yaml.YAMLError) -> str:
    mark = getattr(exc, "problem_mark", None)
    problem = getattr(exc, "problem", None) or getattr(exc, "reason", None) or str(exc)
    return f"not valid YAML: {problem}" + (f" (line {mark.line + 1}, column {mark.column + 1})" if mark else "")


def _walk(node: yaml.Node, path: tuple[str | int, ...], lines: Lines) -> list[str]:
    """Note the line of every value below a node; returns what is wrong with its keys."""
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [problem for index, item in enumerate(node.value) for problem in _walk(item, (*path, index), lines)]
    if not isinstance(node, yaml.MappingNode):
        return []
    problems: list[str] = []
    seen: set[tuple[str, str]] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            problems.append(f"a key must be text (line {key.start_mark.line + 1})")
            continue
        if (key.tag, key.value) in seen:
            problems.append(f"the key {key.value!r} is given twice (line {key.start_mark.line + 1})")
        seen.add((key.tag, key.value))
        problems += _walk(value, (*path, key.value), lines)
    return problems


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # Outside double quotes, characters that YAML counts as line breaks would come back as spaces.
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump(value: Mapping[str, Any]) -> str:
    """Plain data as YAML that ``parse`` reads back to the same value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False)
