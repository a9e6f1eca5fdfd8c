"""The time until something happens: the first line of help, a checked configuration, the first training step.

    python -m benchmarks startup --table train.csv

Each figure is the median of fresh processes, beside Python itself and the import of torch. With
``--imports`` the packages whose import takes longest on the way to the first step are listed.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.first_step import STARTED
from benchmarks.processes import measured, median_seconds, python, variables
from benchmarks.reports import machine, markdown
from benchmarks.tables import made_frame

_SELF_TIME = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", re.MULTILINE)
_CLI = "import sys; from rowsmith.cli import main; sys.exit(main())"


def first_step(source: Path, times: int) -> dict[str, float]:
    """The median seconds of each stage from the command to the first optimizer step."""
    command = python("-c", f"from benchmarks.first_step import child; child({str(source)!r})")
    runs = [json.loads(measured(command, {STARTED: repr(time.time())}).output) for _ in range(times)]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def import_times(text: str, most: int = 12) -> list[tuple[str, float]]:
    """Seconds by top-level package, the slowest first.

    Args:
        text: What ``python -X importtime`` wrote.
        most: How many packages.
    """
    totals: Counter[str] = Counter()
    for microseconds, module in _SELF_TIME.findall(text):
        totals[module.partition(".")[0]] += int(microseconds)
    return [(name, total / 1e6) for name, total in totals.most_common(most)]


def _imports(source: Path) -> list[tuple[str, float]]:
    code = f"from benchmarks.first_step import child; child({str(source)!r})"
    command = python("-X", "importtime", "-c", code)
    environment = variables({STARTED: repr(time.time())})
    return import_times(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stderr)


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        "startup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, help="the table to train on; a made one of 39,073 rows by default")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--imports", action="store_true", help="list the slowest packages to import")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        source = args.table.resolve() if args.table else Path(folder) / "table.csv"
        if args.table is None:
            made_frame(39_073).to_csv(source, index=False)
        config = Path(folder) / "rowsmith.yaml"
        config.write_text(f"data: {{source: {json.dumps(str(source))}}}\n")
        commands = {
            "python -c pass": python("-c", "pass"),
            "rowsmith --help": python("-c", _CLI, "--help"),
            "rowsmith validate": python("-c", _CLI, "validate", str(config)),
            "python -c 'import torch'": python("-c", "import torch"),
        }
        lines = [[name, f"{median_seconds(command, args.times):.2f}"] for name, command in commands.items()]
        lines += [
            [f"to the first step: {name}", f"{seconds:.2f}"] for name, seconds in first_step(source, args.times).items()
        ]
        print(machine() + "\n")
        print(markdown(("what", "seconds"), lines))
        if args.imports:
            slowest = [[name, f"{seconds:.2f}"] for name, seconds in _imports(source)]
            print("\n" + markdown(("package", "seconds to import"), slowest))
