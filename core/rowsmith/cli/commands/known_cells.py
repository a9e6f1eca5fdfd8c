"""The commands ``impute`` and ``score``: rows of which some cells are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowsmith.cli.display.sanitizer import json_text
from rowsmith.cli.display.settings import Settings, apply_settings, shared_options
from rowsmith.cli.display.streams import data_stream
from rowsmith.cli.failures import ExitCode
from rowsmith.cli.parameters import FACTORY, config_values, run_directory_path

if TYPE_CHECKING:
    import pandas as pd

    from rowsmith.model import Bundle
    from rowsmith.runs.stages import Run

__all__ = ["impute", "score"]

_FILE = click.Path(exists=True, dir_okay=False)


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        [
            click.argument("data", type=_FILE),
            click.option("--run-dir", required=True, help="The run directory of a trained model."),
            click.option("-o", "--output", help="Where the result goes: a file.  [default: stdout]"),
            click.option("--force", is_flag=True, help="Overwrite the file."),
            click.option("--seed", type=click.IntRange(min=0), help="Seed of the draws.  [default: that of the run]"),
            click.option(
                "--allow-factory",
                multiple=True,
                type=FACTORY,
                metavar="MODULE:NAME",
                help="Run this code, which the model names; may be repeated.",
            ),
            click.option(
                "--set", "overrides", multiple=True, metavar="A.B=C", help="Set any value of the configuration."
            ),
        ]
    ):
        command = option(command)
    return shared_options(command)


@click.command()
@_options
@click.option("--column", "columns", multiple=True, metavar="COLUMN", help="Fill only this column; may be repeated.")
@click.pass_obj
def impute(settings: Settings, /, data: str, columns: tuple[str, ...], **options: Any) -> int:
    """Fill the missing cells of DATA with values drawn from a trained model, given the other cells of their row.

    DATA has some or all columns of the table that was learned; columns that it lacks are filled whole.
    """
    apply_settings(settings)
    from rowsmith.runs.known_cells import imputed
    from rowsmith.runs.result_files import output_format, write_output

    target = _target(options)
    with data_stream() as stdout, _loaded(settings, data, options) as (run, bundle, frame):
        table = imputed(run, bundle, frame, columns or None)
        format_ = output_format(data, bundle.table_schema)
        write_output(target or stdout, table, bundle.table_schema, None if target else format_)
        run.reporter.note(f"{table.num_rows:,} rows, {int(frame.isna().sum().sum()):,} missing cells in the given ones")
    return ExitCode.DONE


@click.command()
@_options
@click.pass_obj
def score(settings: Settings, /, data: str, **options: Any) -> int:
    """Write the log-probability of each row of DATA under a trained model: a column log_prob, in nats."""
    apply_settings(settings)
    from rowsmith.runs.known_cells import log_probabilities
    from rowsmith.runs.result_files import write_output
    from rowsmith.table import from_frame

    target = _target(options)
    with data_stream() as stdout, _loaded(settings, data, options) as (run, bundle, frame):
        found = log_probabilities(run, bundle, frame)
        scores = from_frame(found.to_frame())
        write_output(target or stdout, scores.columns, scores.schema, None if target else "csv")
        bits = -float(found.mean()) / math.log(2)
        if settings.json:
            run.reporter.note(json_text({"rows": len(found), "bits": bits}))
        else:
            run.reporter.note(f"{len(found):,} rows, {bits:.2f} bits a row")
    return ExitCode.DONE


def _target(options: dict[str, Any]) -> Path | None:
    from rowsmith.runs.result_files import check_output

    if options["output"] in (None, "-"):
        return None
    target = Path(options["output"])
    check_output(target, force=options["force"])
    return target


@contextmanager
def _loaded(settings: Settings, data: str, options: dict[str, Any]) -> Iterator[tuple[Run, Bundle, pd.DataFrame]]:
    """The saved model and the rows."""
    from attrs import evolve

    from rowsmith.cli.commands.running import Call, run_controls
    from rowsmith.config.defaults import resolved
    from rowsmith.model import load_bundle
    from rowsmith.runs.jobs import saved_plan
    from rowsmith.runs.plan.saved_settings import saved_model_settings
    from rowsmith.runs.stages import Run
    from rowsmith.runs.validation import registry_for
    from rowsmith.storage.run_directory import RunDirectory
    from rowsmith.table import read_table

    call = Call(settings=settings, values=config_values(seed=options["seed"]), options=options)
    directory = RunDirectory(run_directory_path(options["run_dir"]))
    saved = saved_plan(directory).config
    found = saved_model_settings(
        saved,
        directory.root,
        call.config,
        caller=call.caller,
        registry=registry_for(saved),
        allow_factory=options["allow_factory"],
    )
    with run_controls(settings) as controls:
        run = Run(
            config=found.config,
            registry=found.registry,
            directory=directory,
            reporter=controls.reporter,
            stop=controls.stop,
            caller=found.caller,
        )
        bundle = load_bundle(run.bundle_directory, run.context())
        run = evolve(run, config=resolved(run.config, bundle.model_schema))
        table = read_table(Path(data), options=saved.data.read_options)
        yield run, bundle, table.to_frame()
