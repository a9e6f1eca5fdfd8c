"""One demo run on a table of an installed package, from training to the comparison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsmith.cli.commands.running import report_outcome, run_controls
from rowsmith.cli.display.messages import write_stderr
from rowsmith.cli.display.settings import Settings
from rowsmith.cli.display.streams import data_stream
from rowsmith.cli.parameters import (
    check_rows,
    config_values,
    default_run_directory,
    run_directory_path,
    target_values,
)
from rowsmith.config import load_config
from rowsmith.config.layering import merge
from rowsmith.runs import stages as pipeline
from rowsmith.runs.comparison.series_plot import PLOT_FILE, require_plotting
from rowsmith.runs.jobs import run_job
from rowsmith.runs.validation import registry_for
from rowsmith.storage.run_directory import RunDirectory
from rowsmith_plugins.demonstration.tables import DEMO_TABLES, demo_path

if TYPE_CHECKING:
    from rowsmith.runs.jobs import Outcome

__all__ = ["demonstrate"]


def demonstrate(
    settings: Settings,
    name: str,
    *,
    rows: int | None = None,
    groups: int | None = None,
    max_train_time: float | None = None,
    run_dir: str | None = None,
    force: bool = False,
    overrides: tuple[str, ...] = (),
) -> int:
    """Learn a demo table, generate synthetic rows, and show both side by side.

    Args:
        settings: Verbosity and output format.
        name: The table.
        rows: Number of rows to generate; by default as many as the table has, or the table's number of groups.
        groups: Number of groups or series to generate.
        max_train_time: Training time in seconds; by default the table's own.
        run_dir: The run directory; a new one by default.
        force: Whether to overwrite an earlier result.
        overrides: Further settings, as for ``--set``.

    Returns:
        The exit code.
    """
    from rowsmith.table import read_table

    table, path = DEMO_TABLES[name], demo_path(name)
    target = target_values(rows, groups or (None if rows else table.groups))
    if rows is None and table.groups is None:
        target["generation__num_records"] = len(read_table(path))
    values: dict[str, Any] = config_values(
        data__source=str(path), training__max_time=max_train_time or table.seconds, **target
    )
    for section, settings_ in table.settings.items():
        values = merge(values, {section: settings_})
    config = load_config(None, overrides, values)
    check_rows(config, rows)
    if config.grouped:
        require_plotting()
    directory = RunDirectory(default_run_directory(name) if run_dir is None else run_directory_path(run_dir))
    with data_stream() as stdout:
        with run_controls(settings) as controls:
            run = pipeline.Run(
                config=config,
                registry=registry_for(config),
                directory=directory,
                reporter=controls.reporter,
                stop=controls.stop,
            )
            outcome = run_job(run, force=force)
        code = report_outcome(settings, outcome, directory, None, stdout)
    if config.grouped and outcome.results.num_rows:
        page = _draw(run, outcome)
        if not settings.quiet:
            write_stderr(f"real and synthetic groups side by side: {page}")
    return code


def _draw(run: pipeline.Run, outcome: Outcome) -> Path:
    """Write the page with some groups of both tables."""
    from rowsmith.runs.comparison.series_plot import series_page
    from rowsmith.sequences import with_identifier
    from rowsmith.table import Table, read_table
    from rowsmith.table.frames.respelling import spell_frame

    config = run.config
    assert config.data.source is not None
    real = read_table(config.data.source, types=config.data.types, options=config.data.read_options)
    identifier = outcome.results.identifier
    schema = with_identifier(real.schema, identifier)
    synthetic = Table(spell_frame(outcome.results.df, schema), schema)
    return run.directory.write_text(PLOT_FILE, series_page(real, synthetic, config, identifier))
