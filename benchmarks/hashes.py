"""SHA-256 of what a short seeded run of each mode makes: a change that should change nothing is judged by it.

    python -m benchmarks hashes                      of this checkout
    python -m benchmarks hashes --tree ../other      of another one, run by this interpreter
    python -m benchmarks hashes --expect before.txt  beside what was printed before; the exit code is 1 if they differ

Steps are fixed, and one thread computes, so that on one machine with the same libraries two runs are equal to the
last bit. Only the command line is used, and files whose names the documentation gives. ``bundle`` is all that
``bundle.json`` says, but for how long training took and where the base model lies.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import random
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.reports import machine

ROOTS = ("core", "assemblers", "backends", "plugins")
_CITIES = ("Paris", "Rome", "Ulm", "Bern")
_CHECKOUT = Path(__file__).parent.parent
BASE_MODELS = _CHECKOUT / "tests" / "shared" / "base_models.py"
_SMALL = {"name": "scratch", "options": {"width": 32, "layers": 1, "dtype": "float32"}}
_TUNED = {"rank": 4, "batch_tokens": 2_048, "context": 512, "dtype": "float32"}


def people(path: Path, rows: int = 120) -> None:
    """A plain table: keys, dates, labels, integers, decimals, text and gaps."""
    chance = random.Random(7)

    def row(number: int) -> tuple[object, ...]:
        joined = f"20{chance.randint(18, 22)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
        remark = f"{chance.choice(['good', 'very good', 'not so good'])} {chance.choice(['day', 'stay', 'food'])}"
        facts = (chance.choice(_CITIES), chance.randint(18, 60), f"{chance.gauss(30, 9):.2f}")
        member = chance.choice(["yes", "no", ""])
        return (f"C-{1000 + number * 3}", joined, *facts, member, f"{remark} {chance.choice(_CITIES)}")

    _write(path, "id,joined,city,age,score,member,remark", map(row, range(rows)))


def purchases(path: Path, groups: int = 30) -> None:
    """A grouped table: purchases of customers, in the order of their days."""
    chance, rows = random.Random(8), []
    for customer in range(groups):
        shop, day = chance.choice(_CITIES), 1
        for _ in range(chance.randint(1, 5)):
            day += chance.randint(0, 5)
            amount, items = f"{chance.gauss(30, 9):.2f}", chance.choice([1, 2, 3, ""])
            rows.append((f"C{customer:03d}", shop, f"2023-11-{day:02d}", amount, items))
    _write(path, "customer,shop,day,amount,items", rows)


def readings(path: Path, sensors: int = 3, hours: int = 24) -> None:
    """Time series: hourly readings of sensors."""
    chance = random.Random(9)

    def row(sensor: int, hour: int) -> tuple[object, ...]:
        level = math.sin(hour / 4 + sensor) * 10 + chance.gauss(0, 0.3)
        return (f"S{sensor}", f"2024-01-20 {hour:02d}:00:00", f"{level:.1f}", chance.choice(["on", "off"]))

    rows = (row(sensor, hour) for sensor in range(sensors) for hour in range(hours))
    _write(path, "sensor,at,level,state", rows)


def _write(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")


@frozen(kw_only=True)
class Mode:
    """A kind of run.

    Attributes:
        table: Writes its table.
        settings: Its configuration, but for the data source.
    """

    table: Callable[[Path], None]
    settings: Mapping[str, Any]


MODES = {
    "plain": Mode(
        table=people,
        settings={"model": _SMALL, "training": {"max_steps": 4}, "generation": {"num_records": 60}},
    ),
    "grouped": Mode(
        table=purchases,
        settings={
            "data": {"group_training_examples_by": "customer", "order_training_examples_by": "day"},
            "model": _SMALL,
            "training": {"max_steps": 4},
            "generation": {"num_groups": 12},
        },
    ),
    "time series": Mode(
        table=readings,
        settings={
            "data": {"group_training_examples_by": "sensor"},
            "time_series": {"is_timeseries": True, "timestamp_column": "at"},
            "model": _SMALL,
            "training": {"max_steps": 4},
        },
    ),
    "pretrained": Mode(
        table=people,
        settings={
            "model": {"name": "pretrained", "options": _TUNED},
            "training": {"max_steps": 4, "validation_ratio": 0.1},
            "generation": {"num_records": 20},
        },
    ),
}


def prepare(name: str, folder: Path) -> Path:
    """Write table and configuration of a mode, for a call in that folder; returns the configuration's path."""
    mode = MODES[name]
    mode.table(folder / "table.csv")
    settings = {**mode.settings, "data": {**mode.settings.get("data", {}), "source": "table.csv"}, "seed": 5}
    if name == "pretrained":
        making = runpy.run_path(str(BASE_MODELS))
        making["make_base"](folder / "base", width=32, layers=1, heads=2, context=512, vocab_size=400)
        settings["model"] = {"name": "pretrained", "options": {**_TUNED, "base": "base"}}
    path = folder / "config.yaml"
    path.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    return path


def environment(tree: Path) -> dict[str, str]:
    """The environment of a process that runs the code of a checkout, in one thread."""
    paths = os.pathsep.join(str(tree.resolve() / root) for root in ROOTS)
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def hashes(name: str, tree: Path, folder: Path) -> dict[str, str]:
    """Run a mode with the code of a checkout.

    Args:
        name: The mode.
        tree: The checkout.
        folder: Where the run goes.

    Returns:
        Hashes by what they are of.

    Raises:
        RuntimeError: The run fails.
    """
    folder.mkdir()
    prepare(name, folder)
    # The configuration names files beside itself.
    command = [sys.executable, "-m", "rowsmith.cli", "run", "-c", "config.yaml", "--run-dir", "run"]
    done = subprocess.run(command, cwd=folder, env=environment(tree), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
    run = folder / "run"
    (weights,) = (run / "bundle" / "model").glob("*.safetensors")
    bundle = json.loads((run / "bundle" / "bundle.json").read_text(encoding="utf-8"))
    del bundle["checksum"], bundle["report"]["seconds"]
    # It names the base model's folder, and the layers of an adapter in any order.
    bundle["files"].pop("adapter_config.json", None)
    return {
        "rows": _digest((run / "synthetic.csv").read_bytes()),
        "weights": _digest(weights.read_bytes()),
        # Where the base model lies is another place every time.
        "bundle": _digest(json.dumps(bundle, sort_keys=True).replace(str(folder.resolve()), "").encode()),
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main(arguments: Sequence[str]) -> None:
    """Run the modes and print a line for each hash."""
    parser = argparse.ArgumentParser(
        "hashes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tree", type=Path, default=_CHECKOUT, help="the checkout whose code runs")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES), help="the modes to run")
    parser.add_argument("--expect", type=Path, help="what an earlier call printed")
    given = parser.parse_args(arguments)
    # The base model is made in this process.
    os.environ["OMP_NUM_THREADS"] = "1"
    lines = []
    with tempfile.TemporaryDirectory(prefix="rowsmith-hashes-") as folder:
        for name in given.modes:
            for what, digest in hashes(name, given.tree, Path(folder) / name.replace(" ", "-")).items():
                lines.append(f"{name:12} {what:8} {digest}")
                print(lines[-1], flush=True)
    print(f"\n{machine()}")
    if given.expect is not None:
        before = set(given.expect.read_text(encoding="utf-8").splitlines())
        other = [line for line in lines if line not in before]
        print("equal to what is expected" if not other else "\n".join(["not as expected:", *other]))
        sys.exit(1 if other else 0)
