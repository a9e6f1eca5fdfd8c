"""One demo run: a table that lies inside an installed package, from end to end."""

from __future__ import annotations

from typing import Any

from rowsmith import pipeline
from rowsmith.cli.parameters import config_values, default_run_directory, run_directory_path
from rowsmith.cli.running import finish, working
from rowsmith.cli.settings import Settings
from rowsmith.cli.streams import data_stream
from rowsmith.config import load_config
from rowsmith.demo_tables import DEMO_TABLES, demo_path
from rowsmith.jobs import run_job
from rowsmith.run_directory import RunDirectory
from rowsmith.validation import registry_for

__all__ = ["demonstrate"]


def demonstrate(
    settings: Settings,
    name: str,
    *,
    rows: int | None = None,
    max_train_time: float | None = None,
    run_dir: str | None = None,
    force: bool = False,
    overrides: tuple[str, ...] = (),
) -> int:
    """Learn a demo table, write rows like it, and show both side by side.

    Args:
        settings: How much is told, and how.
        name: The table.
        rows: How many rows to write; by default as many as the table has.
        max_train_time: Training time in seconds; by default the table's own.
        run_dir: Where everything is kept; a new directory by default.
        force: Whether an earlier result may be overwritten.
        overrides: Further settings, as for ``--set``.

    Returns:
        The exit code.
    """
    from rowsmith.table import read_table

    path = demo_path(name)
    values: dict[str, Any] = config_values(
        data__source=str(path),
        training__max_time=max_train_time or DEMO_TABLES[name].seconds,
        generation__num_records=rows or len(read_table(path)),
    )
    config = load_config(None, overrides, values)
    directory = RunDirectory(default_run_directory(name) if run_dir is None else run_directory_path(run_dir))
    with data_stream() as stdout:
        with working(settings) as work:
            run = pipeline.Run(
                config=config,
                registry=registry_for(config),
                directory=directory,
                reporter=work.reporter,
                stop=work.stop,
            )
            outcome = run_job(run, force=force)
        return finish(settings, outcome, directory, None, stdout)
