"""The most memory that reading, transforms, tokenizing and packing of a file take, by rows.

    python -m benchmarks memory --rows 200000 2000000 [--formats csv jsonl parquet]

Each length is a file of its own and a fresh process. Memory is counted in two ways: resident, which
includes libraries and pages of mapped files, and anonymous, which no file backs. Large arrays lie in
mapped temporary files whose pages the system may put away, so the second is what must fit the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import Usage, measured, python
from benchmarks.reports import machine, markdown
from benchmarks.tables import base_table, write_repeated

_FORMATS = ("csv", "jsonl", "parquet")
_STAGES = ("reading", "transforming", "tokenizing")


def child(path: str) -> None:
    """What the fresh process does."""
    from benchmarks.stages import Stages, up_to_training

    stages = Stages()
    up_to_training(Path(path), stages)
    json.dump(stages.seconds, sys.stdout)


def measure(source: Path) -> Usage:
    """Run the stages over a file in a fresh process."""
    return measured(python("-c", f"from benchmarks.memory import child; child({str(source)!r})"))


def line(rows: int, source: Path, usage: Usage) -> list[str]:
    """One line of the table."""
    seconds = json.loads(usage.output)
    anonymous = "" if usage.anonymous is None else f"{usage.anonymous:,.0f}"
    return [
        source.suffix.removeprefix("."),
        f"{rows:,}",
        f"{source.stat().st_size / 2**20:,.0f}",
        *(f"{seconds[stage]:.1f}" for stage in _STAGES),
        f"{rows / sum(seconds[stage] for stage in _STAGES):,.0f}",
        anonymous,
        f"{usage.resident:,.0f}",
    ]


def ratios(format_: str, first: Usage, last: Usage) -> str:
    """What the longest file takes beside the shortest."""
    if not first.anonymous or not last.anonymous:
        return ""
    return (
        f"{format_}: the last takes {last.anonymous / first.anonymous:.2f} times the anonymous memory of the first and "
        f"{last.resident / first.resident:.2f} times the resident one."
    )


def main(arguments: Sequence[str]) -> None:
    """Measure all lengths of all formats and print the table and the ratios of the last to the first."""
    parser = argparse.ArgumentParser(
        "memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, help="a table to repeat with noise; a made one by default")
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 2_000_000])
    parser.add_argument("--formats", nargs="+", choices=_FORMATS, default=_FORMATS)
    args = parser.parse_args(arguments)
    table, lines, told = base_table(args.table), [], []
    with tempfile.TemporaryDirectory() as folder:
        for format_ in args.formats:
            found = []
            for rows in args.rows:
                source = Path(folder) / f"{rows}.{format_}"
                write_repeated(table, rows, source)
                found.append(measure(source))
                lines.append(line(rows, source, found[-1]))
                source.unlink()
            told.append(ratios(format_, found[0], found[-1]))
    print(machine() + "\n")
    stages = (f"{stage} s" for stage in _STAGES)
    print(markdown(("format", "rows", "file MiB", *stages, "rows/s", "anonymous MiB", "resident MiB"), lines))
    if len(args.rows) > 1:
        print("\n" + "\n".join(filter(None, told)))
