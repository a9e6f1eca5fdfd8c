"""Plugins: found through entry points, loaded one by one, checked, and named in errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.plugins.registry import PluginRecord, PluginStatus, ProvidedCommand, ProvidedComponent, Registry

__all__ = ["PluginRecord", "PluginStatus", "ProvidedCommand", "ProvidedComponent", "Registry"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.plugins.registry": [
            "ProvidedComponent",
            "ProvidedCommand",
            "PluginRecord",
            "PluginStatus",
            "Registry",
        ],
    },
)
