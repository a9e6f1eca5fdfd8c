"""Training and sampling time series, for several budgets and seeds: speed, then how alike the series are.

    python -m benchmarks time-series --train series.csv --time date --tail 0.2 --budgets 240s --seeds 0 1 2
    python -m benchmarks time-series --train series.csv --time date --group store --holdout other.csv made.csv ...

Series are scored against the training ones, beside held-out ones: other series from a file, or the tail of time
of each series, which is then cut off before training. Each run makes as many series, or as many rows of a single
one, as there are in training, unless ``--set`` says otherwise, and leaves a CSV in the output folder. Where
tables are named, they are scored, and nothing is trained. See ``series_measures`` for the measures.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import trials
from benchmarks.reports import Scores, line, markdown
from benchmarks.sequence_measures import are_dates, in_time
from benchmarks.sequences import grouping, quoted
from benchmarks.series_measures import MEASURES, SeriesScorer


def split_tail(table: pd.DataFrame, keys: Sequence[str], time: str, share: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table without the last share of the time of each series, and that share; rows stay in order."""
    times = in_time(table[time], are_dates(table[time]))
    numbers = table.groupby(list(keys)).ngroup() if keys else pd.Series(0, index=table.index)
    place = times.groupby(numbers.to_numpy()).rank(method="first")
    late = place > np.floor((1 - share) * numbers.map(numbers.value_counts()))
    return table[~late], table[late]


def settings_of(keys: Sequence[str], time: str, series: int) -> list[str]:
    """The settings of a run that makes so many series; of a single one, only rows are counted."""
    return [
        "time_series.is_timeseries=true",
        f"time_series.timestamp_column={quoted(time)}",
        *(grouping(keys, None, series) if keys else []),
    ]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        "time-series", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--train", type=Path, required=True)
    result.add_argument("--time", required=True, help="the column of time")
    result.add_argument("--group", action="append", default=[], help="a column that tells series apart; may repeat")
    held_out = result.add_mutually_exclusive_group()
    held_out.add_argument("--holdout", type=Path, help="other real series")
    held_out.add_argument("--tail", type=float, help="the share of time that is held out, such as 0.2")
    result.add_argument("synthetic", type=Path, nargs="*", help="tables to score instead of training")
    trials.add_options(result)
    return result


def main(arguments: Sequence[str]) -> None:
    """Run all budgets and seeds, or take the tables that are named, and print the scores."""
    args = parser().parse_args(arguments)
    goals = trials.goal_lines(args.goals, MEASURES)
    source, train = args.train, pd.read_csv(args.train)
    held_out = pd.read_csv(args.holdout) if args.holdout else None
    if args.tail is not None:
        train, held_out = split_tail(train, args.group, args.time, args.tail)
        args.output.mkdir(parents=True, exist_ok=True)
        source = args.output / f"{args.train.stem}-head.csv"
        train.to_csv(source, index=False)
    runs = []
    if not args.synthetic:
        series = train.groupby(args.group).ngroups if args.group else 1
        runs = trials.run_all(args, source, len(train), settings_of(args.group, args.time, series))
    scorer = SeriesScorer.of(train, args.group, args.time)

    def score(path: Path) -> tuple[int, Scores]:
        table = pd.read_csv(path)
        return len(table), scorer.score(table)

    real = {"real training series": train, "real held-out series": held_out}
    lines = [line(name, len(each), MEASURES, scorer.score(each)) for name, each in real.items() if each is not None]
    for path in args.synthetic:
        size, scores = score(path)
        lines.append(line(path.stem, size, MEASURES, scores))
    lines += trials.score_lines(runs, MEASURES, goals, score)
    print("\n" + markdown(("", "rows", *MEASURES), lines))
