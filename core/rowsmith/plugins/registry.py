"""Registry of plugins: finds them and builds their components.

Plugins are modules named in the entry-point group ``rowsmith.plugins``. Each is loaded on its own: one that fails is
recorded with its reason and does not affect the others. Which plugins may load is decided before any of them is
imported. A component is found by its name or an alias if a single plugin provides it, else as ``plugin:name``.
"""

from __future__ import annotations

import copy
import importlib.metadata
import logging
import os
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from rowsmith.components import ComponentRef, Kind, is_target
from rowsmith.config.conversion import did_you_mean, structure
from rowsmith.config.requirements import unmet_requirements
from rowsmith.errors import (
    AmbiguousComponent,
    ConfigError,
    MissingDependency,
    PluginError,
    PluginLoadError,
    RowsmithError,
    UnknownComponent,
)
from rowsmith.hookspecs import GROUP, OBSERVERS
from rowsmith.plugins.blame import record_origin
from rowsmith.plugins.contracts import check_contract
from rowsmith.plugins.imports import import_target, missing_modules
from rowsmith.plugins.loader import LoadedPlugins, load_plugins
from rowsmith.plugins.records import PluginRecord, PluginStatus, ProvidedCommand, ProvidedComponent

if TYPE_CHECKING:
    from rowsmith.context import BuildContext

__all__ = ["PluginRecord", "PluginStatus", "ProvidedCommand", "ProvidedComponent", "Registry"]

_logger = logging.getLogger(__name__)


