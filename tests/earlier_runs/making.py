"""Makes the runs beside this file again, with the code at hand: short runs that are killed outright.

    PYTHONPATH=. python tests/earlier_runs/making.py [NAME...]

Each is forked from this process, which has imported what others wrote. Only the command line is called, so that any
version of the project can be asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen
from benchmarks.hashes import people, purchases, readings

RUNS = Path(__file__).parent / "runs_of_0_1_0"
CALL = ("run", "-c", "config.yaml", "--run-dir", "run")
_TINY = {"name": "scratch", "options": {"width": 8, "heads": 1, "layers": 1, "dtype": "float32", "max_pieces": 280}}


def in_generation() -> None:
    """Have this process killed once its first batch, or series, is on the disk."""
    sync = os.fsync

    def synced(file: Any) -> None:
        sync(file)
        number = file if isinstance(file, int) else file.fileno()
        if os.readlink(f"/proc/self/fd/{number}").endswith(".journal"):
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = synced


def in_training(number: int) -> None:
    """Have this process killed between a saved state of the training and the next one."""
    saved = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal saved
        if event == "os.mkdir" and saved:
            os.kill(os.getpid(), signal.SIGKILL)
        saved |= event == "os.rename" and str(arguments[1]).endswith(f"checkpoints/{number:08d}")

    sys.addaudithook(hook)


@frozen(kw_only=True)
class Case:
    """A run that was killed.

    Attributes:
        table: Writes its table.
        settings: Its configuration, but for the data source.
        killed: Arranges for the kill.
    """

    table: Callable[[Path], None]
    settings: Mapping[str, Any]
    killed: Callable[[], None] = in_generation


_TRAINING = {"max_steps": 3, "checkpoint_every": 0}
CASES = {
    "plain": Case(table=partial(people, rows=60), settings={"generation": {"num_records": 40}}),
    "plain-in-training": Case(
        # Without free text, so that the saved states are small.
        table=partial(purchases, groups=220),
        settings={"generation": {"num_records": 40}},
        # In the third fold of a cross-validation.
        killed=partial(in_training, 5),
    ),
    "grouped": Case(
        table=partial(purchases, groups=20),
        settings={
            "data": {"group_training_examples_by": "customer", "order_training_examples_by": "day"},
            "generation": {"num_groups": 30},
        },
    ),
    "time-series": Case(
        table=partial(readings, sensors=3, hours=16),
        settings={
            "data": {"group_training_examples_by": "sensor"},
            "time_series": {"is_timeseries": True, "timestamp_column": "at"},
        },
    ),
}


def make(name: str, folder: Path) -> None:
    """Run a case in a folder until it is killed there."""
    case = CASES[name]
    folder.mkdir(parents=True)
    case.table(folder / "table.csv")
    settings = {
        "model": _TINY,
        "training": _TRAINING,
        **case.settings,
        "data": {**case.settings.get("data", {}), "source": "table.csv"},
        "seed": 5,
    }
    (folder / "config.yaml").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.chdir(folder)
            sys.argv = ["rowsmith", *CALL]
            case.killed()
            from rowsmith.cli import main

            main()
        os._exit(1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended != -signal.SIGKILL:
        sys.exit(f"{name} was not killed: it ended with {ended}")
    for lock in folder.rglob(".*lock"):
        lock.unlink()
    # The one before the newest is there in case that is damaged.
    for state in sorted((folder / "run" / "checkpoints").glob("[0-9]*"))[:-1]:
        shutil.rmtree(state)


def main(names: Sequence[str]) -> None:
    """Make cases, all when none is named, and put them in the place of those that are there."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import datasets  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import torch
    import transformers.trainer  # noqa: F401

    torch.set_num_threads(1)
    for name in names or CASES:
        with tempfile.TemporaryDirectory() as made:
            make(name, Path(made) / name)
            shutil.rmtree(RUNS / name, ignore_errors=True)
            shutil.copytree(Path(made) / name, RUNS / name)


if __name__ == "__main__":
    main(sys.argv[1:])
