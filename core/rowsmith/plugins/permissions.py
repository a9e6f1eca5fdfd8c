"""What the user of a call says himself, in contrast to files, which may come from somebody else.

A saved model, its plan and a configuration file say what a run is like. Where a key goes, and which code of no
distribution runs, is for the one who calls to say.
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
    """What the user of one call said.

    Attributes:
        values: The settings that were given with the call, as plain data in the shape of the configuration; what only
            a file says is not among them.
        factories: Factories that may be imported and called, as ``package.module:name``.
        fetch_base: Whether the base model of a saved adapter may be fetched from the hub.
    """

    values: Mapping[str, Any] = field(factory=dict)
    factories: frozenset[str] = frozenset()
    fetch_base: bool = False

    @classmethod
    def of(cls, config: RunConfig) -> Caller:
        """One who has written the whole configuration."""
        values = to_mapping(config)
        return cls(values=values, factories=factories_in(values))

    def options(self, component: str) -> Mapping[str, Any]:
        """The options that were given of a component.

        Args:
            component: Its place in the configuration, such as ``backend``.
        """
        named = self.values.get(component)
        options = named.get("options") if isinstance(named, Mapping) else None
        return options if isinstance(options, Mapping) else {}


def factories_in(values: Any) -> frozenset[str]:
    """The factories that plain data of a configuration names, at any depth.

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
