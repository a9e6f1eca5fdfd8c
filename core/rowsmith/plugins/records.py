"""Records of plugins, components and commands found, and their names in messages."""

from __future__ import annotations

import enum

from attrs import frozen

from rowsmith.components import Component, LazyCommand

__all__ = ["PluginRecord", "PluginStatus", "ProvidedCommand", "ProvidedComponent", "describe_provider"]


class PluginStatus(enum.StrEnum):
    """Outcome of loading a plugin."""

    ACTIVE = "active"
    DISABLED = "disabled"
    CONFLICT = "conflict"
    FAILED = "failed"
    INCOMPATIBLE = "incompatible"


@frozen(kw_only=True)
class PluginRecord:
    """A plugin found in the environment.

    Attributes:
        name: The name of its entry point.
        distribution: The distribution that declares it; empty if unknown.
        version: That distribution's version.
        status: Outcome of loading it.
        error: Why it is not active; empty if it is.
    """

    name: str
    distribution: str
    version: str
    status: PluginStatus = PluginStatus.ACTIVE
    error: str = ""

    @property
    def title(self) -> str:
        """Its name and distribution, for messages."""
        return f"plugin {self.name!r} ({describe_provider(self.distribution, self.version)})"

    @property
    def note(self) -> str:
        """Reason why it is not active, on one line; empty if it is."""
        words = {
            PluginStatus.DISABLED: "is disabled",
            PluginStatus.CONFLICT: "was not loaded",
            PluginStatus.FAILED: "failed to load",
            PluginStatus.INCOMPATIBLE: "is not compatible with this version",
        }
        if self.status is PluginStatus.ACTIVE:
            return ""
        return f"{self.title} {words[self.status]}: {self.error}"


@frozen(kw_only=True)
class ProvidedComponent:
    """A component and the plugin that provides it.

    Attributes:
        component: What the plugin registered.
        plugin: The plugin's name; empty for a factory that no plugin registers.
        distribution: The plugin's distribution.
        version: That distribution's version.
    """

    component: Component
    plugin: str
    distribution: str
    version: str

    @classmethod
    def unpackaged(cls, factory: str) -> ProvidedComponent:
        """The component behind a factory that no plugin registers."""
        return cls(component=Component(name="unpackaged", factory=factory), plugin="", distribution="", version="")

    @property
    def full_name(self) -> str:
        """The unambiguous name."""
        return f"{self.plugin}:{self.component.name}" if self.plugin else self.component.factory

    @property
    def provider(self) -> str:
        """Distribution and version."""
        return describe_provider(self.distribution, self.version)

    @property
    def title(self) -> str:
        """Name, plugin and distribution, for messages."""
        if not self.plugin:
            return f"factory {self.component.factory!r}"
        return f"{self.component.name!r} (plugin {self.plugin!r}, {self.provider})"


@frozen(kw_only=True)
class ProvidedCommand:
    """A subcommand and the plugin that provides it; the attributes are those of ``ProvidedComponent``."""

    command: LazyCommand
    plugin: str
    distribution: str
    version: str


def describe_provider(distribution: str, version: str) -> str:
    """A distribution and its version in words."""
    return f"{distribution} {version}".strip() or "of no distribution"
