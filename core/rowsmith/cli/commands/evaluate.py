"""The command ``evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowsmith.cli.display.sanitizer import json_text
from rowsmith.cli.display.settings import Settings, apply_settings, shared_options
from rowsmith.cli.display.streams import data_stream
from rowsmith.cli.failures import evaluation_code
from rowsmith.cli.parameters import FACTORY, run_directory_path

if TYPE_CHECKING:
    from rowsmith.evaluation.outcome import EvaluationOutcome
    from rowsmith.interruption import StopRequest
    from rowsmith.runs.reporting import Reporter

__all__ = ["evaluate"]

_FILE = click.Path(exists=True, dir_okay=False)
_FOREIGN = ("holdout", "group_by", "order_by", "time_column", "series_column", "keys")
"""Options about tables without a run directory."""


@click.command()
@click.option("--run-dir", help="The run directory whose rows are judged.")
@click.option("--real", type=_FILE, help="The real table; of a run directory by default the one that was learned from.")
@click.option("--synthetic", type=_FILE, help="The synthetic rows; by default those in the run directory.")
@click.option("--holdout", type=_FILE, help="Real rows that were not learned from.")
@click.option("--group-by", multiple=True, metavar="COLUMN", help="Rows alike in it are a group; may be repeated.")
@click.option("--order-by", metavar="COLUMN", help="Orders the rows of a group: numbers or date-times.")
@click.option("--time-column", metavar="COLUMN", help="The table is a time series, and this its column of times.")
@click.option("--series-column", metavar="COLUMN", help="Numbers the synthetic series where the real table is one.")
@click.option("--keys", multiple=True, metavar="COLUMN", help="A column that only identifies rows; may be repeated.")
@click.option("--quick", is_flag=True, help="Only what takes a few seconds.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this evaluation; may be repeated.")
@click.option("-o", "--output", help="The folder of the report.  [default: the run directory]")
@click.option("--strict", is_flag=True, help="End with exit code 1 where a defect is found.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of samples and splits, without --run-dir.")
@click.option("--allow-factory", multiple=True, type=FACTORY, metavar="MODULE:NAME", help="Run this code of no plugin.")
@shared_options
@click.pass_obj
def evaluate(settings: Settings, /, **options: Any) -> int:
    """Judge synthetic rows beside the real ones.

    \b
      rowsmith evaluate --run-dir runs/people
      rowsmith evaluate --real people.csv --synthetic rows.csv --holdout rest.csv

    With --run-dir the rows of a run, beside the table that was learned from and the rows that were held out. Otherwise
    any two tables, of any origin.
    """  # noqa: D301 - click wants the control character
    _check(options)
    apply_settings(settings)
    from rowsmith.cli.commands.running import run_controls
    from rowsmith.cli.display.verdict import print_verdict

    with data_stream() as stdout:
        with run_controls(settings) as controls:
            if options["run_dir"] is not None:
                outcome = _of_run(options, controls.reporter, controls.stop)
            else:
                outcome = _of_files(options, controls.reporter, controls.stop)
        if settings.json:
            report = None if outcome.path is None else str(outcome.path)
            stdout.write(f"{json_text({**outcome.as_dict(), 'report': report})}\n".encode())
        if not settings.quiet:
            print_verdict(outcome.verdict, outcome.findings)
    return evaluation_code(outcome.report, strict=options["strict"])


def _check(options: dict[str, Any]) -> None:
    """Refuse options that contradict each other.

    Raises:
        UsageError: They do, or tables are missing.
    """
    if options["quick"] and options["only"]:
        raise click.UsageError("--quick and --only both choose evaluations; give one of them")
    if options["run_dir"] is None:
        if options["real"] is None or options["synthetic"] is None:
            raise click.UsageError("which rows? Give --run-dir, or both --real and --synthetic")
        return
    given = [f"--{name.replace('_', '-')}" for name in _FOREIGN if options[name]]
    if given:
        raise click.UsageError(f"{', '.join(given)}: the run directory says so already; leave it out")


def _asked(options: dict[str, Any]) -> str | tuple[str, ...]:
    return options["only"] or ("quick" if options["quick"] else "full")


def _of_run(options: dict[str, Any], reporter: Reporter, stop: StopRequest) -> EvaluationOutcome:
    from rowsmith.plugins.imports import check_installed_module
    from rowsmith.runs.evaluation.foreign_tables import chosen_evaluations
    from rowsmith.runs.evaluation.of_run import evaluate_run
    from rowsmith.runs.jobs import saved_plan
    from rowsmith.runs.stages import Run
    from rowsmith.runs.validation import registry_for
    from rowsmith.storage.run_directory import RunDirectory

    directory = RunDirectory(run_directory_path(options["run_dir"]))
    plan = saved_plan(directory)
    for factory in options["allow_factory"]:
        check_installed_module(factory, directory.root)
    run = Run(
        config=chosen_evaluations(plan.config, _asked(options)),
        # Neither model nor server of the run is asked; of its code, only that which the call names is run.
        registry=registry_for(plan.config).with_allowed_factories(frozenset(options["allow_factory"])),
        directory=directory,
        reporter=reporter,
        stop=stop,
    )
    return evaluate_run(
        run,
        plan,
        real=_path(options["real"]),
        synthetic=_path(options["synthetic"]),
        output=None if options["output"] is None else RunDirectory(run_directory_path(options["output"])),
    )


def _of_files(options: dict[str, Any], reporter: Reporter, stop: StopRequest) -> EvaluationOutcome:
    import time

    from attrs import evolve

    from rowsmith.runs.evaluation.foreign_tables import evaluate_tables

    started = time.monotonic()
    reporter.stage_started("evaluating")
    outcome = evaluate_tables(
        options["real"],
        options["synthetic"],
        options["holdout"],
        group_by=list(options["group_by"]) or None,
        order_by=options["order_by"],
        time_column=options["time_column"],
        series_column=options["series_column"],
        keys=options["keys"],
        evaluation=_asked(options),
        seed=options["seed"],
        stop=stop,
    )
    reporter.stage_finished("evaluating", time.monotonic() - started)
    if options["output"] is None:
        return outcome
    return evolve(outcome, path=outcome.save(run_directory_path(options["output"])))


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)
