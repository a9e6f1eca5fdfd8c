"""Training and sampling grouped tables, for several budgets and seeds: speed, then how alike the groups are.

    python -m benchmarks sequences --train train.csv --holdout holdout.csv --group user --order date \
        --budgets 240s --seeds 0 1 2 --output tables
    python -m benchmarks sequences --train train.csv --holdout holdout.csv --group user --order date made.csv ...

Training and held-out rows must not share a group. Each run makes as many groups as there are in training, and
leaves a CSV in the output folder. Where tables are named, they are scored, and nothing is trained. The first
line is the ceiling: held-out groups scored as if they were synthetic. See ``sequence_measures`` for the
measures. Goals are a CSV of the columns ``budget``, ``measure``, ``goal``; each is a line above its budget.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks import trials
from benchmarks.reports import Scores, line, markdown
from benchmarks.sequence_measures import MEASURES, Scorer


def grouping(keys: Sequence[str], order: str | None, groups: int) -> list[str]:
    """The settings of a run that makes so many groups."""
    settings = [f"data.group_training_examples_by=[{', '.join(map(quoted, keys))}]", f"generation.num_groups={groups}"]
    return settings + ([f"data.order_training_examples_by={quoted(order)}"] if order else [])


def quoted(name: str) -> str:
    """A name as a setting is written."""
    return "'" + name.replace("'", "''") + "'"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        "sequences", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--train", type=Path, required=True)
    result.add_argument("--holdout", type=Path, required=True)
    result.add_argument("--group", action="append", required=True, help="a column that makes rows a group; may repeat")
    result.add_argument("--order", help="the column that orders the rows of a group")
    result.add_argument("synthetic", type=Path, nargs="*", help="tables to score instead of training")
    trials.add_options(result)
    return result


def main(arguments: Sequence[str]) -> None:
    """Run all budgets and seeds, or take the tables that are named, and print the scores."""
    args = parser().parse_args(arguments)
    goals = trials.goal_lines(args.goals, MEASURES)
    train = pd.read_csv(args.train)
    runs = []
    if not args.synthetic:
        groups = train.groupby(args.group).ngroups
        runs = trials.run_all(args, args.train, len(train), grouping(args.group, args.order, groups))
    scorer = Scorer.of(train, args.group, args.order)

    def score(path: Path) -> tuple[int, Scores]:
        table = pd.read_csv(path)
        return len(table), scorer.score(table)

    def shown(name: str, path: Path) -> list[str]:
        size, scores = score(path)
        return line(name, size, MEASURES, scores)

    lines = [shown("real held-out groups", args.holdout), *(shown(path.stem, path) for path in args.synthetic)]
    lines += trials.score_lines(runs, MEASURES, goals, score)
    print("\n" + markdown(("", "rows", *MEASURES), lines))
