"""The command: draw, learn, judge and report.

python -m benchmarks zoo 300 1                   300 tables, drawn with seed 1
python -m benchmarks zoo 300 1                   the same again: an interrupted zoo goes on
python -m benchmarks zoo --report FILE [FILE]    what the files of verdicts say, as Markdown
python -m benchmarks zoo --table AER/CPS1985     one table by name
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.zoo.drawing import FORMS, Animal, draw, installed_tables, read
from benchmarks.zoo.outcomes import Effort
from benchmarks.zoo.reporting import line, report
from benchmarks.zoo.running import Guard, Job, run
from benchmarks.zoo.verdicts import VerdictFile, read_verdicts, settings_of

_START = 60


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = _parser().parse_args(arguments)
    if args.report:
        tables = installed_tables()
        parts = (report(settings_of(path), list(read_verdicts(path)), _loader(tables)) for path in args.report)
        print("\n\n".join(parts))
        return
    effort = Effort(budget=args.budget, steps=args.steps, seed=args.seed)
    guard = Guard(seconds=args.timeout or _START + 12 * args.budget)
    if args.table:
        animals = [Animal(name, form) for name in args.table for form in dict.fromkeys(args.forms)]
        for judged in run([Job(animal=each, effort=effort) for each in animals], guard, at_once=args.at_once):
            print(line(judged), flush=True)
        return
    tables = installed_tables()
    animals = list(draw(list(tables), _loader(tables), args.count, args.seed, forms=args.forms))
    path = args.output or Path("benchmark-output") / f"zoo-{args.seed}.jsonl"
    file = VerdictFile(path, {"seed": args.seed, "budget": args.budget, "steps": args.steps, "forms": list(args.forms)})
    known = file.judged()
    jobs = [Job(animal=each, effort=effort) for each in animals if each not in known]
    _tell(f"{len(animals)} tables, {len(animals) - len(jobs)} judged already; verdicts in {path}")
    for number, judged in enumerate(run(jobs, guard, at_once=args.at_once), len(animals) - len(jobs) + 1):
        file.add(judged)
        _tell(f"{number}/{len(animals)} {line(judged)}")
    found = file.judged()
    print(report(settings_of(path), [found[each] for each in animals], _loader(tables)))


def _loader(tables: Mapping[str, Path]) -> Callable[[str], pd.DataFrame]:
    return lambda name: read(tables[name])


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zoo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("count", type=int, nargs="?", default=300, help="how many tables; 300 by default")
    parser.add_argument("seed", type=int, nargs="?", default=0, help="the seed of the draw, and of the runs")
    parser.add_argument("--budget", type=float, default=Effort().budget, help="seconds of training for each table")
    parser.add_argument("--steps", type=int, help="steps of training in place of seconds, the same on a busy machine")
    parser.add_argument("--timeout", type=float, help="the longest that a table may take, in seconds")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=["csv", "csv", "frame"], help="forms in turn")
    parser.add_argument("--at-once", type=int, default=2, help="tables at once, each a process of one thread")
    parser.add_argument("--output", type=Path, help="the file of verdicts; an interrupted zoo goes on with it")
    parser.add_argument("--table", nargs="+", help="tables by name, in place of a draw; nothing is kept")
    parser.add_argument("--report", nargs="+", type=Path, metavar="FILE", help="only print what files of verdicts say")
    return parser
