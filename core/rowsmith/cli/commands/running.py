"""Calls the library for the commands that learn and write, and prints what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, frozen

from rowsmith.cli.display.messages import tell
from rowsmith.cli.display.progress import reporting
from rowsmith.cli.display.sanitizer import json_text
from rowsmith.cli.display.settings import Settings, settle
from rowsmith.cli.display.streams import data_stream
from rowsmith.cli.display.wording import outcome_line
from rowsmith.cli.failures import ExitCode
from rowsmith.cli.interrupts import interrupted_code, interruptible
from rowsmith.cli.parameters import check_rows, default_run_directory, run_directory_path
from rowsmith.config import RunConfig, load_config, to_mapping
from rowsmith.config.layering import merge
from rowsmith.config.yaml_file import dump
from rowsmith.interruption import StopRequest
from rowsmith.model.distributed import Ranks
from rowsmith.plugins.permissions import Caller, factories_in
from rowsmith.runs.reporting import Reporter
from rowsmith.runs.saved_plan import take_up
from rowsmith.runs.validation import registry_for, said
from rowsmith.storage.run_directory import RunDirectory

if TYPE_CHECKING:
    from rowsmith.runs.jobs import Outcome, Output
    from rowsmith.runs.stages import Run

__all__ = ["Call", "dry_run", "finish", "generate", "run", "train", "working"]


@frozen(kw_only=True)
class Call:
    """What a command was called with.

    Attributes:
        settings: How much is told, and how.
        values: Settings of the configuration that have options of their own.
        options: The options.
    """

    settings: Settings
    values: Mapping[str, Any]
    options: Mapping[str, Any]

    @property
    def caller(self) -> Caller:
        """What the user said with the call itself."""
        given = said(self.options["overrides"], self.values)
        return evolve(given, fetch_base=self.options.get("fetch_base", False))

    def config(self, below: RunConfig | None = None) -> RunConfig:
        """The configuration: file, then options, then ``--set``."""
        values = self.values if below is None else merge(to_mapping(below), self.values)
        config = load_config(self.options.get("config"), self.options["overrides"], values)
        check_rows(config, self.options.get("rows"))
        if below is None and config.data.source is None:
            raise click.UsageError("which table? Name a file, or give --config with data.source")
        return config

    def directory(self, source: str | None = None) -> RunDirectory:
        """The run directory that was named, or a new one."""
        named = self.options.get("run_dir")
        if named is None and self.options.get("resume"):
            raise click.UsageError("--resume needs --run-dir: the directory of the run to go on with")
        if self.options.get("resume") and self.options.get("force"):
            raise click.UsageError("--resume takes up what is there and --force overwrites it; give one of them")
        return RunDirectory(default_run_directory(source) if named is None else run_directory_path(named))


@frozen
class Work:
    """What a command that works gets.

    Attributes:
        reporter: Tells progress on stderr.
        stop: Is asked to end on Ctrl-C and by the system.
    """

    reporter: Reporter
    stop: StopRequest


@contextlib.contextmanager
def working(settings: Settings) -> Iterator[Work]:
    """Progress on stderr, and interrupts handled."""
    with interruptible() as stop, reporting(settings) as reporter:
        yield Work(reporter, stop)


def run(call: Call) -> int:
    """Learn and write; returns the exit code."""
    _prepare(call)
    from rowsmith.runs.jobs import run_job

    config = call.config()
    directory = call.directory(config.data.source)
    with data_stream() as stdout:
        code = _over(call, directory, stdout) if call.options["resume"] else None
        if code is not None:
            return code
        with working(call.settings) as work:
            run_ = _run(call, config, directory, work)
            outcome = run_job(
                run_,
                output=_output(call, stdout),
                force=call.options["force"],
                rejected_text=call.options["rejected_text"],
                csv_safe=call.options["csv_safe"],
            )
        return finish(call.settings, outcome, run_.directory, call.options["output"], stdout)


def train(call: Call) -> int:
    """Learn; returns the exit code."""
    settle(call.settings)
    from rowsmith.runs.jobs import follow_job, train_job
    from rowsmith.runs.result_files import metrics

    config, ranks = call.config(), Ranks.current()
    if not ranks.leads:
        with interruptible() as stop:
            follow_job(_run(call, config, call.directory(config.data.source), Work(Reporter(), stop), ranks))
        return ExitCode.DONE
    with data_stream() as stdout:
        with working(call.settings) as work:
            run_ = _run(call, config, call.directory(config.data.source), work, ranks)
            trained = train_job(run_, force=call.options["force"])
        if call.settings.json:
            changed = trained.bundle.transforms.changed
            figures = metrics(None, trained.bundle.report, trained.seconds, changed=changed)
            _write_json(stdout, {**figures, "run_directory": str(run_.directory.root)})
        place = run_.directory.root
        _tell(call.settings, f"the model is in {place}; for rows: rowsmith generate --run-dir {place}")
    return ExitCode.DONE


def generate(call: Call) -> int:
    """Write rows with a model that is there; returns the exit code."""
    _prepare(call)
    from rowsmith.runs.jobs import generate_job, saved_plan

    directory = call.directory()
    saved = saved_plan(directory).config
    taken = take_up(
        saved,
        directory.root,
        call.config,
        caller=call.caller,
        registry=registry_for(saved),
        allow_factory=call.options["allow_factory"],
    )
    config = taken.config
    with data_stream() as stdout:
        with working(call.settings) as work:
            outcome = generate_job(
                evolve(_run(call, config, directory, work), registry=taken.registry, caller=taken.caller),
                output=_output(call, stdout),
                force=call.options["force"],
                rejected_text=call.options["rejected_text"],
                csv_safe=call.options["csv_safe"],
                further=call.options["seed"] is None and config.seed == saved.seed,
            )
        return finish(call.settings, outcome, directory, call.options["output"], stdout)


def dry_run(call: Call) -> int:
    """Check, and show the plan; returns the exit code."""
    settle(call.settings)
    from rowsmith.runs.jobs import dry_run as plan_run

    config = call.config()
    with data_stream() as stdout:
        with working(call.settings) as work:
            plan = plan_run(_run(call, config, call.directory(config.data.source), work)).to_mapping()
        if call.settings.json:
            _write_json(stdout, plan)
        else:
            stdout.write(dump(plan).encode())
    return ExitCode.DONE


def finish(settings: Settings, outcome: Outcome, directory: RunDirectory, output: str | None, stdout: Any) -> int:
    """Tell how a run ended.

    Args:
        settings: How much is told, and how.
        outcome: The outcome.
        directory: The run directory.
        output: Where the user wanted the rows.
        stdout: Where JSON goes.

    Returns:
        The exit code.
    """
    from rowsmith.cli.display.summary_table import print_summary

    if settings.json:
        places = {"run_directory": directory.root, "result": outcome.result, "output": output}
        named = {name: None if place is None else str(place) for name, place in places.items()}
        _write_json(stdout, {**outcome.metrics, **named})
    if not settings.quiet:
        print_summary(outcome.summary)
    place = "stdout" if output == "-" else output or str(outcome.result)
    results, wanted = outcome.results, outcome.plan.config.generation
    groups = results.groups_made(wanted.num_groups)
    _tell(settings, outcome_line(results.num_rows, wanted.num_records, results.stop_reason, place, groups))
    if outcome.interrupted:
        return interrupted_code()
    return ExitCode.DONE if outcome.complete else ExitCode.SHORT


def _over(call: Call, directory: RunDirectory, stdout: Any) -> int | None:
    """Tell of a run that was over before it was to be resumed; None when it is not."""
    from rowsmith.runs.jobs import finished

    output = call.options["output"]
    figures = None if output == "-" else finished(directory, None if output is None else Path(output))
    if figures is None:
        return None
    if call.settings.json:
        _write_json(stdout, {**figures, "run_directory": str(directory.root)})
    _tell(call.settings, f"the run in {directory.root} is finished already: {figures['rows']:,} rows")
    return ExitCode.DONE if figures["status"] == "complete" else ExitCode.SHORT


def _prepare(call: Call) -> None:
    settle(call.settings)
    if call.settings.json and call.options["output"] == "-":
        raise click.UsageError("--json and -o - both want stdout; send the rows to a file")


def _run(call: Call, config: RunConfig, directory: RunDirectory, work: Work, ranks: Ranks | None = None) -> Run:
    from rowsmith.runs.stages import Run

    return Run(
        config=config,
        # A model that is taken up names no code that the configuration does not.
        registry=registry_for(config).allowing(factories_in(to_mapping(config))),
        caller=call.caller,
        directory=directory,
        reporter=work.reporter,
        resume=call.options["resume"],
        stop=work.stop,
        ranks=ranks or Ranks(),
    )


def _output(call: Call, stdout: Any) -> Output | None:
    from rowsmith.runs.jobs import Output

    output, format_ = call.options["output"], call.options["format_"]
    if output is None:
        if format_ is not None:
            raise click.UsageError("--format goes with --output; the run directory keeps the format of the table")
        return None
    return Output(target=stdout if output == "-" else Path(output), format=format_)


def _write_json(stdout: Any, value: Mapping[str, Any]) -> None:
    stdout.write(f"{json_text(value)}\n".encode())


def _tell(settings: Settings, message: str) -> None:
    if not settings.quiet:
        tell(message)
