"""Read the table of a run, and split it into training rows and held-out rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rowsmith.conditions import row_tests
from rowsmith.errors import ConfigError
from rowsmith.sequences import TrainingPart, training_part
from rowsmith.table.frames.categories import with_open_names

if TYPE_CHECKING:
    from rowsmith.runs.stages.run import Run
    from rowsmith.table import Table

__all__ = ["read", "report_notes", "split"]


def read(run: Run) -> Table:
    """Read the table that the configuration names.

    Raises:
        ConfigError: It names none.
        DataError: The table cannot be used.
    """
    from rowsmith.table import read_table

    source = run.config.data.source
    if source is None:
        raise ConfigError(["data.source: which table? Give a file, or pass a DataFrame to Synthesizer.fit"])
    with run.stage("reading") as detail:
        table = read_table(Path(source), types=run.config.data.types, options=run.config.data.read_options)
        detail.append(f"{len(table):,} rows, {len(table.schema)} columns")
    report_notes(run, table)
    return table


def report_notes(run: Run, table: Table) -> None:
    """Report the notes of the reader on a table."""
    for note in table.notes:
        run.reporter.note(note)


def split(run: Run, table: Table) -> TrainingPart:
    """Arrange a table, and hold rows out.

    Raises:
        ConfigError: A column is not in the table, or has no value that a condition names.
        DataError: The rows cannot be arranged, or too few are left to train on.
    """
    row_tests(run.config.generation, table.schema)
    return training_part(with_open_names(table, run.config.data.group_columns), run.config, run.seeds)
