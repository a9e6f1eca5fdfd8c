"""The command ``demo``."""

from __future__ import annotations

from typing import Any

import click

from rowsmith.cli.display.messages import write_stderr
from rowsmith.cli.display.settings import Settings, apply_settings, shared_options
from rowsmith.cli.failures import ExitCode
from rowsmith.cli.parameters import DURATION
from rowsmith_plugins.demonstration.tables import DEMO_MODES, DEMO_TABLES

__all__ = ["demo"]


@click.command()
@click.option(
    "--mode",
    type=click.Choice([*DEMO_MODES]),
    default="tabular",
    show_default=True,
    help="Independent rows, groups of ordered rows, or time series.",
)
@click.option("--table", type=click.Choice([*DEMO_TABLES]), help="Which table.  [default: those of the mode]")
@click.option("-n", "--rows", type=click.IntRange(min=1), help="Number of rows.  [default: those of the table]")
@click.option("-g", "--groups", type=click.IntRange(min=1), help="Number of groups or series.")
@click.option("--max-train-time", type=DURATION, help="Training time, such as 20s.  [default: 60s, less for tips]")
@click.option("--run-dir", help="The run directory.  [default: rowsmith-runs/NAME-TIME]")
@click.option("--force", is_flag=True, help="Overwrite an earlier result.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Set any value of the configuration.")
@shared_options
@click.pass_obj
def demo(settings: Settings, /, mode: str, table: str | None, **options: Any) -> int:
    """Learn real public tables and generate rows like them.

    The tables are part of installed packages; nothing is downloaded. A page in the run directory shows
    synthetic groups and series next to real ones.
    """
    apply_settings(settings)
    from rowsmith_plugins.demonstration.running import demonstrate

    names = DEMO_MODES[mode] if table is None else (table,)
    if len(names) > 1 and options["run_dir"] is not None:
        raise click.UsageError("--run-dir holds one run; choose one with --table")
    codes = []
    for name in names:
        if not settings.quiet:
            write_stderr(f"\n{name}: {DEMO_TABLES[name].about}")
        codes.append(demonstrate(settings, name, **options))
        if codes[-1] in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
            break
    return max(codes)
