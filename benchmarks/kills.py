"""A short run killed many times, each time resumed, against one without a break.

    python -m benchmarks kills --count 50            kills at random times before the end
    python -m benchmarks kills --writes --count 50   kills at writes, renames and removals, evenly spread

Every process is forked from this one, which has imported what a run imports, and killed by SIGKILL. The number of
training steps is fixed, so weights and rows must be equal to the last bit. The exit code is 1 if any are not.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.reports import machine, markdown

_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
_RESULTS = ("bundle/model/model.safetensors", "synthetic.csv")
_OF_EVERY_RUN = ("pandas", "pyarrow", "torch", "transformers.trainer", "rowsmith.runs.jobs")
_HEADERS = ("killed at", "stage", "resumed", "equal weights", "equal rows", "left over")


def write_table(path: Path, rows: int) -> None:
    """A table of a number, a word that follows from it, and a decimal."""
    chance = random.Random(1)
    lines = (
        f"{n},{'even' if n % 2 == 0 else 'odd'},{chance.gauss(0, 1):.1f}" for n in chance.choices(range(30), k=rows)
    )
    path.write_text("\n".join(["n,parity,x", *lines]) + "\n")


def job(table: Path, directory: Path, steps: int, rows: int, resume: bool) -> None:
    """The run."""
    from rowsmith.config import load_config
    from rowsmith.runs.jobs import run_job
    from rowsmith.runs.stages import Run
    from rowsmith.runs.validation import registry_for
    from rowsmith.storage.run_directory import RunDirectory

    options = {"width": 32, "layers": 1, "dtype": "float32", "batch_size": 64}
    values = {
        "data": {"source": str(table)},
        "training": {"max_steps": steps, "checkpoint_every": 0},
        "model": {"name": "scratch", "options": options},
        "backend": {"name": "transformers", "options": {"batch_size": 64}},
        "generation": {"num_records": rows},
    }
    config = load_config(values=values)
    run_job(Run(config=config, registry=registry_for(config), directory=RunDirectory(directory), resume=resume))


def started(work: Callable[[], None]) -> int:
    """Do something in a process of its own, and do not wait for it.

    Returns:
        The number of the process.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            os._exit(code)
    return child


def exit_code(child: int) -> int:
    """Wait for a process: its exit code; the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forked(work: Callable[[], None], patience: float | None = None) -> int:
    """Do something in a process of its own, killed after some seconds.

    Returns:
        Its exit code; the negative number of the signal that ended it.
    """
    child = started(work)
    if patience is not None:
        time.sleep(patience)
        os.kill(child, signal.SIGKILL)
    return exit_code(child)


def import_like(work: Callable[[], None], names: Path) -> int:
    """Do something in a process of its own, then import here what was imported there.

    Processes that are forked later need not import it again, which takes longer than a short run. The work is not done
    here, since it may start threads, which a fork would not have. What every run imports is imported here first, so
    that the first process need not.

    Args:
        work: What is done.
        names: A file for the names of the modules.

    Returns:
        The exit code of the process.
    """

    def done() -> None:
        work()
        names.write_text(json.dumps([*sys.modules]))

    for name in _OF_EVERY_RUN:
        importlib.import_module(name)
    code = forked(done)
    if code == 0:
        for name in json.loads(names.read_text()):
            # Some libraries register modules under names that cannot be imported.
            with suppress(ImportError):
                importlib.import_module(name)
        # A training collects garbage, and need not look at all that is imported.
        gc.freeze()
    return code


def at_writes(directory: Path, act: Callable[[int], None]) -> None:
    """Have something happen before each change to a folder, for the rest of this process."""
    root, count = str(directory), 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event == "open":
            changes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            changes = event in _EVENTS
        if changes and str(arguments[0]).startswith(root):
            count += 1
            act(count)

    sys.addaudithook(hook)


def stage(directory: Path) -> str:
    """How far a killed run had come, by what it left."""
    marks = {
        "over": "rejected.jsonl",
        "writing": "synthetic.csv",
        "generating": "bundle/bundle.json",
        "saving the model": "bundle/model/config.json",
        "training": "checkpoints",
        "preparing": "plan.json",
    }
    return next((name for name, mark in marks.items() if (directory / mark).exists()), "reading")


def outcome(directory: Path) -> list[str]:
    """Hashes of what must be equal; empty where a file is missing."""
    paths = [directory / name for name in _RESULTS]
    return [hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "" for path in paths]


def left_over(directory: Path) -> list[str]:
    """What a run that is over should not leave."""
    unfinished = ("checkpoints", "*.journal", ".partial-*")
    return [path.name for pattern in unfinished for path in directory.rglob(pattern)]


def line(when: str, directory: Path, expected: list[str], resume: Callable[[], None]) -> tuple[list[str], bool]:
    """Resume a killed run; its line of the table and whether all is well."""
    where = stage(directory)
    code = forked(resume)
    equal = [mine == other for mine, other in zip(outcome(directory), expected, strict=True)]
    rest = left_over(directory)
    answers = [code == 0, *equal]
    cells = [when, where, *("yes" if answer else "no" for answer in answers), ", ".join(rest)]
    return cells, all(answers) and not rest


def main(arguments: Sequence[str]) -> None:
    """Kill, resume, compare, and print the table."""
    parser = argparse.ArgumentParser("kills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50, help="kills")
    parser.add_argument("--writes", action="store_true", help="kill at writes instead of at random times")
    parser.add_argument("--steps", type=int, default=12, help="optimizer steps")
    parser.add_argument("--rows", type=int, default=400, help="rows to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of the times")
    given = parser.parse_args(arguments)
    # One thread, so that a fork finds no lock held by a thread that it does not have.
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="rowsmith-kills-") as folder:
        well = _measure(given, Path(folder))
    print(f"\n{machine()}")
    if not well:
        sys.exit(1)


def _measure(given: argparse.Namespace, folder: Path) -> bool:
    table, whole, broken = folder / "table.csv", folder / "whole", folder / "broken"
    write_table(table, 2_400)

    def run(directory: Path, resume: bool) -> Callable[[], None]:
        return lambda: job(table, directory, given.steps, given.rows, resume)

    def counted() -> None:
        counter = folder / "count"
        at_writes(whole, lambda count: counter.write_text(str(count)) and None)
        run(whole, False)()

    def killed_at(place: int) -> Callable[[], None]:
        def work() -> None:
            at_writes(broken, lambda count: os.kill(os.getpid(), signal.SIGKILL) if count == place else None)
            run(broken, False)()

        return work

    assert import_like(counted, folder / "imported") == 0
    began = time.monotonic()
    # The first run warms caches up, so that it would tell too long a time.
    assert forked(run(folder / "again", False)) == 0
    seconds, writes = time.monotonic() - began, int((folder / "count").read_text())
    expected, chance, rows, well = outcome(whole), random.Random(given.seed), [], True
    while len(rows) < given.count:
        shutil.rmtree(broken, ignore_errors=True)
        if given.writes:
            place = 1 + len(rows) * (writes - 1) // max(1, given.count - 1)
            forked(killed_at(place))
            when = f"write {place} of {writes}"
        else:
            patience = chance.uniform(0, seconds)
            forked(run(broken, False), patience)
            when = f"{patience:.2f} s of {seconds:.2f} s"
            if stage(broken) == "over":  # nothing was interrupted
                continue
        cells, right = line(when, broken, expected, run(broken, True))
        rows.append(cells)
        well &= right
    print(markdown(_HEADERS, rows))
    print(f"\n{sum(row[2:5] == ['yes'] * 3 for row in rows)} of {len(rows)} killed runs ended as the unbroken one.")
    return well
