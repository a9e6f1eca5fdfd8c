"""The commands ``plugins list`` and ``plugins show``."""

from __future__ import annotations

import click

from rowsmith.cli.display.sanitizer import json_text
from rowsmith.cli.display.settings import Settings, json_option
from rowsmith.cli.failures import ExitCode
from rowsmith.cli.lazy import BundledCommand, LazyGroup
from rowsmith.components import Kind
from rowsmith.plugins import Registry

__all__ = ["list_", "plugins", "show"]

_COMMANDS = {
    "list": BundledCommand(
        "rowsmith.cli.commands.plugins:list_", "List plugins, failed ones too, and what they provide."
    ),
    "show": BundledCommand(
        "rowsmith.cli.commands.plugins:show", "Show a component: options, requirements, an example."
    ),
}


@click.group(cls=LazyGroup, listed=_COMMANDS)
def plugins() -> None:
    """Show plugins and what they provide."""


@click.command("list")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only components of this kind.")
@json_option
@click.pass_obj
def list_(settings: Settings, /, kind: str | None) -> int:
    """List plugins, failed ones too, and what they provide."""
    from rowsmith.cli.commands.plugin_listing import listing, render

    rows = listing(Registry(), None if kind is None else Kind(kind))
    click.echo(json_text({"plugins": rows}) if settings.json else render(rows))
    return ExitCode.DONE


@click.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(settings: Settings, /, name: str) -> int:
    """Show the component NAME (or plugin:name, or all of a plugin's): options, requirements, an example."""
    from rowsmith.cli.commands.component_pages import pages, render

    found = pages(Registry(), name)
    click.echo(json_text({"components": found}) if settings.json else "\n\n".join(render(page) for page in found))
    return ExitCode.DONE
