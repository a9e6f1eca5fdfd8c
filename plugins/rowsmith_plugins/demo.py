"""Plugin ``demo``: the command that tries Rowsmith on real tables."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import LazyCommand
from rowsmith.hookspecs import hookimpl


@hookimpl
def rowsmith_commands() -> Iterator[LazyCommand]:
    """The command."""
    yield LazyCommand(
        name="demo",
        target="rowsmith_plugins.demonstration.command:demo",
        help="Try it on real tables that come with installed packages.",
    )
