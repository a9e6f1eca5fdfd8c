"""The command ``init``."""

from __future__ import annotations

from pathlib import Path

import click

from rowsmith.cli.display.messages import write_stderr
from rowsmith.cli.display.settings import Settings, apply_settings, shared_options
from rowsmith.cli.failures import ExitCode

__all__ = ["init"]


@click.command()
@click.argument("data")
@click.option("-o", "--output", default="rowsmith.yaml", show_default=True, help="The file to write, or - for stdout.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@shared_options
@click.pass_obj
def init(settings: Settings, /, data: str, output: str, force: bool) -> int:
    """Look at the table DATA and write a configuration to start from."""
    apply_settings(settings)
    from rowsmith.cli.commands.starting_config import starting_config, write_text
    from rowsmith.table.files.found_options import found_options

    options, table = found_options(data)
    text = starting_config(data, table, options)
    if output == "-":
        click.echo(text, nl=False)
        return ExitCode.DONE
    write_text(Path(output), text, force=force)
    if not settings.quiet:
        write_stderr(f"{output} is written; try it with: rowsmith run --config {output}")
    return ExitCode.DONE
