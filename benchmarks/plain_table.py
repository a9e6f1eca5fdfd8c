"""Train on a CSV and write synthetic tables, for several budgets and seeds, timing each stage.

    python benchmarks/plain_table.py train.csv --budgets 60s 240s --seeds 0 1 2 --output out/

For each run: one CSV in the output folder, to be scored beside held-out rows by a scorer of your
choice, and one line of a Markdown table on stdout with the work done and the time it took. Figures
of one call compare; those of different machines, or of a machine that is busy, do not.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from rowsmith import pipeline
from rowsmith.config import RunConfig, load_config
from rowsmith.registry import Registry
from rowsmith.reporting import Reporter
from rowsmith.run_directory import RunDirectory
from rowsmith.table import read_table

_COLUMNS = (
    "run", "steps", "tokens", "epochs", "held-out nats/token", "best step",
    "read s", "transform s", "tokenize s", "train s", "rows/s", "tokens/s", "valid records",
)  # fmt: skip


class StageTimes(Reporter):
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def stage_finished(self, name: str, seconds: float, detail: str = "") -> None:
        self.seconds[name] = seconds


def configuration(source: Path, rows: int, budget: str, seed: int, settings: list[str]) -> RunConfig:
    """The run's configuration; a budget is a time such as ``60s``, or ``500steps``."""
    limit = f"max_steps={budget.removesuffix('steps')}" if budget.endswith("steps") else f"max_time={budget}"
    values = {"data": {"source": str(source), "holdout": 0}, "generation": {"num_records": rows}, "seed": seed}
    return load_config(None, [f"training.{limit}", *settings], values)


def measure(config: RunConfig, output: Path) -> list[str]:
    """One run; its synthetic table goes to ``output``."""
    times = StageTimes()
    with tempfile.TemporaryDirectory() as folder:
        run = pipeline.Run(
            config=config, registry=Registry(), directory=RunDirectory(Path(folder) / "run"), reporter=times
        )
        report = pipeline.train(run).report
        started = time.perf_counter()
        results = pipeline.generate(run)
        results.df.to_csv(output, index=False)
        rate = len(results.df) / (time.perf_counter() - started)
    held_out = "" if report.validation_loss is None else f"{report.validation_loss:.4f}"
    return [
        output.stem, f"{report.steps:,}", f"{report.tokens:,}", f"{report.epochs:.1f}",
        held_out, f"{report.best_step:,}",
        *(f"{times.seconds[stage]:.1f}" for stage in ("reading", "transforming", "tokenizing", "training")),
        f"{rate:,.0f}", f"{report.tokens / report.seconds:,.0f}", f"{results.valid_record_fraction:.2%}",
    ]  # fmt: skip


def main() -> None:
    """Run all budgets and seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--budgets", nargs="+", default=["60s"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--rows", type=int, help="rows to sample; by default as many as the table has")
    parser.add_argument("--set", nargs="*", default=[], help="further settings, such as model.options.width=64")
    parser.add_argument("--output", type=Path, default=Path("benchmark-output"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    rows = args.rows or len(read_table(args.table))
    print("| " + " | ".join(_COLUMNS) + " |\n|" + " --- |" * len(_COLUMNS), flush=True)
    for budget in args.budgets:
        for seed in args.seeds:
            config = configuration(args.table, rows, budget, seed, args.set)
            line = measure(config, args.output / f"{args.table.stem}-{budget}-seed{seed}.csv")
            print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    main()
