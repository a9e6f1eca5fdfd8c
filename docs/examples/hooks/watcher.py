"""A plugin in one file: all three observers, writing to standard error."""

import sys

from rowsmith import hookimpl
from rowsmith.observers import BatchReport, RunInfo, RunReport


@hookimpl
def rowsmith_run_started(run: RunInfo) -> None:
    """A run begins."""
    print(f"watcher: started, seed {run.config.seed}", file=sys.stderr)


@hookimpl
def rowsmith_batch_finished(run: RunInfo, batch: BatchReport) -> None:
    """A batch of completions has been read."""
    print(f"watcher: batch {batch.number}, {batch.valid_records} of {batch.prompts}", file=sys.stderr)


@hookimpl
def rowsmith_run_finished(report: RunReport) -> None:
    """A run has ended; an argument that is not needed may be left out."""
    print(f"watcher: {report.status}, {report.rows} rows", file=sys.stderr)
