"""Synthetic tables whose faults are known, and what the full evaluation says of them.

    python -m benchmarks controls census.csv titanic.csv credit.csv

Each real table is cut at random into training rows, held-out rows, and other real rows that no model saw. What is then
judged as if it were synthetic:

* real rows that no model saw, which must pass everything;
* the training rows themselves, the same with each number moved by 1 % of its column's standard deviation, and rows of
  an overfit model, which must fail privacy;
* training rows with each column permuted by itself, which must pass privacy and fail fidelity.

The overfit model learns few rows, repeated so often that neither cross-validation nor early stopping ends it, for many
passes and without regularisation. Its rows are judged beside those few; so are its weights, by the attacks on models.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from attrs import evolve, field, frozen

from benchmarks.fidelity import read_csv
from benchmarks.planted_defects import Frames, evaluations, judged
from benchmarks.reports import machine, markdown, row
from rowsmith.config.defaults import bundled_evaluations
from rowsmith.evaluation import EvaluationKind, EvaluationReport
from rowsmith.plugins import Registry

HEADERS = ("table", "judged as synthetic", "privacy", "must", "fidelity", "must", "as it must", "warnings of privacy")
MODEL_HEADERS = ("table", "attack on the overfit model", "score", "95 % interval", "fails from", "as it must")

FIDELITY = frozenset({EvaluationKind.FIDELITY, EvaluationKind.UTILITY})
PRIVACY = frozenset({EvaluationKind.PRIVACY})
# The lower end of the interval from which an attack on a model counts as a success.
MODEL_ATTACKS = {"membership": 0.60, "nearest-string": 0.55, "extraction": 0.0}

_JITTER = 0.01
_FEWEST_REPEATED = 2_400
"""The model ``scratch`` cross-validates tables of fewer than 2,000 training rows."""


@frozen(kw_only=True)
class Control:
    """A table whose faults are known.

    Attributes:
        name: What it is.
        rows: Makes it of the real tables.
        privacy: Whether it must pass the evaluations of privacy.
        fidelity: The same of fidelity; None where either is fine.
    """

    name: str
    rows: Callable[[Frames, np.random.Generator], pd.DataFrame]
    privacy: bool
    fidelity: bool | None = None


@frozen(kw_only=True)
class Judged:
    """What an evaluation said of a control.

    Attributes:
        control: The control.
        report: The report.
    """

    control: Control
    report: EvaluationReport

    def warnings(self, kinds: frozenset[EvaluationKind]) -> list[str]:
        """The defects that evaluations of some kinds warn of."""
        results = [result for result in self.report.results if result.kind in kinds and result.evaluated is not None]
        mine = {id(finding) for result in results for finding in result.evaluated.findings}
        return [finding.defect for finding in self.report.warnings if id(finding) in mine]

    @property
    def as_it_must(self) -> bool:
        """Whether it passed what it must pass, and failed what it must fail."""
        privacy, fidelity = not self.warnings(PRIVACY), not self.warnings(FIDELITY)
        return privacy == self.control.privacy and self.control.fidelity in (None, fidelity)


def jittered(rows: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Rows with each number moved by 1 % of its column's standard deviation."""
    moved = {
        name: rows[name] + generator.normal(0, _JITTER, len(rows)) * rows[name].std()
        for name in rows.select_dtypes("number")
    }
    return rows.assign(**moved)


