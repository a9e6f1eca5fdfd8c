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
from collections.abc import Sequence
from pathlib import Path

from benchmarks import fidelity, trials
from benchmarks.reports import Scores, line, markdown
from rowsmith.table import read_table


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        "plain-table", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--table", type=Path, required=True)
    result.add_argument("--holdout", type=Path, help="held-out rows, to score the tables with")
    result.add_argument("--target", help="a column of two values for TSTR")
    result.add_argument("--rows", type=int, help="rows to sample; by default as many as the table has")
    trials.add_options(result)
    return result


def main(arguments: Sequence[str]) -> None:
    """Run all budgets and seeds and print the tables."""
    args = parser().parse_args(arguments)
    goals = trials.goal_lines(args.goals, fidelity.MEASURES)
    runs = trials.run_all(args, args.table, args.rows or len(read_table(args.table)))
    if not args.holdout:
        return
    scorer = fidelity.Scorer.of(fidelity.read_csv(args.table), fidelity.read_csv(args.holdout), args.target)

    def score(path: Path) -> tuple[int, Scores]:
        table = fidelity.read_csv(path)
        return len(table), scorer.score(table)

    ceiling = line("real held-out rows", len(scorer.holdout), fidelity.MEASURES, scorer.ceiling())
    lines = [ceiling, *trials.score_lines(runs, fidelity.MEASURES, goals, score)]
    print("\n" + markdown(("", "rows", *fidelity.MEASURES), lines))
