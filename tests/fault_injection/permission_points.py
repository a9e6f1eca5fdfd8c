"""Takes away the right to write from a run before one of its writes, gives it back, and takes the run up.

A process of its own, which forks one for each run, so that libraries are imported once. Permissions count in
it for root, too. Prints what it found as JSON.

    python permission_points.py FOLDER COUNT
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import struct
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import torch
from benchmarks.kills import at_writes, forked, import_like, job, left_over, outcome, stage, write_table

STEPS, ROWS = 6, 200
CAPABILITIES, OVERRIDES = 0x20080522, 0b110  # version 3 of the interface; DAC_OVERRIDE and DAC_READ_SEARCH


def heed_permissions() -> None:
    """Give up root's right to write where nobody may."""
    if sys.platform != "linux" or os.geteuid():
        return
    library, header = ctypes.CDLL(None, use_errno=True), struct.pack("Ii", CAPABILITIES, 0)
    data = ctypes.create_string_buffer(24)
    assert library.capget(header, data) == 0
    effective, *rest = struct.unpack("6I", data.raw)
    assert library.capset(header, struct.pack("6I", effective & ~OVERRIDES, *rest)) == 0


def set_modes(root: Path, folder_mode: int, file_mode: int) -> None:
    """Change all permissions in a run directory."""
    for path in [*root.rglob("*"), root]:
        path.chmod(folder_mode if path.is_dir() else file_mode)


def _passing(path: Path) -> bool:
    return path.name.endswith(".lock") or ".partial-" in str(path)


def contents(root: Path) -> dict[str, str]:
    """A hash of every file, but for the lock and what is not whole yet."""
    files = [path for path in root.rglob("*") if path.is_file() and not _passing(path)]
    return {str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest() for path in files}


def lose_at(place: int, directory: Path, kept: Path) -> None:
    """Have the right to write taken away before a write, and remember what was there."""
    lost = False

    def lose(count: int) -> None:
        nonlocal lost
        if count >= place and not lost and directory.exists():
            lost = True
            kept.write_text(json.dumps(contents(directory)))
            set_modes(directory, 0o500, 0o400)

    at_writes(directory, lose)


def attempt(place: int, root: Path, run: Callable[[Path, bool], None], expected: list[str]) -> tuple[str, list[str]]:
    """One run that loses its right to write: the stage it had come to, and what was not as it should be."""
    directory, told, kept = root / "broken", root / "told", root / "kept"
    shutil.rmtree(directory, ignore_errors=True)

    def work() -> None:
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
        lose_at(place, directory, kept)
        run(directory, False)

    code, message, where = forked(work), told.read_text(), stage(directory)
    set_modes(directory, 0o700, 0o600)
    found = contents(directory)
    checks = {
        f"ended with {code}": code == 1,
        f"told {message}": "Permission denied" in message and str(directory) in message,
        "Traceback": "Traceback" not in message,
        "changed a file": json.loads(kept.read_text()).items() <= found.items(),
        "did not go on": forked(lambda: run(directory, True)) == 0,
        "went on to something else": outcome(directory) == expected,
        "left something": not left_over(directory),
    }
    return where, [problem for problem, well in checks.items() if not well]


def main(root: Path, count: int) -> None:
    """Try some writes, evenly spread."""
    torch.set_num_threads(1)
    heed_permissions()
    table, counter, whole = root / "table.csv", root / "count", root / "whole"
    write_table(table, 2_400)

    def run(directory: Path, resume: bool) -> None:
        job(table, directory, STEPS, ROWS, resume)

    def counted() -> None:
        at_writes(whole, lambda number: counter.write_text(str(number)) and None)
        run(whole, False)

    assert import_like(counted, root / "imported") == 0
    writes, expected = int(counter.read_text()), outcome(whole)
    # The last change removes what was renamed before it: nothing is lost with it.
    spread = (1 + number * (writes - 2) // (count - 1) for number in range(count))
    # Few writes come between the plan and the first state.
    places = sorted({*range(8, 11), *spread})
    found = {place: attempt(place, root, run, expected) for place in places}
    print(
        json.dumps(
            {
                "stages": [where for where, _ in found.values()],
                "problems": {place: problems for place, (_, problems) in found.items() if problems},
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
