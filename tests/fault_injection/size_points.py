"""Runs in which no file can be written beyond some size, as on a full disk, and takes them up without that limit.

The limit is the system's (``RLIMIT_FSIZE``), so that the writes of every library really fail. A process of its own,
which forks one for each run, so that libraries are imported once. Prints what it found as JSON.

    python size_points.py FOLDER LIMIT...
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from benchmarks.kills import forked, import_like, job, left_over, outcome, stage, write_table

STEPS, ROWS = 6, 20_000


def attempt(limit: int, root: Path, run: Callable[[Path, bool], None], expected: list[str]) -> tuple[str, list[str]]:
    """One run under a limit of so many bytes a file: how far it came, and what was not as it should be."""
    directory = root / "broken"
    shutil.rmtree(directory, ignore_errors=True)

    def work() -> None:
        # A pipe has no size, so that what a process tells is seen although it may write no file.
        os.dup2(writer, 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        run(directory, False)

    reader, writer = os.pipe()
    code, where = forked(work), stage(directory)
    os.close(writer)
    with os.fdopen(reader) as messages:
        message = messages.read()
    whole = outcome(directory)
    checks = {
        f"ended with {code}": code == 1,
        f"told {message}": "File too large" in message and str(directory) in message and "Make room" in message,
        "Traceback": "Traceback" not in message,
        "left half a file": all(mine in ("", other) for mine, other in zip(whole, expected, strict=True)),
        "did not go on": forked(lambda: run(directory, True)) == 0,
        "went on to something else": outcome(directory) == expected,
        "left something": not left_over(directory),
    }
    return where, [problem for problem, well in checks.items() if not well]


def main(root: Path, limits: list[int]) -> None:
    """Try some limits."""
    torch.set_num_threads(1)
    table, whole = root / "table.csv", root / "whole"
    write_table(table, 2_400)

    def run(directory: Path, resume: bool) -> None:
        job(table, directory, STEPS, ROWS, resume)

    assert import_like(lambda: run(whole, False), root / "imported") == 0
    sizes = {str(path.relative_to(whole)): path.stat().st_size for path in whole.rglob("*") if path.is_file()}
    found = {limit: attempt(limit, root, run, outcome(whole)) for limit in limits}
    print(
        json.dumps(
            {
                "sizes": sizes,
                "stages": [where for where, _ in found.values()],
                "problems": {limit: problems for limit, (_, problems) in found.items() if problems},
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(limit) for limit in sys.argv[2:]])
