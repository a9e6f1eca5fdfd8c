"""A saved model and plan taken up by a call: what the plan says, but for what only the caller may say."""

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

__all__ = ["TakenUp", "take_up"]


@frozen(kw_only=True)
class TakenUp:
    """What a call on a saved model goes by.

    Attributes:
        config: The configuration.
        registry: Finds plugins, and no code but what the call names.
        caller: What the user of the call said.
    """

    config: RunConfig
    registry: Registry
    caller: Caller


def take_up(
    saved: RunConfig,
    directory: Path,
    lay_over: Callable[[RunConfig], RunConfig],
    *,
    caller: Caller,
    registry: Registry,
    allow_factory: Iterable[str] = (),
) -> TakenUp:
    """Settle what a call on a saved model goes by; nothing that only the model names is imported or asked.

    Args:
        saved: The configuration of the saved plan.
        directory: Where the model is.
        lay_over: Lays the settings of the call over a configuration.
        caller: What the user of the call said.
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
    return TakenUp(config=with_own_servers(saved, config, registry), registry=registry, caller=caller)
