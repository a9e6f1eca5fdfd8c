"""Checks a configuration as a whole: every problem at once, and nothing heavy imported.

Beyond the shape of the file, every component that it names is looked up, its options are converted,
and the packages it needs are searched for, but not imported.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from attrs import evolve, field, frozen

from rowsmith.components import JUDGES_MODEL, ComponentRef, Kind
from rowsmith.config import RunConfig, load_config, to_mapping
from rowsmith.config import yaml_file as config_file
from rowsmith.config.defaults import AUTO, assembler_for, evaluations_for
from rowsmith.config.layering import apply_override, merge
from rowsmith.errors import ConfigError, PluginError, RowsmithError
from rowsmith.plugins import Registry
from rowsmith.plugins.permissions import Caller, factories_in
from rowsmith.plugins.servers import ServerOptions, check_key_variable, server_notes

__all__ = [
    "Findings",
    "caller_of_settings",
    "check",
    "check_components",
    "installed",
    "missing_files",
    "registry_for",
]

_KINDS = {
    "transforms": Kind.TRANSFORM,
    "assembler": Kind.ASSEMBLER,
    "model": Kind.MODEL,
    "backend": Kind.BACKEND,
    "processor": Kind.PROCESSOR,
    "stopping": Kind.STOPPING,
    "evaluation": Kind.EVALUATION,
    "training.stopping": Kind.TRAINING_STOPPING,
}
"""The settings that name components."""

_COMPONENTS = ("plugins", *_KINDS)
_SETTINGS = ("plugins", "data", *_KINDS)


@frozen(kw_only=True)
class Findings:
    """What is wrong with a configuration.

    Attributes:
        config: The configuration; None when it has no meaning as a whole.
        servers: What goes to which server, a line each.
        problems: What is wrong with its values, each with its path.
        plugin_errors: Components that are missing, ambiguous or not installed.
    """

    config: RunConfig | None = None
    problems: tuple[str, ...] = ()
    plugin_errors: tuple[PluginError, ...] = field(default=(), eq=False)
    servers: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems and not self.plugin_errors

    @property
    def messages(self) -> tuple[str, ...]:
        """Every problem in words."""
        return (*self.problems, *(str(error) for error in self.plugin_errors))

    def raise_first(self, source: str | None = None) -> None:
        """Raise what was found, all of it in one error; does nothing when nothing was.

        Args:
            source: Where the configuration came from, for the message.

        Raises:
            ConfigError: Some value is wrong.
            PluginError: Only components are missing.
        """
        if self.problems:
            raise ConfigError(self.messages, source)
        if len(self.plugin_errors) == 1:
            raise self.plugin_errors[0]
        if self.plugin_errors:
            raise PluginError("\n".join(self.messages))


def check(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
) -> Findings:
    """Check a configuration and all that it names.

    Args:
        path: A YAML file; None for the defaults.
        overrides: Settings such as ``training.max_time=60s``.
        values: Plain data laid over the file and under the overrides.
        registry: Where components are found; the installed plugins by default.
    """
    caller = caller_of_settings(overrides, values)
    try:
        config = load_config(path, overrides, values)
    except ConfigError as error:
        parts = _sound_parts(path, overrides, values)
        found = [_check_settings(part, registry or registry_for(part), [name], caller) for name, part in parts]
        return _joined(None, error.problems, found)
    registry = registry or registry_for(config)
    found = [_check_settings(config, registry, _SETTINGS, caller)]
    return evolve(_joined(config, (), found), servers=tuple(server_notes(config, registry, caller)))


def _joined(config: RunConfig | None, problems: Sequence[str], found: Sequence[Findings]) -> Findings:
    return Findings(
        config=config,
        problems=(*problems, *(problem for each in found for problem in each.problems)),
        plugin_errors=tuple(error for each in found for error in each.plugin_errors),
    )


def registry_for(config: RunConfig) -> Registry:
    """The installed plugins, but for those that a configuration disables."""
    return Registry(disable=config.plugins.disable)


def caller_of_settings(overrides: Sequence[str] = (), values: Mapping[str, Any] | None = None) -> Caller:
    """Settings and permissions that the user gave with a call: all but those of a file.

    Args:
        overrides: Settings such as ``training.max_time=60s``.
        values: Plain data in the shape of the configuration.
    """
    given: Mapping[str, Any] = values or {}
    defaults = to_mapping(RunConfig())
    for override in overrides:
        # A wrong override is reported when the whole configuration is made.
        with contextlib.suppress(ConfigError):
            given = apply_override(given, override, defaults)
    return Caller(values=given, factories=factories_in(given))


def check_components(
    config: RunConfig,
    registry: Registry,
    caller: Caller | None = None,
    settings: Sequence[str] = _COMPONENTS,
    *,
    makes_rows: bool = True,
) -> Findings:
    """Look up every component that a configuration names.

    Args:
        config: The configuration.
        registry: Where components are found.
        caller: Settings and permissions given with the call; None permits everything.
        settings: The settings to check; by default all that name plugins.
        makes_rows: Whether rows are evaluated, so that evaluations of a model are refused.
    """
    return _check_settings(config, registry, settings, caller, makes_rows=makes_rows)


def _check_settings(
    config: RunConfig,
    registry: Registry,
    names: Sequence[str],
    caller: Caller | None = None,
    *,
    makes_rows: bool = True,
) -> Findings:
    problems = missing_files(config) if "data" in names else []
    if "evaluation" in names and makes_rows:
        problems += _misplaced_evaluations(config, registry)
    errors: list[PluginError] = []
    for error in _errors(config, registry, names, caller):
        if isinstance(error, PluginError):
            errors.append(error)
        else:
            problems += error.problems if isinstance(error, ConfigError) else [str(error)]
    return Findings(config=config, problems=tuple(problems), plugin_errors=tuple(errors))


def _errors(
    config: RunConfig, registry: Registry, names: Sequence[str], caller: Caller | None
) -> Iterator[RowsmithError]:
    if "plugins" in names:
        try:
            registry.require(config.plugins.require)
        except PluginError as error:
            yield error
    for kind, path, ref in _references(config, names):
        yield from _component_errors(registry, kind, path, ref, caller)


def _references(config: RunConfig, names: Sequence[str]) -> Iterator[tuple[Kind, str, ComponentRef]]:
    for name, kind in _KINDS.items():
        value = operator.attrgetter(name)(config) if name in names else None
        if isinstance(value, ComponentRef):
            yield kind, name, value
        elif isinstance(value, tuple):
            for index, ref in enumerate(value):
                yield kind, f"{name}[{index}]", ref
        elif name == "evaluation" and value not in (None, AUTO):
            # Of auto, what is not installed is left out.
            for index, ref in enumerate(evaluations_for(config)):
                yield kind, f"{name}[{index}]", ref
        elif name == "assembler" and name in names and config.grouped:
            # Plain tables are assembled by a bundled plugin; the choice for others may not be installed.
            yield kind, name, assembler_for(config)


def _component_errors(
    registry: Registry, kind: Kind, path: str, ref: ComponentRef, caller: Caller | None
) -> Iterator[RowsmithError]:
    try:
        found = registry.resolve(kind, ref)
        options = registry.options(kind, ref, path=f"{path}.options")
        if isinstance(options, ServerOptions):
            check_key_variable(options, caller, path)
    except RowsmithError as error:
        yield error
        return
    try:
        registry.check_installed(kind, found)
    except PluginError as error:
        yield error
    for name, nested in _nested(options):
        yield from _component_errors(registry, kind, f"{path}.options.{name}", nested, caller)


def _misplaced_evaluations(config: RunConfig, registry: Registry) -> list[str]:
    """Evaluations of a model among those of rows, a line each; what cannot be found is reported elsewhere."""
    lines = []
    for _, path, ref in _references(config, ["evaluation"]):
        with contextlib.suppress(RowsmithError):
            component = registry.resolve(Kind.EVALUATION, ref).component
            if JUDGES_MODEL in component.capabilities:
                lines.append(
                    f"evaluation {component.name!r} asks a trained model and does not compare tables: leave it out, "
                    f"and run it on the finished model with Evaluator.from_checkpoint @ {path}"
                )
    return lines


def installed(kind: Kind, refs: Sequence[ComponentRef], registry: Registry) -> tuple[ComponentRef, ...]:
    """Those components that can be found, and whose packages are installed.

    Args:
        kind: Their kind.
        refs: The components.
        registry: Where they are found.
    """
    return tuple(ref for ref in refs if not any(_component_errors(registry, kind, "", ref, None)))


def _nested(options: Any) -> Iterator[tuple[str, ComponentRef]]:
    """Components of the same kind that options name, as combined stopping policies do."""
    if not attrs.has(type(options)):
        return
    for attribute in attrs.fields(type(options)):
        value = getattr(options, attribute.name)
        if isinstance(value, ComponentRef):
            yield attribute.name, value
        elif isinstance(value, tuple):
            refs = [ref for ref in value if isinstance(ref, ComponentRef)]
            yield from ((f"{attribute.name}[{index}]", ref) for index, ref in enumerate(refs))


def _sound_parts(
    path: str | Path | None, overrides: Sequence[str], values: Mapping[str, Any] | None
) -> Iterator[tuple[str, RunConfig]]:
    """Each setting of a faulty configuration that names components and is sound by itself."""
    try:
        document = {} if path is None else config_file.parse(config_file.read(Path(path)))[0]
        merged = merge(document if isinstance(document, Mapping) else {}, values or {})
        for override in overrides:
            merged = apply_override(merged, override, to_mapping(RunConfig()))
    except ConfigError:
        return
    shared: dict[str, Any] = {}
    for name in _SETTINGS:
        section = name.partition(".")[0]
        if section not in merged:
            continue
        try:
            yield name, load_config(values={**shared, section: merged[section]})
        except ConfigError:
            continue
        if name == "plugins":
            shared = {name: merged[name]}


def missing_files(config: RunConfig) -> list[str]:
    """What is wrong with the files that a configuration names, a line each."""
    named = {"data.source": config.data.source, "data.holdout": config.data.holdout}
    return [
        f"there is no file {value}; check the path @ {path}"
        for path, value in named.items()
        if isinstance(value, str) and not Path(value).exists()
    ]
