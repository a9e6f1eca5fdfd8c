"""Load plugins one by one and collect what they register.

Each registration hook is called once and its result exhausted: pluggy does not run the body of a generator, so an
error in one would otherwise surface far from the plugin.
"""

from __future__ import annotations

import logging
import re
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib.metadata import EntryPoint
from typing import Any, TypeVar

import pluggy
from attrs import evolve, field, frozen

from rowsmith import hookspecs
from rowsmith.components import Component, Kind, LazyCommand
from rowsmith.config.conversion import did_you_mean
from rowsmith.errors import PluginLoadError
from rowsmith.plugins.records import PluginRecord, PluginStatus, ProvidedCommand, ProvidedComponent, describe_provider

__all__ = ["LoadedPlugins", "load_plugins"]

_logger = logging.getLogger(__name__)
_OWN = "rowsmith"
_COMMANDS = "rowsmith_commands"

T = TypeVar("T")


@frozen(kw_only=True)
class LoadedPlugins:
    """All plugins of an environment and what they provide.

    Attributes:
        records: Every plugin found.
        components: By kind and name, sorted by name.
        commands: By name, sorted.
        manager: The pluggy manager, with the observers.
    """

    records: tuple[PluginRecord, ...]
    components: Mapping[Kind, Mapping[str, tuple[ProvidedComponent, ...]]]
    commands: Mapping[str, tuple[ProvidedCommand, ...]]
    manager: pluggy.PluginManager = field(eq=False)


class _RuleViolation(Exception):
    """A plugin breaks a rule, which is the message."""


def _record(entry_point: EntryPoint) -> PluginRecord:
    distribution = version = ""
    try:
        if entry_point.dist is not None:
            distribution = entry_point.dist.name or ""
            version = entry_point.dist.version or ""
    except Exception:
        # Damaged metadata of one package must not prevent others from loading.
        _logger.warning("the distribution of plugin %r has unreadable metadata", entry_point.name)
    return PluginRecord(name=entry_point.name, distribution=distribution, version=version)


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _reason_not_to_load(
    record: PluginRecord, taken: Mapping[str, PluginRecord], only: Collection[str] | None, disable: Collection[str]
) -> tuple[PluginStatus, str] | None:
    """Status and reason of a plugin that must not be imported; None if it may be."""
    names = {_normalised(record.name), _normalised(record.distribution)} - {""}
    if names & {_normalised(name) for name in disable}:
        return PluginStatus.DISABLED, "it is on the list of plugins to leave out"
    if only is not None and not names & {_normalised(name) for name in only}:
        return PluginStatus.DISABLED, "it is not on the list of plugins to load"
    holder = taken.get(record.name)
    if holder is not None:
        return PluginStatus.CONFLICT, f"its name is taken by {describe_provider(holder.distribution, holder.version)}"
    return None


