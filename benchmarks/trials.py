"""Training and sampling for several budgets and seeds: the runs, and the tables of their times and scores.

A budget is a time such as 60s, or a number of steps such as 500steps. Each run leaves a CSV in the output
folder. Figures of one call compare; those of other machines, or of a machine that is busy, do not.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from benchmarks.reports import Scores, line, machine, markdown, mean_line
from rowsmith.config import RunConfig, load_config
from rowsmith.plugins import Registry
from rowsmith.runs import stages as pipeline
from rowsmith.runs.reporting import Reporter, StageTimes
from rowsmith.storage.run_directory import RunDirectory

STAGES = ("reading", "transforming", "tokenizing", "training")
SPEED = (
    "run", "steps", "tokens", "epochs", "held-out nats/token", "best step",
    "read s", "transform s", "tokenize s", "train s", "rows/s", "tokens/s", "valid records",
)  # fmt: skip


@frozen(kw_only=True)
class Trial:
    """One run.

    Attributes:
        budget: Its budget.
        seed: Its seed.
        output: Where its rows go.
    """

    budget: str
    seed: int
    output: Path


def configuration(source: Path, rows: int, budget: str, seed: int, settings: Sequence[str] = ()) -> RunConfig:
    """The configuration of a run."""
    limit = f"max_steps={budget.removesuffix('steps')}" if budget.endswith("steps") else f"max_time={budget}"
    values = {"data": {"source": str(source), "holdout": 0}, "generation": {"num_records": rows}, "seed": seed}
    return load_config(None, [f"training.{limit}", *settings], values)


def measure(config: RunConfig, output: Path) -> list[str]:
    """Run once; the line of the table of speeds."""
    times = StageTimes(Reporter())
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory(Path(folder) / "run")
        run = pipeline.Run(config=config, registry=Registry(), directory=directory, reporter=times)
        report = pipeline.train(run).report
        started = time.perf_counter()
        results = pipeline.generate(run)
        results.df.to_csv(output, index=False)
        rate = len(results.df) / (time.perf_counter() - started)
    held_out = "" if report.validation_loss is None else f"{report.validation_loss:.4f}"
    return [
        output.stem, f"{report.steps:,}", f"{report.tokens:,}", f"{report.epochs:.1f}",
        held_out, f"{report.best_step:,}",
        *(f"{times.seconds[stage]:.1f}" for stage in STAGES),
        f"{rate:,.0f}", f"{report.tokens / report.seconds:,.0f}", f"{results.valid_record_fraction:.2%}",
    ]  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that all such benchmarks have."""
    parser.add_argument("--goals", type=Path, help="a CSV of the columns budget, measure, goal")
    parser.add_argument("--budgets", nargs="+", default=["60s"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], help="further settings, such as model.options.width=64")
    parser.add_argument("--output", type=Path, default=Path("benchmark-output"))


def run_all(args: argparse.Namespace, table: Path, rows: int, settings: Sequence[str] = ()) -> list[Trial]:
    """Run every budget with every seed, and print the times of each as it ends.

    Args:
        args: The options above.
        table: What to learn.
        rows: Rows to make.
        settings: Settings that come before those of the user.
    """
    args.output.mkdir(parents=True, exist_ok=True)
    trials = [
        Trial(budget=budget, seed=seed, output=args.output / f"{table.stem}-{budget}-seed{seed}.csv")
        for budget in args.budgets
        for seed in args.seeds
    ]
    print(machine() + "\n\n" + markdown(SPEED, []), flush=True)
    for trial in trials:
        config = configuration(table, rows, trial.budget, trial.seed, [*settings, *args.set])
        print(markdown(measure(config, trial.output), []).splitlines()[0], flush=True)
    return trials


def goal_lines(path: Path | None, measures: Sequence[str]) -> dict[str, list[str]]:
    """The line of goals of each budget."""
    if path is None:
        return {}
    goals: dict[str, dict[str, str]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            goals.setdefault(row["budget"], {})[row["measure"]] = row["goal"]
    unknown = {measure for goal in goals.values() for measure in goal} - set(measures)
    if unknown:
        raise SystemExit(f"{path}: no such measure: {', '.join(sorted(unknown))}; known: {', '.join(measures)}")
    return {
        budget: [f"goal, {budget}", "", *(goal.get(measure, "") for measure in measures)]
        for budget, goal in goals.items()
    }


def score_lines(
    trials: Sequence[Trial],
    measures: Sequence[str],
    goals: Mapping[str, list[str]],
    score: Callable[[Path], tuple[int, Scores]],
) -> list[list[str]]:
    """For each budget its goal, its mean and its runs.

    Args:
        trials: The runs.
        measures: What is scored.
        goals: A line for each budget.
        score: The size and the scores of a table.
    """
    lines = []
    for budget in dict.fromkeys(trial.budget for trial in trials):
        found = {trial.seed: score(trial.output) for trial in trials if trial.budget == budget}
        lines += [goals[budget]] if budget in goals else []
        if len(found) > 1:
            lines.append(mean_line(f"{budget}, mean", measures, [scores for _, scores in found.values()]))
        lines += [line(f"{budget}, seed {seed}", size, measures, scores) for seed, (size, scores) in found.items()]
    return lines
