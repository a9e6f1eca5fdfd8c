"""Run tables of extreme shape with the defaults, each in a process of its own, and tell how each ended.

    python -m benchmarks extreme-tables --budget 60s --seed 0 --output out/

Shapes: 300 rows; 200 and 1,000 correlated columns of mixed types; columns with 50,000 distinct values;
free text of 2,000 characters a cell. A line of a Markdown table for each: the work, the time, the most
memory, and the mean and largest distance of a column as the run's summary gives them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

_COLUMNS = (
    "table", "rows", "columns", "ended", "steps", "seconds", "training s", "peak MB", "valid records",
    "mean distance", "largest distance",
)  # fmt: skip


def wide(columns: int, rows: int = 2_000) -> pd.DataFrame:
    """Columns of mixed types that share eight hidden factors."""
    draw = np.random.default_rng(columns)
    factors = draw.normal(size=(rows, 8))
    table = {}
    for number in range(columns):
        score = factors @ draw.normal(size=8) / 3 + 0.5 * draw.normal(size=rows)
        kind = number % 5
        if kind == 0:
            cell: object = np.round(20 * score + 100, 2)
        elif kind == 1:
            cell = np.round(10 * score).astype(int)
        elif kind == 2:
            cell = pd.cut(score, 3 + number % 9, labels=False)
            cell = [f"level {level}" for level in cell]
        elif kind == 3:
            cell = np.where(score > draw.normal(), "yes", "no")
        else:
            cell = pd.Series(np.round(np.exp(score), 1)).where(draw.random(rows) > 0.1)
        table[f"column_{number}"] = cell
    return pd.DataFrame(table)


def many_values(rows: int = 100_000, values: int = 50_000) -> pd.DataFrame:
    """A text and a number with many values each, among columns with few."""
    draw = np.random.default_rng(0)
    places = draw.permutation(np.concatenate([np.arange(values), draw.integers(0, values, rows - values)]))
    return pd.DataFrame(
        {
            "kind": np.where(places % 3 == 0, "a", "b"),
            "name": [f"item {place * 7919 % 99_991:05d}" for place in places],
            "number": places * 13 + 7,
            "amount": np.round(draw.exponential(50, rows), 2),
        }
    )


def long_text(rows: int = 1_000, characters: int = 2_000) -> pd.DataFrame:
    """Free text of a fixed length, of words that go with a category."""
    draw = np.random.default_rng(0)
    words = np.array(["".join(draw.choice(list("abcdefghiklmnoprstu"), draw.integers(2, 9))) for _ in range(400)])
    kinds = draw.integers(0, 3, rows)
    chance = draw.dirichlet(np.full(len(words), 0.1), 3)
    texts = [" ".join(draw.choice(words, characters // 3, p=chance[kind]))[:characters] for kind in kinds]
    return pd.DataFrame({"kind": kinds, "score": np.round(draw.normal(size=rows) + kinds, 1), "text": texts})


SHAPES: dict[str, Callable[[], pd.DataFrame]] = {
    "300 rows": lambda: wide(12, 300),
    "200 columns": lambda: wide(200),
    "1,000 columns": lambda: wide(1_000),
    "50,000 values": many_values,
    "2,000 characters": long_text,
}


def measure(name: str, folder: Path, arguments: list[str], rows: int) -> list[str]:
    """One run of ``rowsmith run``: the cells of its line."""
    folder.mkdir(parents=True, exist_ok=True)
    table = SHAPES[name]()
    source, target = folder / "table.csv", folder / "run"
    table.to_csv(source, index=False)
    command = [sys.executable, "-m", "rowsmith.cli", "run", str(source), "--run-dir", str(target), "--force"]
    log = folder / "log.txt"
    started = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen([*command, "-n", str(rows), *arguments], stdout=stream, stderr=stream)
        _, status, usage = os.wait4(process.pid, 0)
    seconds, peak, code = time.monotonic() - started, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)
    shape = [name, f"{len(table):,}", f"{table.shape[1]:,}"]
    if code > 1 or not (target / "metrics.json").exists():
        message = (log.read_text().strip() or "no message").splitlines()[-1]
        return [*shape, f"exit {code}: {message}", "", f"{seconds:.0f}", "", f"{peak:,.0f}", "", "", ""]
    return [*shape, *_figures(json.loads((target / "metrics.json").read_text()), seconds, peak)]


def _figures(metrics: dict[str, Any], seconds: float, peak: float) -> list[str]:
    training, distances = metrics["training"], [column["distance"] for column in metrics["columns"]]
    return [
        f"{metrics['status']}, {metrics['rows']:,} rows", f"{training['steps']:,}", f"{seconds:.0f}",
        f"{training['seconds']:.0f}", f"{peak:,.0f}", f"{metrics['generation']['valid_record_fraction']:.2%}",
        f"{np.mean(distances):.3f}", f"{np.max(distances):.3f}",
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the shapes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--budget", default="60s", help="training time; or steps, such as 100steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=300, help="rows to sample")
    parser.add_argument("--output", type=Path, default=Path("benchmark-output"))
    args = parser.parse_args(arguments)
    limit = (
        ["--set", f"training.max_steps={args.budget.removesuffix('steps')}"]
        if args.budget.endswith("steps")
        else ["--max-train-time", args.budget]
    )
    print("| " + " | ".join(_COLUMNS) + " |\n|" + " --- |" * len(_COLUMNS), flush=True)
    for name in args.shapes:
        folder = args.output / name.replace(" ", "-").replace(",", "")
        line = measure(name, folder, [*limit, "--seed", str(args.seed)], args.rows)
        print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    main()
