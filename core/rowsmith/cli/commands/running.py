"""Runs of the library for the commands that train and generate; prints their outcome."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, frozen

from rowsmith.cli.display.messages import write_stderr
from rowsmith.cli.display.progress import reporting
from rowsmith.cli.display.sanitizer import json_text
from rowsmith.cli.display.settings import Settings, apply_settings
from rowsmith.cli.display.streams import data_stream
from rowsmith.cli.display.wording import outcome_line
from rowsmith.cli.failures import ExitCode, evaluation_code
from rowsmith.cli.interrupts import interrupted_code, interruptible
from rowsmith.cli.parameters import check_rows, default_run_directory, run_directory_path
from rowsmith.config import RunConfig, load_config, to_mapping
from rowsmith.config.defaults import NO_EVALUATION, QUICK_EVALUATION
from rowsmith.config.layering import merge
from rowsmith.config.yaml_file import dump
from rowsmith.interruption import StopRequest
from rowsmith.model.distributed import DistributedEnv
from rowsmith.plugins.permissions import Caller, factories_in
from rowsmith.runs.plan.saved_settings import saved_model_settings
from rowsmith.runs.reporting import Reporter
from rowsmith.runs.validation import caller_of_settings, registry_for
from rowsmith.storage.run_directory import RunDirectory

if TYPE_CHECKING:
    from rowsmith.runs.jobs import Outcome, Output
    from rowsmith.runs.stages import Run

__all__ = ["Call", "dry_run", "generate", "report_outcome", "run", "run_controls", "train"]


@frozen(kw_only=True)
class Call:
    """The arguments of a command.

    Attributes:
        settings: Verbosity and output format.
        values: Settings of the configuration from dedicated options.
        options: All options.
    """

    settings: Settings
    values: Mapping[str, Any]
    options: Mapping[str, Any]

    @property
    def caller(self) -> Caller:
        """Settings and permissions given with the call."""
        given = caller_of_settings(self.options["overrides"], self.values)
        return evolve(given, fetch_base=self.options.get("fetch_base", False))

    def config(self, below: RunConfig | None = None) -> RunConfig:
        """The configuration: file, then options, then ``--set``."""
        values = self.values if below is None else merge(to_mapping(below), self.values)
        config = load_config(self.options.get("config"), self.options["overrides"], values)
        if self.options.get("evaluate") and config.evaluation in (NO_EVALUATION, ()):
            config = evolve(config, evaluation=QUICK_EVALUATION)
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
            raise click.UsageError("--resume continues the earlier run and --force overwrites it; give one of them")
        return RunDirectory(default_run_directory(source) if named is None else run_directory_path(named))


@frozen
class RunControls:
    """Progress reporting and stop request of a command.

    Attributes:
        reporter: Reports progress on stderr.
        stop: Set by Ctrl-C and SIGTERM.
    """

    reporter: Reporter
    stop: StopRequest


@contextlib.contextmanager
def run_controls(settings: Settings) -> Iterator[RunControls]:
    """Report progress on stderr and handle signals within the context."""
    with interruptible() as stop, reporting(settings) as reporter:
        yield RunControls(reporter, stop)


def run(call: Call) -> int:
    """Train and generate; returns the exit code."""
    _prepare(call)
    from rowsmith.runs.jobs import run_job

    config = call.config()
    directory = call.directory(config.data.source)
    with data_stream() as stdout:
        code = _report_finished(call, directory, stdout) if call.options["resume"] else None
        if code is not None:
            return code
        with run_controls(call.settings) as controls:
            run_ = _run(call, config, directory, controls)
            outcome = run_job(
                run_,
                output=_output(call, stdout),
                force=call.options["force"],
                rejected_text=call.options["rejected_text"],
                csv_safe=call.options["csv_safe"],
            )
        return report_outcome(
            call.settings, outcome, run_.directory, call.options["output"], stdout, strict=call.options["strict"]
        )


def train(call: Call) -> int:
    """Train; returns the exit code."""
    apply_settings(call.settings)
    from rowsmith.runs.jobs import follow_job, train_job
    from rowsmith.runs.result_files import metrics

    config, ranks = call.config(), DistributedEnv.current()
    if not ranks.is_main:
        with interruptible() as stop:
            follow_job(_run(call, config, call.directory(config.data.source), RunControls(Reporter(), stop), ranks))
        return ExitCode.DONE
    with data_stream() as stdout:
        with run_controls(call.settings) as controls:
            run_ = _run(call, config, call.directory(config.data.source), controls, ranks)
            trained = train_job(run_, force=call.options["force"])
        if call.settings.json:
            changed = trained.bundle.transforms.changed
            figures = metrics(None, trained.bundle.report, trained.seconds, changed=changed)
            _write_json(stdout, {**figures, "run_directory": str(run_.directory.root)})
        root = run_.directory.root
        _report(call.settings, f"the model is in {root}; for rows: rowsmith generate --run-dir {root}")
    return ExitCode.DONE


def generate(call: Call) -> int:
    """Generate with an existing model; returns the exit code."""
    _prepare(call)
    from rowsmith.runs.jobs import generate_job, saved_plan

    directory = call.directory()
    saved = saved_plan(directory).config
    taken = saved_model_settings(
        saved,
        directory.root,
        call.config,
        caller=call.caller,
        registry=registry_for(saved),
        allow_factory=call.options["allow_factory"],
    )
    config = taken.config
    with data_stream() as stdout:
        with run_controls(call.settings) as controls:
            outcome = generate_job(
                evolve(_run(call, config, directory, controls), registry=taken.registry, caller=taken.caller),
                output=_output(call, stdout),
                force=call.options["force"],
                rejected_text=call.options["rejected_text"],
                csv_safe=call.options["csv_safe"],
                further=call.options["seed"] is None and config.seed == saved.seed,
                evaluate=call.options["evaluate"],
            )
        strict = call.options["strict"]
        return report_outcome(call.settings, outcome, directory, call.options["output"], stdout, strict=strict)


def dry_run(call: Call) -> int:
    """Check the configuration and show the plan; returns the exit code."""
    apply_settings(call.settings)
    from rowsmith.runs.jobs import dry_run as plan_run

    config = call.config()
    with data_stream() as stdout:
        with run_controls(call.settings) as controls:
            plan = plan_run(_run(call, config, call.directory(config.data.source), controls)).to_mapping()
        if call.settings.json:
            _write_json(stdout, plan)
        else:
            stdout.write(dump(plan).encode())
    return ExitCode.DONE


def report_outcome(
    settings: Settings,
    outcome: Outcome,
    directory: RunDirectory,
    output: str | None,
    stdout: Any,
    *,
    strict: bool = False,
) -> int:
    """Report the outcome of a run.

    Args:
        settings: Verbosity and output format.
        outcome: The outcome.
        directory: The run directory.
        output: The requested output of the rows.
        stdout: The stream for JSON.
        strict: Whether a defect that the evaluation found is reported by the exit code.

    Returns:
        The exit code.
    """
    from rowsmith.cli.display.summary_table import print_summary
    from rowsmith.cli.display.verdict import print_verdict

    if settings.json:
        paths = {"run_directory": directory.root, "result": outcome.result, "output": output}
        named = {name: None if path is None else str(path) for name, path in paths.items()}
        _write_json(stdout, {**outcome.metrics, **named})
    if not settings.quiet:
        print_summary(outcome.summary)
    destination = "stdout" if output == "-" else output or str(outcome.result)
    results, wanted = outcome.results, outcome.plan.config.generation
    groups = results.groups_made(wanted.num_groups)
    _report(settings, outcome_line(results.num_rows, wanted.num_records, results.stop_reason, destination, groups))
    if outcome.evaluation is not None and not settings.quiet:
        print_verdict(outcome.evaluation.verdict)
    if outcome.interrupted:
        return interrupted_code()
    if not outcome.complete:
        return ExitCode.SHORT
    return ExitCode.DONE if outcome.evaluation is None else evaluation_code(outcome.evaluation.report, strict=strict)


def _report_finished(call: Call, directory: RunDirectory, stdout: Any) -> int | None:
    """Report a run that is already finished and need not be resumed; returns None if it is not finished."""
    from rowsmith.runs.jobs import finished

    output = call.options["output"]
    figures = None if output == "-" else finished(directory, None if output is None else Path(output))
    if figures is None:
        return None
    if call.settings.json:
        _write_json(stdout, {**figures, "run_directory": str(directory.root)})
    _report(call.settings, f"the run in {directory.root} is finished already: {figures['rows']:,} rows")
    if figures["status"] != "complete":
        return ExitCode.SHORT
    found = figures.get("evaluation") or {}
    if call.options["strict"] and found.get("warnings"):
        return ExitCode.DEFECT
    return ExitCode.EVALUATION if found.get("failed") else ExitCode.DONE


def _prepare(call: Call) -> None:
    apply_settings(call.settings)
    if call.settings.json and call.options["output"] == "-":
        raise click.UsageError("--json and -o - both want stdout; send the rows to a file")


def _run(
    call: Call, config: RunConfig, directory: RunDirectory, controls: RunControls, ranks: DistributedEnv | None = None
) -> Run:
    from rowsmith.runs.stages import Run

    return Run(
        config=config,
        # A resumed model may not name factories that the configuration does not.
        registry=registry_for(config).with_allowed_factories(factories_in(to_mapping(config))),
        caller=call.caller,
        directory=directory,
        reporter=controls.reporter,
        resume=call.options["resume"],
        stop=controls.stop,
        ranks=ranks or DistributedEnv(),
    )


def _output(call: Call, stdout: Any) -> Output | None:
    from rowsmith.runs.jobs import Output

    output, format_ = call.options["output"], call.options["format_"]
    if output is None:
        if format_ is not None:
            raise click.UsageError("--format goes with --output; the run directory has the format of the table")
        return None
    return Output(target=stdout if output == "-" else Path(output), format=format_)


def _write_json(stdout: Any, value: Mapping[str, Any]) -> None:
    stdout.write(f"{json_text(value)}\n".encode())


def _report(settings: Settings, message: str) -> None:
    if not settings.quiet:
        write_stderr(message)