def independent(rows: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Rows with each column permuted by itself."""
    return pd.DataFrame({name: generator.permutation(rows[name].to_numpy()) for name in rows})


CONTROLS = (
    Control(name="real rows no model saw", rows=lambda frames, _: frames.synthetic, privacy=True, fidelity=True),
    Control(name="training rows", rows=lambda frames, _: frames.real, privacy=False),
    Control(name="training rows, jittered", rows=lambda frames, each: jittered(frames.real, each), privacy=False),
    Control(
        name="independent columns",
        rows=lambda frames, each: independent(frames.real, each),
        privacy=True,
        fidelity=False,
    ),
)
OVERFIT = Control(name="overfit model", rows=lambda frames, _: frames.synthetic, privacy=False)


def split(table: pd.DataFrame, rows: int, seed: int) -> Frames:
    """As many training, held-out and other real rows, at most so many; the others as if they were synthetic."""
    size = min(rows, len(table) // 3)
    shuffled = table.iloc[np.random.default_rng(seed).permutation(len(table))]
    parts = [shuffled.iloc[start : start + size].reset_index(drop=True) for start in (0, size, 2 * size)]
    return Frames(real=parts[0], holdout=parts[1], synthetic=parts[2])


def judge(control: Control, frames: Frames, seed: int, registry: Registry | None = None) -> Judged:
    """The full evaluation of a control.

    Raises:
        RuntimeError: An evaluation failed.
    """
    names = [ref.name or "" for ref in bundled_evaluations("full")]
    made = evolve(frames, synthetic=control.rows(frames, np.random.default_rng(seed)))
    return Judged(control=control, report=judged(made, evaluations(names, registry or Registry()), seed))


@frozen(kw_only=True)
class Overfit:
    """A model that memorized few rows.

    Attributes:
        run: Its run directory.
        learned: The rows.
        rows: Rows that it wrote.
        steps: Optimizer steps.
        epochs: Passes over the rows.
    """

    run: Path
    learned: pd.DataFrame = field(repr=False)
    rows: pd.DataFrame = field(repr=False)
    steps: int
    epochs: float


def overfit(learned: pd.DataFrame, written: int, steps: int, seed: int, run: Path) -> Overfit:
    """Train a model until it has memorized some rows.

    Args:
        learned: The rows.
        written: How many rows it writes.
        steps: Optimizer steps.
        seed: Seed of the training.
        run: The run directory.
    """
    from rowsmith import Synthesizer

    times = -(-_FEWEST_REPEATED // len(learned))
    repeated = pd.concat([learned] * times).sample(frac=1, random_state=seed)
    synthesizer = Synthesizer(
        run_directory=run,
        seed=seed,
        data={"holdout": 0},
        training={"max_steps": steps},
        model={"name": "scratch", "options": {"width": 64, "layers": 2, "blanked": 0.0, "weight_decay": 0.0}},
    ).fit(repeated)
    report = synthesizer.report
    passes = report.epochs * len(repeated) / len(learned)
    return Overfit(run=run, learned=learned, rows=synthesizer.sample(written), steps=report.steps, epochs=passes)


def attacked(model: Overfit, holdout: pd.DataFrame, seed: int) -> Mapping[str, tuple[float, tuple[float, float]]]:
    """The score and interval of each attack on a model."""
    from rowsmith.evaluation import Evaluator, ExecutionSpec, ModelTables
    from rowsmith.table import from_frame

    tables = ModelTables(train=from_frame(model.learned), holdout=from_frame(holdout), synthetic=from_frame(model.rows))
    spec = ExecutionSpec(root=model.run.parent, evaluations=tuple(MODEL_ATTACKS), tables=tables, seed=seed)
    evaluator, _ = Evaluator.from_checkpoint(model.run.name, spec)
    evaluator()
    return {
        outcome.name: (outcome.score, outcome.interval)
        for outcome in evaluator.results.evaluations
        if outcome.score is not None and outcome.interval is not None
    }


def line(name: str, judged: Judged) -> list[str]:
    """What was found of a control."""
    words = {True: "pass", False: "fail", None: ""}
    privacy, fidelity = judged.warnings(PRIVACY), judged.warnings(FIDELITY)
    control = judged.control
    return [
        name, control.name, words[not privacy], words[control.privacy],
        words[not fidelity], words[control.fidelity], "yes" if judged.as_it_must else "**no**",
        ", ".join(dict.fromkeys(privacy)) or ", ".join(dict.fromkeys(fidelity if control.fidelity else [])),
    ]  # fmt: skip


def model_lines(name: str, attacks: Mapping[str, tuple[float, tuple[float, float]]]) -> list[list[str]]:
    """What attacks on the overfit model achieved."""
    lines = []
    for attack, limit in MODEL_ATTACKS.items():
        if attack not in attacks:
            lines.append([name, attack, "", "", f"{limit:.2f}", "**not measured**"])
            continue
        score, (low, high) = attacks[attack]
        beyond = "yes" if low > limit else "**no**"
        lines.append([name, attack, f"{score:.3f}", f"{low:.3f} to {high:.3f}", f"{limit:.2f}", beyond])
    return lines


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        "controls", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--rows", type=int, default=4_000, help="the most rows of each part")
    result.add_argument("--learned", type=int, default=300, help="rows that the overfit model learns")
    result.add_argument("--steps", type=int, default=600, help="its optimizer steps; 0 leaves it out")
    result.add_argument("--seed", type=int, default=0)
    result.add_argument("tables", type=Path, nargs="+", help="real tables")
    return result


def main(arguments: Sequence[str]) -> None:
    """Judge the controls of each table."""
    args = parser().parse_args(arguments)
    registry, attacks = Registry(), list[list[str]]()
    print(f"{machine()}\n\n{markdown(HEADERS, [])}", flush=True)
    for path in args.tables:
        frames = split(read_csv(path), args.rows, args.seed)
        for control in CONTROLS:
            print(row(line(path.name, judge(control, frames, args.seed, registry))), flush=True)
        if not args.steps:
            continue
        with tempfile.TemporaryDirectory() as folder:
            learned = frames.real.iloc[: args.learned]
            model = overfit(learned, len(frames.real), args.steps, args.seed, Path(folder, "overfit"))
            few = evolve(frames, real=learned, synthetic=model.rows)
            told = evolve(OVERFIT, name=f"{OVERFIT.name} ({len(learned)} rows, {model.epochs:.0f} passes)")
            print(row(line(path.name, judge(told, few, args.seed, registry))), flush=True)
            assert frames.holdout is not None
            attacks += model_lines(path.name, attacked(model, frames.holdout, args.seed))
    if attacks:
        print("\n" + markdown(MODEL_HEADERS, attacks))
