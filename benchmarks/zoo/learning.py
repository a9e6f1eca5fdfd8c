"""One table, learned and sampled in either form, with what the run said of it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import traceback
import warnings
from pathlib import Path

import pandas as pd

from benchmarks.zoo.drawing import r_csv
from benchmarks.zoo.outcomes import Effort, Outcome, told_of

_NOTE = re.compile(r"^note: (.*)$", re.MULTILINE)
_MESSAGE = 2_000


def learn(table: pd.DataFrame, form: str, folder: Path, effort: Effort) -> Outcome:
    """Learn a table and make rows.

    Args:
        table: The table.
        form: ``csv``, through the command line; ``frame``, through ``Synthesizer``; or ``encoding``, through the
            transforms and back without a model.
        folder: An empty folder.
        effort: How much is done.
    """
    from rowsmith.errors import RowsmithError

    try:
        if form == "csv":
            return _learn_csv(table, folder, effort)
        if form == "frame":
            return _learn_frame(table, folder, effort)
        from benchmarks.zoo.encoding import encode

        return encode(table, effort)
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
    from rowsmith.runs.reporting import Reporter

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
        told=told_of(transforms, notes, short=short),
        training=f"{report['steps']:,} steps, {report['epochs']:.1f} epochs: {report['stop_reason']}",
    )
