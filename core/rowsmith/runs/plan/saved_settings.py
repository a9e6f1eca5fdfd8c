"""Settings for a call on a saved model: those of its plan, except for what only the caller may decide."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from rowsmith.config import RunConfig, to_mapping
from rowsmith.plugins.imports import check_installed_module
from rowsmith.plugins.permissions import Caller, factories_in
from rowsmith.plugins.servers import with_own_servers, without_servers

if TYPE_CHECKING:
    from rowsmith.plugins import Registry

__all__ = ["SavedModelSettings", "saved_model_settings"]


@frozen(kw_only=True)
class SavedModelSettings:
    """The settings of a call on a saved model.

    Attributes:
        config: The configuration.
        registry: Finds plugins, and no code but what the call names.
        caller: Settings and permissions given with the call.
    """

    config: RunConfig
    registry: Registry
    caller: Caller


def saved_model_settings(
    saved: RunConfig,
    directory: Path,
    lay_over: Callable[[RunConfig], RunConfig],
    *,
    caller: Caller,
    registry: Registry,
    allow_factory: Iterable[str] = (),
) -> SavedModelSettings:
    """Decide the settings of a call on a saved model; nothing that only the model names is imported or contacted.

    Args:
        saved: The configuration of the saved plan.
        directory: Where the model is.
        lay_over: Lays the settings of the call over a configuration.
        caller: Settings and permissions given with the call.
        registry: Finds plugins.
        allow_factory: Factories that the model may name.

    Raises:
        PluginLoadError: The plan names a factory that the call does not, or one that is allowed could have come with
            the model.
        ConfigError: A setting is wrong, or the plan names a server and the call does not.
    """
    allowed = tuple(allow_factory)
    for factory in allowed:
        check_installed_module(factory, directory)
    caller = evolve(caller, factories=caller.factories.union(allowed))
    registry = registry.with_allowed_factories(caller.factories)
    config = lay_over(without_servers(saved, registry))
    for factory in sorted(factories_in(to_mapping(config))):
        registry.check_allowed(factory)
    return SavedModelSettings(config=with_own_servers(saved, config, registry), registry=registry, caller=caller)