def load_plugins(
    entry_points: Iterable[EntryPoint],
    *,
    only: Collection[str] | None = None,
    disable: Collection[str] = (),
    strict: bool = False,
) -> LoadedPlugins:
    """Load plugins and ask each what it registers.

    Args:
        entry_points: Entry points; Rowsmith's own load first, so that no other takes their names.
        only: Names of the plugins or distributions that may load; any when None.
        disable: Names of those that may not.
        strict: Raise for the first plugin that fails.

    Raises:
        PluginLoadError: Only when ``strict``.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    pairs = sorted(
        ((_record(entry_point), entry_point) for entry_point in entry_points),
        key=lambda pair: (pair[0].distribution != _OWN, pair[0].name, pair[0].distribution, pair[0].version),
    )
    taken: dict[str, PluginRecord] = {}
    records: list[PluginRecord] = []
    registered: list[tuple[PluginRecord, Mapping[str, list[Any]]]] = []
    for record, entry_point in pairs:
        refusal = _reason_not_to_load(record, taken, only, disable)
        if refusal is not None:
            records.append(evolve(record, status=refusal[0], error=refusal[1]))
            continue
        taken[record.name] = record
        outcome, items = _load_one(manager, record, entry_point, strict)
        records.append(outcome)
        registered.append((outcome, items))
    return LoadedPlugins(
        records=tuple(records),
        components={kind: _by_name(registered, kind.hook, _found, _name_of_found) for kind in Kind},
        commands=_by_name(registered, _COMMANDS, _found_command, _name_of_command),
        manager=manager,
    )


def _load_one(
    manager: pluggy.PluginManager, record: PluginRecord, entry_point: EntryPoint, strict: bool
) -> tuple[PluginRecord, Mapping[str, list[Any]]]:
    try:
        plugin = entry_point.load()
        version = getattr(plugin, "rowsmith_plugin_api", hookspecs.PLUGIN_API)
        if version != hookspecs.PLUGIN_API:
            error = f"it was written for plugin API {version}, this is {hookspecs.PLUGIN_API}"
            return evolve(record, status=PluginStatus.INCOMPATIBLE, error=error), {}
        _check_hooks_are_marked(plugin)
        manager.register(plugin, name=record.name)
        return record, _collect(manager, record)
    except (Exception, SystemExit) as exc:
        if manager.has_plugin(record.name):
            manager.unregister(name=record.name)
        error = str(exc) if isinstance(exc, _RuleViolation) else f"{type(exc).__name__}: {exc}"
        failed = evolve(record, status=PluginStatus.FAILED, error=error)
        if strict:
            raise PluginLoadError(failed.note) from exc
        return failed, {}


def _check_hooks_are_marked(plugin: object) -> None:
    for name in _known_hooks():
        function = vars(plugin).get(name) if isinstance(plugin, types.ModuleType) else None
        if isinstance(function, types.FunctionType) and not hasattr(function, f"{hookspecs.PROJECT}_impl"):
            raise _RuleViolation(f"{name} is not marked with @hookimpl")


def _known_hooks() -> tuple[str, ...]:
    return (*(kind.hook for kind in Kind), _COMMANDS, *hookspecs.OBSERVERS)


def _collect(manager: pluggy.PluginManager, record: PluginRecord) -> Mapping[str, list[Any]]:
    """Run the registration hooks of one plugin, after checking that it has only known ones."""
    items: dict[str, list[Any]] = {}
    for caller in manager.get_hookcallers(manager.get_plugin(record.name)) or ():
        if caller.spec is None:
            raise _RuleViolation(f"unknown hook {caller.name!r}{did_you_mean(caller.name, _known_hooks())}")
        for implementation in caller.get_hookimpls():
            if implementation.plugin_name != record.name:
                continue
            if implementation.hookwrapper or implementation.wrapper:
                raise _RuleViolation(f"{caller.name} is a wrapper; wrappers are not supported")
            if caller.name not in hookspecs.OBSERVERS:
                expected = LazyCommand if caller.name == _COMMANDS else Component
                items[caller.name] = _run(implementation.function, caller.name, expected)
    return items


def _run(function: Callable[..., object], hook: str, expected: type) -> list[Any]:
    returned = function()
    if not isinstance(returned, Iterable) or isinstance(returned, str):
        raise _RuleViolation(f"{hook} returned {type(returned).__name__}, not an iterable of {expected.__name__}")
    items = list(returned)
    names: set[str] = set()
    for item in items:
        if not isinstance(item, expected):
            raise _RuleViolation(f"{hook} returned {type(item).__name__}, not {expected.__name__}")
        if item.name in names:  # type: ignore[attr-defined]
            raise _RuleViolation(f"{hook} returned the name {item.name!r} twice")  # type: ignore[attr-defined]
        names.add(item.name)  # type: ignore[attr-defined]
    return items


def _by_name(
    registered: Iterable[tuple[PluginRecord, Mapping[str, list[Any]]]],
    hook: str,
    make: Callable[[Any, PluginRecord], T],
    name_of: Callable[[T], str],
) -> Mapping[str, tuple[T, ...]]:
    grouped: dict[str, tuple[T, ...]] = {}
    for record, items in registered:
        for item in items.get(hook, ()):
            found = make(item, record)
            grouped[name_of(found)] = (*grouped.get(name_of(found), ()), found)
    return types.MappingProxyType(dict(sorted(grouped.items())))


def _found(component: Component, record: PluginRecord) -> ProvidedComponent:
    return ProvidedComponent(
        component=component, plugin=record.name, distribution=record.distribution, version=record.version
    )


def _found_command(command: LazyCommand, record: PluginRecord) -> ProvidedCommand:
    return ProvidedCommand(
        command=command, plugin=record.name, distribution=record.distribution, version=record.version
    )


def _name_of_found(found: ProvidedComponent) -> str:
    return found.component.name


def _name_of_command(found: ProvidedCommand) -> str:
    return found.command.name
