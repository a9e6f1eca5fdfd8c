"""Plugins: found through entry points, loaded one by one, checked, and named in errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.plugins.registry import Found, FoundCommand, PluginRecord, PluginStatus, Registry

__all__ = ["Found", "FoundCommand", "PluginRecord", "PluginStatus", "Registry"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.plugins.registry": ["Found", "FoundCommand", "PluginRecord", "PluginStatus", "Registry"],
    },
)
