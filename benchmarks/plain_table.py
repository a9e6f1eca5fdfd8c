"""Training and sampling a table, for several budgets and seeds: speed of every run, then fidelity.

    python -m benchmarks plain-table --table train.csv --budgets 60s 240s --seeds 0 1 2 --output tables \
        --holdout holdout.csv --target income --goals goals.csv

A budget is a time such as 60s, or a number of steps such as 500steps. Each run leaves a CSV in the
output folder. With held-out rows the tables are scored beside them, with the mean over the seeds of
each budget. Goals are a CSV of the columns ``budget``, ``measure``, ``goal``, such as ``60s,C2ST,<= .515``;
each is a line above its budget. Figures of one call compare; those of other machines, or of a machine
that is busy, do not.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from benchmarks import fidelity
from benchmarks.reports import machine, markdown
from rowsmith import pipeline
from rowsmith.config import RunConfig, load_config
from rowsmith.registry import Registry
from rowsmith.reporting import Reporter
from rowsmith.run_directory import RunDirectory
from rowsmith.stage_times import StageTimes
from rowsmith.table import read_table

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


def goal_lines(path: Path | None) -> dict[str, list[str]]:
    """The line of goals of each budget."""
    if path is None:
        return {}
    goals: dict[str, dict[str, str]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            goals.setdefault(row["budget"], {})[row["measure"]] = row["goal"]
    unknown = {measure for goal in goals.values() for measure in goal} - set(fidelity.MEASURES)
    if unknown:
        raise SystemExit(
            f"{path}: no such measure: {', '.join(sorted(unknown))}; known: {', '.join(fidelity.MEASURES)}"
        )
    return {
        budget: [f"goal, {budget}", "", *(goal.get(measure, "") for measure in fidelity.MEASURES)]
        for budget, goal in goals.items()
    }


def fidelity_lines(scorer: fidelity.Scorer, trials: Sequence[Trial], goals: Mapping[str, list[str]]) -> list[list[str]]:
    """The ceiling, then for each budget its goal, its mean and its runs."""
    lines = [fidelity.line("real held-out rows", len(scorer.holdout), scorer.ceiling())]
    for budget in dict.fromkeys(trial.budget for trial in trials):
        tables = {trial: fidelity.read_csv(trial.output) for trial in trials if trial.budget == budget}
        scores = {trial: scorer.score(table) for trial, table in tables.items()}
        lines += [goals[budget]] if budget in goals else []
        lines += [fidelity.mean_line(f"{budget}, mean", list(scores.values()))] if len(scores) > 1 else []
        lines += [
            fidelity.line(f"{budget}, seed {trial.seed}", len(tables[trial]), found) for trial, found in scores.items()
        ]
    return lines


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        "plain-table", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--table", type=Path, required=True)
    result.add_argument("--holdout", type=Path, help="held-out rows, to score the tables with")
    result.add_argument("--target", help="a column of two values for TSTR")
    result.add_argument("--goals", type=Path)
    result.add_argument("--budgets", nargs="+", default=["60s"])
    result.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    result.add_argument("--rows", type=int, help="rows to sample; by default as many as the table has")
    result.add_argument("--set", nargs="*", default=[], help="further settings, such as model.options.width=64")
    result.add_argument("--output", type=Path, default=Path("benchmark-output"))
    return result


def main(arguments: Sequence[str]) -> None:
    """Run all budgets and seeds and print the tables."""
    args = parser().parse_args(arguments)
    goals = goal_lines(args.goals)
    args.output.mkdir(parents=True, exist_ok=True)
    rows = args.rows or len(read_table(args.table))
    trials = [
        Trial(budget=budget, seed=seed, output=args.output / f"{args.table.stem}-{budget}-seed{seed}.csv")
        for budget in args.budgets
        for seed in args.seeds
    ]
    print(machine() + "\n\n" + markdown(SPEED, []), flush=True)
    for trial in trials:
        line = measure(configuration(args.table, rows, trial.budget, trial.seed, args.set), trial.output)
        print(markdown(line, []).splitlines()[0], flush=True)
    if args.holdout:
        scorer = fidelity.Scorer.of(fidelity.read_csv(args.table), fidelity.read_csv(args.holdout), args.target)
        print("\n" + markdown(("", "rows", *fidelity.MEASURES), fidelity_lines(scorer, trials, goals)))
