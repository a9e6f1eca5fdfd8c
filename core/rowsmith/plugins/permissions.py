"""Permissions that the caller grants, as opposed to files of unknown origin.

A saved model, its plan and a configuration file describe a run. Which host gets a key, and which code outside of
distributions runs, is decided by the caller alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from rowsmith.config import to_mapping

if TYPE_CHECKING:
    from rowsmith.config import RunConfig

__all__ = ["Caller", "factories_in"]


@frozen(kw_only=True)
class Caller:
    """Settings and permissions given with one call.

    Attributes:
        values: Settings given with the call, as plain data in the shape of the configuration, without those of
            files.
        factories: Factories that may be imported and called, as ``package.module:name``.
        fetch_base: Whether the base model of a saved adapter may be fetched from the hub.
    """

    values: Mapping[str, Any] = field(factory=dict)
    factories: frozenset[str] = frozenset()
    fetch_base: bool = False

    @classmethod
    def of(cls, config: RunConfig) -> Caller:
        """The caller who wrote the whole configuration."""
        values = to_mapping(config)
        return cls(values=values, factories=factories_in(values))

    def options(self, component: str) -> Mapping[str, Any]:
        """Options of a component that were given with the call.

        Args:
            component: Its configuration path, such as ``backend``.
        """
        named = self.values.get(component)
        options = named.get("options") if isinstance(named, Mapping) else None
        return options if isinstance(options, Mapping) else {}


def factories_in(values: Any) -> frozenset[str]:
    """Factories named in plain data of a configuration, at any depth.

    Args:
        values: The configuration, or a part of it.
    """
    return frozenset(_factories(values))


def _factories(values: Any) -> Iterator[str]:
    if isinstance(values, Mapping):
        named = values.get("factory")
        if isinstance(named, str):
            yield named
    elif not isinstance(values, list | tuple):
        return
    for each in values.values() if isinstance(values, Mapping) else values:
        yield from _factories(each)
