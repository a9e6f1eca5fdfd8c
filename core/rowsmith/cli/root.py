"""The command ``rowsmith`` and its error handling."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from rowsmith import __version__
from rowsmith.cli.display.sanitizer import filtered_streams
from rowsmith.cli.display.settings import Settings
from rowsmith.cli.failures import exit_code_of
from rowsmith.cli.lazy import BundledCommand, LazyGroup
from rowsmith.storage.host_process import own_process

if TYPE_CHECKING:
    from rowsmith.plugins.records import ProvidedCommand

__all__ = ["cli"]

_COMMANDS = {
    "run": BundledCommand("rowsmith.cli.commands.run:run", "Learn a table and write rows like it."),
    "train": BundledCommand("rowsmith.cli.commands.run:train", "Learn a table and save the model."),
    "generate": BundledCommand("rowsmith.cli.commands.run:generate", "Write rows with a trained model."),
    "evaluate": BundledCommand("rowsmith.cli.commands.evaluate:evaluate", "Judge synthetic rows beside the real ones."),
    "impute": BundledCommand("rowsmith.cli.commands.known_cells:impute", "Fill missing cells with a trained model."),
    "score": BundledCommand("rowsmith.cli.commands.known_cells:score", "Write the probability of rows under a model."),
    "init": BundledCommand(
        "rowsmith.cli.commands.init:init", "Look at a table and write a configuration to start from."
    ),
    "validate": BundledCommand("rowsmith.cli.commands.validate:validate", "Check a configuration, all of it at once."),
    "plugins": BundledCommand("rowsmith.cli.commands.plugins:plugins", "Show plugins and what they provide."),
}


def _plugin_commands() -> Mapping[str, tuple[ProvidedCommand, ...]]:
    from rowsmith.plugins import Registry

    return Registry().commands


class _Root(LazyGroup):
    """Group that turns errors into messages and exit codes."""

    def main(
        self,
        args: Any = None,
        prog_name: Any = None,
        complete_var: Any = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        settings = Settings()
        extra.setdefault("obj", settings)

        def call() -> Any:
            return super(_Root, self).main(args, prog_name or "rowsmith", complete_var, standalone_mode=False, **extra)

        if not standalone_mode:
            return call()
        own_process()
        with filtered_streams():
            code = exit_code_of(call, extra["obj"])
        sys.exit(code)


@click.group(
    "rowsmith",
    cls=_Root,
    listed=_COMMANDS,
    found=_plugin_commands,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="rowsmith", message="%(prog)s %(version)s")
def cli() -> None:
    """Learn a table with a language model and write new rows like it.

    \b
      rowsmith run people.csv -n 1000 -o synthetic.csv

    Exit codes: 0 done, 1 fewer rows than asked for, or a defect with --strict, 2 wrong usage, configuration or
    data, 3 a plugin is missing or broken, 4 internal error, 5 an evaluation failed, 130 interrupted.
    """  # noqa: D301 - click wants the control character
