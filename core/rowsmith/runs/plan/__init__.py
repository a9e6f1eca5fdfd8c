"""The plan of a run: its contents, how it is made, and the settings of a saved one.

Names are imported when they are first used: the settings of a saved plan are read before anything heavy is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.runs.plan.contents import FORMAT, PLAN_FILE, Plan, PluginVersion, library_versions

__all__ = ["FORMAT", "PLAN_FILE", "Plan", "PluginVersion", "library_versions"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {"rowsmith.runs.plan.contents": ["FORMAT", "PLAN_FILE", "Plan", "PluginVersion", "library_versions"]},
)
