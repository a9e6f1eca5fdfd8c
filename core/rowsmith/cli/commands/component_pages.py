"""Component pages: provider, requirements, options and an example."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from rowsmith.cli.commands.option_docs import describe_options
from rowsmith.cli.commands.plugin_listing import aligned
from rowsmith.components import ComponentRef, Kind
from rowsmith.config.conversion import did_you_mean, unstructure
from rowsmith.config.yaml_file import dump
from rowsmith.errors import UnknownComponent
from rowsmith.plugins import Registry
from rowsmith.plugins.imports import import_target, missing_modules
from rowsmith.plugins.records import ProvidedComponent

__all__ = ["pages", "render"]

_CONFIG_KEYS = {Kind.TRANSFORM: "transforms", Kind.EVALUATION: "evaluation"}


def pages(registry: Registry, name: str) -> list[dict[str, Any]]:
    """Describe the components of a name, or all components of a plugin.

    Args:
        registry: The plugins.
        name: A component's name or alias, ``plugin:name``, or a plugin's name.

    Returns:
        Plain data, one mapping for each component.

    Raises:
        UnknownComponent: Nothing has that name.
    """
    everything = [(kind, found) for kind in Kind for group in registry.components(kind).values() for found in group]
    named = [(kind, found) for kind, found in everything if name in _names(found)]
    chosen = named or [(kind, found) for kind, found in everything if found.plugin == name]
    if not chosen:
        raise UnknownComponent(_unknown(registry, name, [found for _, found in everything]))
    return [_page(kind, found) for kind, found in chosen]


def _names(found: ProvidedComponent) -> tuple[str, ...]:
    return (found.component.name, *found.component.aliases, found.full_name)


def _unknown(registry: Registry, name: str, known: Sequence[ProvidedComponent]) -> str:
    names = sorted({found.component.name for found in known} | {found.plugin for found in known})
    notes = [f"  note: {record.note}" for record in registry.records if record.note]
    hint = did_you_mean(name, names).removeprefix(",").strip().capitalize()
    lines = [f"There is no component or plugin {name!r}. {hint}".rstrip(), f"  available: {', '.join(names) or 'none'}"]
    return "\n".join([*lines, *notes])


def _page(kind: Kind, found: ProvidedComponent) -> dict[str, Any]:
    component = found.component
    missing = missing_modules(component.requires)
    cls = import_target(component.options, f"the options of {kind} {found.title}") if component.options else None
    return {
        "kind": kind.value,
        "name": component.name,
        "summary": component.summary,
        "plugin": found.plugin,
        "distribution": found.distribution,
        "version": found.version,
        "aliases": list(component.aliases),
        "requires": list(component.requires),
        "missing": list(missing),
        "install": component.install,
        "capabilities": sorted(component.capabilities),
        "options": [] if cls is None else describe_options(cls),
        "example": _example(kind, component.name, cls),
    }


def _example(kind: Kind, name: str, cls: Any) -> str:
    defaults = {} if cls is None else _defaults(cls)
    plain = unstructure(ComponentRef(name=name, options=defaults))
    if kind is Kind.TRAINING_STOPPING:
        return dump({"training": {"stopping": plain}})
    key = _CONFIG_KEYS.get(kind, kind.value)
    return dump({key: [plain] if kind in _CONFIG_KEYS else plain})


def _defaults(cls: Any) -> dict[str, Any]:
    """Default options worth showing in an example configuration."""
    try:
        plain = unstructure(cls())
    except (TypeError, ValueError):
        return {}
    return {name: value for name, value in plain.items() if value not in (None, [], {}, "")}


def render(page: dict[str, Any]) -> str:
    """A page as text."""
    lines = [f"{page['name']}: {page['summary'] or 'no summary'}", ""]
    facts = [
        ("kind", page["kind"]),
        ("plugin", f"{page['plugin']} ({page['distribution']} {page['version']})"),
        ("aliases", ", ".join(page["aliases"])),
        ("requires", _requirements(page)),
        ("capabilities", ", ".join(page["capabilities"])),
    ]
    lines += aligned([fact for fact in facts if fact[1]])
    if page["options"]:
        lines += ["", "options"]
        cells = [(f"  {each['name']}", each["type"], _default(each), each["help"]) for each in page["options"]]
        lines += aligned([("  name", "type", "default", "meaning"), *cells])
    return "\n".join([*lines, "", "example", textwrap.indent(page["example"].rstrip(), "  ")])


def _default(option: dict[str, Any]) -> str:
    return "required" if option["required"] else dump({"x": option["default"]}).removeprefix("x:").strip()


def _requirements(page: dict[str, Any]) -> str:
    if not page["missing"]:
        return ", ".join(page["requires"])
    install = f"; install with: {page['install']}" if page["install"] else ""
    return f"{', '.join(page['requires'])} (not installed: {', '.join(page['missing'])}{install})"