class Registry:
    """The plugins of one run.

    ``ROWSMITH_PLUGINS`` (names to allow) and ``ROWSMITH_DISABLE_PLUGINS`` (names to leave out) are
    read from the environment, separated by commas; a name is that of a plugin or of a distribution.
    With ``ROWSMITH_PLUGINS_STRICT=1`` a plugin that fails raises at once.

    Args:
        entry_points: The entry points to load; those installed when None.
        only: The only plugins that may load; overrides ``ROWSMITH_PLUGINS``.
        disable: Plugins that may not load, besides those of ``ROWSMITH_DISABLE_PLUGINS``.
        environ: The environment to read; that of the process when None.
    """

    def __init__(
        self,
        *,
        entry_points: Iterable[importlib.metadata.EntryPoint] | None = None,
        only: Collection[str] | None = None,
        disable: Collection[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        if only is None and environ.get("ROWSMITH_PLUGINS", "").strip():
            only = _names(environ["ROWSMITH_PLUGINS"])
        self._loaded: LoadedPlugins = load_plugins(
            importlib.metadata.entry_points(group=GROUP) if entry_points is None else entry_points,
            only=only,
            disable=(*disable, *_names(environ.get("ROWSMITH_DISABLE_PLUGINS", ""))),
            strict=environ.get("ROWSMITH_PLUGINS_STRICT") == "1",
        )
        self._factories: frozenset[str] | None = None

    def with_allowed_factories(self, factories: Iterable[str]) -> Self:
        """A copy that may import only these factories beside what plugins register.

        Args:
            factories: Factories, as ``package.module:name``.
        """
        other = copy.copy(self)
        other._factories = frozenset(factories)
        return other

    @property
    def records(self) -> tuple[PluginRecord, ...]:
        """Every plugin found, loaded or not, with the reason."""
        return self._loaded.records

    @property
    def commands(self) -> Mapping[str, tuple[ProvidedCommand, ...]]:
        """Subcommands that plugins provide, by name; more than one under a name is a conflict."""
        return self._loaded.commands

    def components(self, kind: Kind) -> Mapping[str, tuple[ProvidedComponent, ...]]:
        """The components of a kind, by name and sorted; more than one under a name is a conflict."""
        return self._loaded.components[Kind(kind)]

    def require(self, requirements: Iterable[str]) -> None:
        """Check that distributions are installed, such as ``rowsmith-foo>=1.2``.

        Raises:
            PluginError: Names each that is missing or of another version.
        """
        problems = unmet_requirements(tuple(requirements))
        if problems:
            raise PluginError("The run needs plugins that are not installed:\n  " + "\n  ".join(problems))

    def resolve(self, kind: Kind, ref: ComponentRef | str) -> ProvidedComponent:
        """Find a component.

        Args:
            kind: Its kind.
            ref: Its name, an alias or ``plugin:name``; or a reference from the configuration.

        Raises:
            UnknownComponent: No active plugin provides it.
            AmbiguousComponent: More than one does.
            PluginLoadError: It is a factory that may not be imported.
        """
        kind = Kind(kind)
        ref = ComponentRef(name=ref) if isinstance(ref, str) else ref
        if ref.factory is not None:
            self.check_allowed(ref.factory)
            return ProvidedComponent.unpackaged(ref.factory)
        name = ref.name or ""
        matches = self._matches(kind, name)
        if not matches:
            raise UnknownComponent(self._unknown(kind, name))
        if len(matches) > 1:
            providers = ", ".join(f"'{found.full_name}' ({found.provider})" for found in matches)
            raise AmbiguousComponent(
                f"{kind.words} {name!r} is provided by more than one plugin: {providers}. Write one in full."
            )
        self._warn_of_duplicates(kind, matches[0])
        return matches[0]

    def check_allowed(self, factory: str) -> None:
        """Refuse a factory that no plugin registers and the call does not name; nothing is imported.

        Args:
            factory: A factory.

        Raises:
            PluginLoadError: It may not be imported.
        """
        if self._factories is None or factory in self._factories:
            return
        named = factory if is_target(factory) else "package.module:name"
        raise PluginLoadError(
            f"the saved model names the factory {factory!r:.200}, code that no plugin registers. It runs only where "
            f"the call names it: if you know it and trust it, give --allow-factory {named}, or "
            f"Synthesizer.load(..., allow_factory=[{named!r}])."
        )

    def options(self, kind: Kind, ref: ComponentRef | str, *, path: str | None = None) -> Any:
        """The typed options of a component.

        Args:
            kind: Its kind.
            ref: A reference from the configuration.
            path: Configuration path of the options, for messages.

        Returns:
            An object of its options class, or None when it takes no options.

        Raises:
            ConfigError: They do not fit, with every problem.
            PluginError: The component or its options class cannot be found.
        """
        kind = Kind(kind)
        ref = ComponentRef(name=ref) if isinstance(ref, str) else ref
        found = self.resolve(kind, ref)
        where = path or f"{kind}.options"
        cls = self._options_class(kind, found)
        if cls is not None:
            return structure(ref.options, cls, where)
        if ref.options:
            raise ConfigError([f"{kind.words} {found.component.name!r} takes no options @ {where}"])
        return None

    def build(self, kind: Kind, ref: ComponentRef | str, context: BuildContext | Any) -> object:
        """Build a component.

        Args:
            kind: Its kind.
            ref: A reference from the configuration.
            context: The argument of its builder.

        Returns:
            What the builder made, checked against the contract of the kind.

        Raises:
            MissingDependency: A package it needs is not installed.
            PluginLoadError: It fails while being imported or built.
            PluginContractError: It lacks what its kind must have.
            ConfigError: Its options do not fit.
        """
        kind = Kind(kind)
        found = self.resolve(kind, ref)
        self.check_installed(kind, found)
        options = self.options(kind, ref)
        builder = import_target(found.component.factory, f"{kind.words} {found.title}")
        try:
            component = builder(context, options)
        except RowsmithError as exc:
            exc.add_note(f"while building {kind.words} {found.title}")
            raise
        except (Exception, SystemExit) as exc:
            raise PluginLoadError(f"{kind.words} {found.title} cannot be built: {type(exc).__name__}: {exc}") from exc
        check_contract(kind, component, found)
        record_origin(component, f"{kind.words} {found.title}")
        return component

    def check_installed(self, kind: Kind, found: ProvidedComponent) -> None:
        """Check that the packages a component needs are installed, without importing them.

        Raises:
            MissingDependency: Names them and the command that installs them.
        """
        missing = missing_modules(found.component.requires)
        if missing:
            verb = "which is" if len(missing) == 1 else "which are"
            install = f" Install with: {found.component.install}" if found.component.install else ""
            needs = " and ".join(missing)
            raise MissingDependency(
                f"{kind.words} {found.component.name!r} needs {needs}, {verb} not installed.{install}"
            )

    def notify(self, hook_name: str, **arguments: object) -> None:
        """Notify observers; their errors are logged and not raised.

        Args:
            hook_name: One of the observer hooks.
            **arguments: The hook's arguments.
        """
        if hook_name not in OBSERVERS:
            raise ValueError(f"{hook_name!r} is not an observer hook; those are {', '.join(OBSERVERS)}")
        for implementation in getattr(self._loaded.manager.hook, hook_name).get_hookimpls():
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except Exception:
                _logger.exception("plugin %r failed in %s", implementation.plugin_name, hook_name)

    def _matches(self, kind: Kind, name: str) -> tuple[ProvidedComponent, ...]:
        plugin, colon, short = name.rpartition(":")
        return tuple(
            found
            for group in self.components(kind).values()
            for found in group
            if short in (found.component.name, *found.component.aliases) and (not colon or found.plugin == plugin)
        )

    def _unknown(self, kind: Kind, name: str) -> str:
        names = sorted(self.components(kind))
        known = [*names, *(alias for group in self.components(kind).values() for alias in group[0].component.aliases)]
        hint = did_you_mean(name, known).removeprefix(", did you mean ")
        lines = [f"Unknown {kind.words} {name!r}." + (f" Did you mean {hint}" if hint else "")]
        lines.append(f"  available: {', '.join(names) or 'none'}")
        return "\n".join([*lines, *(f"  note: {record.note}" for record in self.records if record.note)])

    def _options_class(self, kind: Kind, found: ProvidedComponent) -> Any:
        if found.plugin:
            target = found.component.options
            return import_target(target, f"the options of {kind.words} {found.title}") if target else None
        return getattr(import_target(found.component.factory, f"{kind.words} {found.title}"), "Options", None)

    def _warn_of_duplicates(self, kind: Kind, found: ProvidedComponent) -> None:
        for record in self.records:
            if record.status is PluginStatus.CONFLICT and record.name == found.plugin:
                _logger.warning("%s %s: %s", kind.words, found.title, record.note)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))
