"""A click group that imports its commands on use.

Bundled commands are named as ``module:command``; further ones come from plugins. Plugins are only loaded to list all
commands, or to find one that is not bundled.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import click
from attrs import frozen

from rowsmith.errors import AmbiguousComponent, PluginContractError
from rowsmith.plugins.records import ProvidedCommand

__all__ = ["BundledCommand", "LazyGroup"]


@frozen
class BundledCommand:
    """A bundled command.

    Attributes:
        target: ``module:command``.
        help: One line for the list of commands.
    """

    target: str
    help: str


class LazyGroup(click.Group):
    """A group that imports its commands on use.

    Args:
        *args: As for ``click.Group``.
        listed: The bundled commands by name, in display order.
        found: Returns the commands of plugins by name; None for a group that plugins cannot extend.
        **kwargs: As for ``click.Group``.
    """

    def __init__(
        self,
        *args: Any,
        listed: Mapping[str, BundledCommand] | None = None,
        found: Callable[[], Mapping[str, tuple[ProvidedCommand, ...]]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._listed = dict(listed or {})
        self._found = found or dict

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands: the bundled ones, then those of plugins."""
        return [*self._listed, *(name for name in self._found() if name not in self._listed)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, imported; None if there is none."""
        if cmd_name in self._listed:
            module, _, name = self._listed[cmd_name].target.partition(":")
            command: click.Command = getattr(importlib.import_module(module), name)
            return command
        providers = self._found().get(cmd_name, ())
        return _plugin_command(cmd_name, providers) if providers else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command to call, with a hint where the name is misspelled."""
        name = args[0]
        if not name.startswith("-") and not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            close = difflib.get_close_matches(name, self.list_commands(ctx), 1)
            hint = f" Did you mean {close[0]!r}?" if close else f" See '{ctx.command_path} --help'."
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        bundled = [(name, command.help) for name, command in self._listed.items()]
        plugins = [
            (name, f"{providers[0].command.help} [{providers[0].distribution}]".strip())
            for name, providers in self._found().items()
            if name not in self._listed
        ]
        for title, rows in (("Commands", bundled), ("Commands of plugins", plugins)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _plugin_command(name: str, providers: tuple[ProvidedCommand, ...]) -> click.Command:
    from rowsmith.plugins.imports import import_target

    if len(providers) > 1:
        names = ", ".join(f"{each.plugin!r} ({each.distribution} {each.version})" for each in providers)
        raise AmbiguousComponent(
            f"The command {name!r} is provided by more than one plugin: {names}. "
            "Leave all but one out with ROWSMITH_DISABLE_PLUGINS."
        )
    provider = providers[0]
    title = f"The command {name!r} of plugin {provider.plugin!r} ({provider.distribution} {provider.version})"
    command = import_target(provider.command.target, title)
    if not isinstance(command, click.Command):
        raise PluginContractError(f"{title} is {type(command).__name__}, not a click command.")
    return command
