"""The same models through several backends: rows and tokens a second of each, and how much the rows are like real ones.

    python -m benchmarks engines --table train.csv --budget 300steps --seeds 0 1 2 --backends transformers vllm \\
        --dtype float32 --output tables --holdout holdout.csv --target income

One model is trained for each seed, and every backend samples as many rows of it and leaves them as a CSV. *Start* is
what a backend takes to be ready; rates count from there to the rows in their table. With held-out rows the tables are
scored: the mean of each backend over the seeds, its standard error, and each table.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import fidelity
from benchmarks.reports import Scores, line, machine, markdown
from benchmarks.trials import configuration
from rowsmith.model import Bundle
from rowsmith.plugins import Registry
from rowsmith.runs import stages as pipeline
from rowsmith.runs.reporting import Reporter, StageTimes
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table import read_table

SPEED = ("backend", "seed", "start s", "rows", "rows/s", "tokens/s", "valid records")


def sampled(args: argparse.Namespace, backend: str, seed: int, rows: int, folder: Path, bundle: Bundle) -> list[str]:
    """Sample with one backend; the line of the table of speeds."""
    chosen = f"backend={{name: {backend}, options: {{dtype: {args.dtype}}}}}"
    config = configuration(args.table, rows, args.budget, seed, [*args.set, chosen])
    times = StageTimes(Reporter())
    run = pipeline.Run(config=config, registry=Registry(), directory=RunDirectory(folder), reporter=times)
    results = pipeline.generate(run, bundle)
    results.df.to_csv(output_of(args, backend, seed), index=False)
    seconds = times.seconds["generating"]
    return [
        backend, str(seed), f"{times.seconds['loading']:.1f}", f"{len(results.df):,}",
        f"{len(results.df) / seconds:,.0f}", f"{results.num_completion_tokens / seconds:,.0f}",
        f"{results.valid_record_fraction:.2%}",
    ]  # fmt: skip


def output_of(args: argparse.Namespace, backend: str, seed: int) -> Path:
    """Where the rows of a backend and a seed go."""
    return args.output / f"{args.table.stem}-{backend}-seed{seed}.csv"


def score_lines(args: argparse.Namespace) -> list[list[str]]:
    """Held-out rows; then mean, standard error and tables of each backend."""
    scorer = fidelity.Scorer.of(fidelity.read_csv(args.table), fidelity.read_csv(args.holdout), args.target)
    lines = [line("real held-out rows", len(scorer.holdout), fidelity.MEASURES, scorer.ceiling())]
    for backend in args.backends:
        tables = {seed: fidelity.read_csv(output_of(args, backend, seed)) for seed in args.seeds}
        found = {seed: scorer.score(table) for seed, table in tables.items()}
        size = len(next(iter(tables.values())))
        lines += [
            line(f"{backend}, {name}", size, fidelity.MEASURES, scores) for name, scores in summaries([*found.values()])
        ]
        lines += [line(f"{backend}, seed {seed}", size, fidelity.MEASURES, scores) for seed, scores in found.items()]
    return lines


def summaries(found: Sequence[Scores]) -> list[tuple[str, Scores]]:
    """Mean and standard error over seeds; nothing for a single one."""
    if len(found) < 2:
        return []
    values = {name: np.array([scores[name] for scores in found]) for name in fidelity.MEASURES}
    errors = {name: float(each.std(ddof=1) / np.sqrt(len(each))) for name, each in values.items()}
    return [("mean", {name: float(each.mean()) for name, each in values.items()}), ("standard error", errors)]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        "engines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--table", type=Path, required=True)
    result.add_argument(
        "--budget", default="300steps", help="a time such as 60s, or a number of steps such as 300steps"
    )
    result.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    result.add_argument("--backends", nargs="+", default=["transformers", "vllm"])
    result.add_argument("--dtype", default="float32", help="precision of every backend")
    result.add_argument("--rows", type=int, help="rows to sample; by default as many as the table has")
    result.add_argument("--set", nargs="*", default=[], help="further settings, such as model.options.width=64")
    result.add_argument("--output", type=Path, default=Path("benchmark-output"))
    result.add_argument("--holdout", type=Path, help="held-out rows, to score the tables with")
    result.add_argument("--target", help="a column of two values for TSTR")
    return result


def main(arguments: Sequence[str]) -> None:
    """Train, sample and print the tables."""
    args = parser().parse_args(arguments)
    args.output.mkdir(parents=True, exist_ok=True)
    rows = args.rows or len(read_table(args.table))
    print(machine() + "\n\n" + markdown(SPEED, []), flush=True)
    for seed in args.seeds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "run"
            config = configuration(args.table, rows, args.budget, seed, args.set)
            bundle = pipeline.train(pipeline.Run(config=config, registry=Registry(), directory=RunDirectory(folder)))
            for backend in args.backends:
                measured = sampled(args, backend, seed, rows, folder, bundle)
                print(markdown(measured, []).splitlines()[0], flush=True)
    if args.holdout:
        print("\n" + markdown(("", "rows", *fidelity.MEASURES), score_lines(args)))
