"""The commands that learn and write: ``run``, ``train`` and ``generate``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rowsmith.cli.display.settings import Settings, shared_options
from rowsmith.cli.parameters import (
    DURATION,
    FACTORY,
    HOLDOUT,
    config_values,
    given_values,
    sequence_values,
    target_values,
)

__all__ = ["generate", "run", "train"]

F = TypeVar("F", bound=Callable[..., Any])

_FORMATS = click.Choice(["csv", "tsv", "jsonl", "parquet"])


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_set = click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Set any value of the configuration.")
_seed = click.option("--seed", type=click.IntRange(min=0), help="Seed of everything random.")
_draws_seed = click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of the rows; without it, every call makes further rows."
)
_allow_factory = click.option(
    "--allow-factory",
    multiple=True,
    type=FACTORY,
    metavar="MODULE:NAME",
    help="Run this code, which the model names; may be repeated.",
)
_fetch_base = click.option(
    "--fetch-base", is_flag=True, help="Fetch the pretrained model that an adapter needs from the hub."
)
_force = click.option("--force", is_flag=True, help="Overwrite an earlier result.")
_resume = click.option("--resume", is_flag=True, help="Continue an interrupted run.")
_dry_run = click.option("--dry-run", is_flag=True, help="Check everything, show the plan, write nothing.")
_evaluate = click.option(
    "--evaluate/--no-evaluate", default=None, help="Evaluate the rows at the end.  [default: as configured, quickly]"
)
_evaluate_rows = click.option(
    "--evaluate", is_flag=True, help="Evaluate the rows beside the real table, which is read again."
)
_strict = click.option("--strict", is_flag=True, help="End with exit code 1 where the evaluation finds a defect.")
_rows = _options(
    click.option("-n", "--rows", type=click.IntRange(min=1), help="How many rows to write.  [default: 1000]"),
    click.option("-g", "--groups", type=click.IntRange(min=1), help="How many groups to write, instead of --rows."),
    click.option(
        "--given",
        multiple=True,
        metavar="COLUMN=VALUE",
        help="Only rows with this value, or with LOW..HIGH; may be repeated.",
    ),
    click.option(
        "--constraint", "constraints", multiple=True, metavar="A<=B", help="Holds in each row; may be repeated."
    ),
)
_learning = _options(
    click.option("-c", "--config", type=click.Path(dir_okay=False), help="A configuration file."),
    click.option("--group-by", multiple=True, metavar="COLUMN", help="Rows alike in it are a group; may be repeated."),
    click.option("--order-by", metavar="COLUMN", help="Orders the rows of a group: numbers or date-times."),
    click.option("--time-column", metavar="COLUMN", help="The table is a time series, and this its column of times."),
    click.option("--max-train-time", type=DURATION, help="Training time, such as 120s or 5m.  [default: 120s]"),
    click.option("--holdout", type=HOLDOUT, help="Rows never trained on: share, number or file.  [default: 0.05]"),
    click.option("--run-dir", help="The run directory.  [default: rowsmith-runs/NAME-TIME]"),
)
_writing = _options(
    click.option("-o", "--output", help="Where the rows go: a file, or - for stdout."),
    click.option("--format", "format_", type=_FORMATS, help="Format of the rows.  [default: that of output or DATA]"),
    click.option("--rejected-text", is_flag=True, help="Write the text of rejected records, not only the reasons."),
    click.option("--csv-safe", is_flag=True, help="In CSV, put ' before text that a spreadsheet takes for a formula."),
)


@click.command()
@click.argument("data", required=False)
@_learning
@_rows
@_writing
@_options(_evaluate, _strict, _seed, _resume, _force, _dry_run, _set)
@shared_options
@click.pass_obj
def run(settings: Settings, /, data: str | None, dry_run: bool, **options: Any) -> int:
    """Learn the table DATA and write rows like it.

    DATA is a CSV, JSON lines or Parquet file. Model, plan and metrics are written to a run directory; the
    rows too, and in --output besides.
    """
    from rowsmith.cli.commands import running

    values = _learned_values(data, options)
    call = running.Call(settings=settings, values=values, options=options)
    return running.dry_run(call) if dry_run else running.run(call)


@click.command()
@click.argument("data", required=False)
@_learning
@_options(_seed, _resume, _force, _dry_run, _set)
@shared_options
@click.pass_obj
def train(settings: Settings, /, data: str | None, dry_run: bool, **options: Any) -> int:
    """Learn the table DATA and save the model in a run directory."""
    from rowsmith.cli.commands import running

    call = running.Call(settings=settings, values=_learned_values(data, options), options=options)
    return running.dry_run(call) if dry_run else running.train(call)


@click.command()
@click.option("--run-dir", required=True, help="The run directory of a trained model.")
@_rows
@_writing
@_options(_evaluate_rows, _strict, _draws_seed, _resume, _force, _allow_factory, _fetch_base, _set)
@shared_options
@click.pass_obj
def generate(settings: Settings, /, **options: Any) -> int:
    """Write rows with the model of a run directory.

    With --output the rows go there alone; without it they go to the run directory.
    """
    from rowsmith.cli.commands import running

    values = config_values(
        seed=options["seed"],
        **target_values(options["rows"], options["groups"]),
        **given_values(options["given"], options["constraints"]),
    )
    return running.generate(running.Call(settings=settings, values=values, options=options))


def _learned_values(data: str | None, options: dict[str, Any]) -> dict[str, Any]:
    return config_values(
        data__source=data,
        data__holdout=options["holdout"],
        **sequence_values(options["group_by"], options["order_by"], options["time_column"]),
        training__max_time=options["max_train_time"],
        seed=options["seed"],
        evaluation="none" if options.get("evaluate") is False else None,
        **target_values(options.get("rows"), options.get("groups")),
        **given_values(options.get("given", ()), options.get("constraints", ())),
    )
