"""One table, learned and sampled in either form, with what the run said of it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import traceback
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from attrs import field, frozen

from benchmarks.zoo.drawing import r_csv
from benchmarks.zoo.judging import Told

_NOTE = re.compile(r"^note: (.*)$", re.MULTILINE)
_MESSAGE = 2_000


@frozen(kw_only=True)
class Effort:
    """How much is done for a table.

    Attributes:
        budget: Seconds of training.
        steps: Steps of training in place of seconds: a busy machine trains the same; None for seconds.
        fewest: The fewest rows that are made; as many as the table has, if that is more.
        most: The most.
        seed: The seed of the run.
    """

    budget: float = 8.0
    steps: int | None = None
    fewest: int = 300
    most: int = 2_000
    seed: int = 0

    def rows(self, table: pd.DataFrame) -> int:
        """How many rows are made."""
        return min(max(len(table), self.fewest), self.most)


@frozen(kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        real: The table as it was given, read as the rows are; None when the run was refused or failed.
        synthetic: The rows.
        told: What the run said.
        refusal: The message of a typed error.
        crash: The traceback of any other.
        training: How training ended, in a few words.
    """

    real: pd.DataFrame | None = None
    synthetic: pd.DataFrame | None = None
    told: Told = field(factory=Told)
    refusal: str | None = None
    crash: str | None = None
    training: str = ""


def learn(table: pd.DataFrame, form: str, folder: Path, effort: Effort) -> Outcome:
    """Learn a table and make rows.

    Args:
        table: The table.
        form: ``csv``, through the command line, or ``frame``, through ``Synthesizer``.
        folder: An empty folder.
        effort: How much is done.
    """
    from rowsmith.errors import RowsmithError

    work = _learn_csv if form == "csv" else _learn_frame
    try:
        return work(table, folder, effort)
    except RowsmithError as error:
        message = str(error).strip()[:_MESSAGE]
        return Outcome(refusal=message) if message else Outcome(crash=f"{type(error).__name__} without a message")
    except Exception:
        return Outcome(crash=traceback.format_exc()[-_MESSAGE:])


def _learn_csv(table: pd.DataFrame, folder: Path, effort: Effort) -> Outcome:
    from rowsmith.cli.failures import ExitCode
    from rowsmith.cli.root import cli

    source, output, run = folder / "table.csv", folder / "rows.csv", folder / "run"
    source.write_text(r_csv(table), encoding="utf-8")
    arguments = [
        "run", str(source), "-n", str(effort.rows(table)), "-o", str(output), "--run-dir", str(run),
        "--max-train-time", f"{effort.budget}s", "--seed", str(effort.seed),
        *([] if effort.steps is None else ["--set", f"training.max_steps={effort.steps}"]),
    ]  # fmt: skip
    log = io.StringIO()
    with contextlib.redirect_stderr(log):
        code = cli.main(arguments, standalone_mode=False)
    notes = tuple(_NOTE.findall(log.getvalue()))
    return _outcome(read_csv(source), read_csv(output), run, notes, short=code == ExitCode.SHORT)


def _learn_frame(table: pd.DataFrame, folder: Path, effort: Effort) -> Outcome:
    from rowsmith import Synthesizer
    from rowsmith.reporting import Reporter

    notes: list[str] = []

    class Listener(Reporter):
        def note(self, message: str) -> None:
            notes.append(message)

    run = folder / "run"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        training = {"max_time": effort.budget, **({} if effort.steps is None else {"max_steps": effort.steps})}
        synthesizer = Synthesizer(seed=effort.seed, run_directory=run, reporter=Listener(), training=training)
        synthetic = synthesizer.fit(table).sample(effort.rows(table))
    spoken = [str(each.message) for each in warned if issubclass(each.category, RuntimeWarning)]
    return _outcome(table, synthetic, run, (*notes, *spoken), short=any("rows were made" in each for each in spoken))


def read_csv(path: Path) -> pd.DataFrame:
    """A CSV whose blank cells and ``NA`` are missing, with the names of its header as they are."""
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    return pd.read_csv(
        path, header=None, skiprows=1, names=range(len(header)), index_col=False, keep_default_na=False,
        na_values=["", "NA"], low_memory=False, encoding="utf-8",
    ).set_axis(header, axis=1)  # fmt: skip


def _outcome(real: pd.DataFrame, synthetic: pd.DataFrame, run: Path, notes: tuple[str, ...], *, short: bool) -> Outcome:
    bundle = json.loads((run / "bundle" / "bundle.json").read_text(encoding="utf-8"))
    transforms, report = bundle["transforms"], bundle["report"]
    return Outcome(
        real=real,
        synthetic=synthetic,
        told=Told(changed=_changed(transforms), notes=notes, keys=_keys(transforms), short=short),
        training=f"{report['steps']:,} steps, {report['epochs']:.1f} epochs: {report['stop_reason']}",
    )


def _changed(state: Mapping[str, Any]) -> dict[str, float]:
    """The share of rows that all transforms together say they changed, by column."""
    total: dict[str, float] = {}
    for shares in state.get("changes", ()):
        for name, share in shares.items():
            total[name] = min(1.0, total.get(name, 0.0) + share)
    return total


def _keys(state: Mapping[str, Any]) -> Collection[str]:
    steps = [step["state"] for step in state["steps"] if step["name"].rpartition(":")[2] == "keys"]
    return {key["name"] for step in steps for key in step["keys"]}
