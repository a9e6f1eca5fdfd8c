"""Listing of plugins, as plain data and as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rowsmith.components import Kind
from rowsmith.plugins import Registry

__all__ = ["aligned", "listing", "render"]


def listing(registry: Registry, kind: Kind | None = None) -> list[dict[str, Any]]:
    """Every plugin of an environment.

    Args:
        registry: The plugins.
        kind: Only plugins that provide this kind of component, and only those components.

    Returns:
        For each plugin its name, distribution, version, status, error, components and commands.
    """
    rows = []
    for record in registry.records:
        mine = (record.name, record.distribution)
        components = [
            {"kind": each.value, "name": found.component.name, "summary": found.component.summary}
            for each in Kind
            if kind in (None, each)
            for group in registry.components(each).values()
            for found in group
            if (found.plugin, found.distribution) == mine
        ]
        commands = [
            name
            for name, group in registry.commands.items()
            if kind is None and any((found.plugin, found.distribution) == mine for found in group)
        ]
        rows.append(
            {
                "name": record.name,
                "distribution": record.distribution,
                "version": record.version,
                "status": record.status.value,
                "error": record.error,
                "components": components,
                "commands": commands,
            }
        )
    return [row for row in rows if kind is None or row["components"]]


def render(rows: Sequence[dict[str, Any]]) -> str:
    """The list as text."""
    if not rows:
        return "no plugins"
    cells = [("plugin", "distribution", "version", "status", "provides")]
    cells += [(row["name"], row["distribution"], row["version"], row["status"], _provides(row)) for row in rows]
    notes = [f"{row['name']} ({row['distribution']}): {row['error']}" for row in rows if row["error"]]
    return "\n".join([*aligned(cells), *([""] if notes else []), *notes])


def _provides(row: dict[str, Any]) -> str:
    names: dict[str, list[str]] = {}
    for component in row["components"]:
        names.setdefault(component["kind"], []).append(component["name"])
    if row["commands"]:
        names["command"] = row["commands"]
    return "; ".join(f"{kind} {', '.join(each)}" for kind, each in names.items())


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
