"""Whether evaluations find and name defects that were planted in good synthetic rows.

    python -m benchmarks planted-defects --train train.csv --holdout holdout.csv good.csv [good-2.csv ...]

Each defect is planted in a copy of a good synthetic table of the census; some of them first need the real tables
changed, such as a column that repeats another. A line names the defect, the worst finding that is meant by it, and how
many times its threshold that is. The first lines are the good tables, which must raise no warning over all seeds.
Other planted defects are added to ``DEFECTS``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from attrs import evolve, field, frozen

from benchmarks.fidelity import read_csv
from benchmarks.reports import markdown
from rowsmith.components import ComponentRef, Kind
from rowsmith.config import RunConfig
from rowsmith.context import BuildContext
from rowsmith.evaluation import (
    EvaluationReport,
    EvaluationTables,
    Finding,
    Severity,
    TableEvaluation,
    evaluation_tables,
    run_evaluations,
)
from rowsmith.plugins import Registry
from rowsmith.randomness.seeds import Seeds
from rowsmith.table import from_frame

QUICK = ("column-shapes", "tails", "values", "null-patterns", "pair-trends", "rules")
HEADERS = ("planted", "finding", "columns", "times its threshold", "warnings", "message")


@frozen(eq=False, kw_only=True)
class Frames:
    """The tables of one case.

    Attributes:
        real: What the model learned from.
        synthetic: Its rows.
        holdout: Real rows that it never saw.
        options: What ``evaluation_tables`` is told besides.
    """

    real: pd.DataFrame
    synthetic: pd.DataFrame
    holdout: pd.DataFrame | None = None
    options: dict[str, object] = field(factory=dict)

    def prepared(self, seed: int) -> EvaluationTables:
        """The tables as evaluations read them."""
        held = None if self.holdout is None else from_frame(self.holdout)
        return evaluation_tables(from_frame(self.real), from_frame(self.synthetic), held, seed=seed, **self.options)

    def changed(self, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Frames:
        """The same change in every table."""
        held = None if self.holdout is None else change(self.holdout.copy())
        return evolve(self, real=change(self.real.copy()), synthetic=change(self.synthetic.copy()), holdout=held)


Plant = Callable[[Frames, np.random.Generator], Frames]


@frozen(kw_only=True)
class Defect:
    """A defect and how it is recognized.

    Attributes:
        name: What is wrong.
        plant: Plants it.
        columns: Columns of which a finding must name one.
        found_as: Defects of findings that are meant by it.
    """

    name: str
    plant: Plant
    columns: tuple[str, ...]
    found_as: frozenset[str]

    def found(self, report: EvaluationReport) -> Finding | None:
        """The worst warning that names it."""
        for finding in report.warnings:
            if finding.defect in self.found_as and set(finding.columns) & set(self.columns):
                return finding
        return None


def in_synthetic(change: Callable[[pd.DataFrame, np.random.Generator], None]) -> Plant:
    """A change of the synthetic rows alone."""

    def plant(frames: Frames, generator: np.random.Generator) -> Frames:
        changed = frames.synthetic.copy()
        change(changed, generator)
        return evolve(frames, synthetic=changed)

    return plant


def _cut_tail(rows: pd.DataFrame, generator: np.random.Generator) -> None:
    rows["fnlwgt"] = rows["fnlwgt"].clip(upper=int(rows["fnlwgt"].quantile(0.99)))


def _constant(rows: pd.DataFrame, generator: np.random.Generator) -> None:
    rows["hours_per_week"] = 40


def _lose_zeros(rows: pd.DataFrame, generator: np.random.Generator) -> None:
    zero = rows["capital_gain"] == 0
    rows.loc[zero, "capital_gain"] = generator.choice(rows.loc[~zero, "capital_gain"].to_numpy(), int(zero.sum()))


def _shuffle(rows: pd.DataFrame, generator: np.random.Generator) -> None:
    rows["relationship"] = generator.permutation(rows["relationship"].to_numpy())


def _break_pair(rows: pd.DataFrame, generator: np.random.Generator) -> None:
    """The years of education of another row with the same income, so that all other relations are nearly as before."""
    for _, same in rows.groupby("income"):
        rows.loc[same.index, "education_num"] = generator.permutation(same["education_num"].to_numpy())


def _break_equality(frames: Frames, generator: np.random.Generator) -> Frames:
    frames = frames.changed(lambda rows: rows.assign(age_again=rows["age"]))
    changed = frames.synthetic
    moved = generator.random(len(changed)) < 0.2
    changed.loc[moved, "age_again"] += 1
    return evolve(frames, synthetic=changed)


def _scatter_nulls(frames: Frames, generator: np.random.Generator) -> Frames:
    names = ("workclass", "occupation")

    def together(rows: pd.DataFrame) -> pd.DataFrame:
        lost = generator.random(len(rows)) < 0.08
        return rows.assign(**{name: rows[name].astype(object).where(~lost, None) for name in names})

    frames = frames.changed(together)
    rows = frames.synthetic
    for name in names:
        filled = rows[name].ffill().bfill()
        rows[name] = filled.where(generator.random(len(rows)) >= 0.08, None)
    return evolve(frames, synthetic=rows)


def _lose_category(rows: pd.DataFrame, generator: np.random.Generator) -> None:
    rows["occupation"] = rows["occupation"].replace("Sales", "Adm-clerical")


def _other_unit(rows: pd.DataFrame, generator: np.random.Generator) -> None:
    rows.loc[generator.random(len(rows)) < 0.01, "hours_per_week"] *= 60


_ENDS = frozenset({"tails-cut", "tails-thin", "pile-up"})

DEFECTS = [
    Defect(name="tails cut at the 99th percentile", plant=in_synthetic(_cut_tail), columns=("fnlwgt",), found_as=_ENDS),
    Defect(
        name="column constant",
        plant=in_synthetic(_constant),
        columns=("hours_per_week",),
        found_as=frozenset({"constant"}),
    ),
    Defect(
        name="zeros lost",
        plant=in_synthetic(_lose_zeros),
        columns=("capital_gain",),
        found_as=frozenset({"value-lost"}),
    ),
    Defect(
        name="column shuffled",
        plant=in_synthetic(_shuffle),
        columns=("relationship",),
        found_as=frozenset({"column-unrelated"}),
    ),
    Defect(
        name="relation of a pair broken",
        plant=in_synthetic(_break_pair),
        columns=("education", "education_num"),
        found_as=frozenset({"dependency-broken", "relation-changed", "column-unrelated"}),
    ),
    Defect(
        name="equality of two columns broken",
        plant=_break_equality,
        columns=("age_again",),
        found_as=frozenset({"equality-broken"}),
    ),
    Defect(
        name="null pattern random",
        plant=_scatter_nulls,
        columns=("workclass", "occupation"),
        found_as=frozenset({"nulls-apart"}),
    ),
    Defect(
        name="category missing",
        plant=in_synthetic(_lose_category),
        columns=("occupation",),
        found_as=frozenset({"value-lost"}),
    ),
    Defect(
        name="another unit in 1 % of rows",
        plant=in_synthetic(_other_unit),
        columns=("hours_per_week",),
        found_as=frozenset({"far-outliers"}),
    ),
]
"""What is planted in a census; a module of other defects adds to it."""


def evaluations(names: Sequence[str], registry: Registry) -> list[TableEvaluation]:
    """Evaluations by name, with their default options."""
    context = BuildContext(config=RunConfig(), registry=registry, seeds=Seeds(0))
    return [registry.build(Kind.EVALUATION, ComponentRef(name=name), context) for name in names]


def judged(frames: Frames, chosen: Sequence[TableEvaluation], seed: int) -> EvaluationReport:
    """The report on some tables.

    Raises:
        RuntimeError: An evaluation failed.
    """
    report = run_evaluations(chosen, frames.prepared(seed))
    if report.failed:
        raise RuntimeError("; ".join(f"{result.name}: {result.message}" for result in report.failed))
    return report


def line(defect: Defect, report: EvaluationReport) -> list[str]:
    """What was found of a defect."""
    finding, warnings = defect.found(report), str(len(report.warnings))
    if finding is None:
        return [defect.name, "**not found**", "", "", warnings, ""]
    return [
        defect.name, finding.defect, ", ".join(finding.columns), f"{finding.excess:.1f}", warnings, finding.message,
    ]  # fmt: skip


def good_line(path: str, seed: int, report: EvaluationReport) -> list[str]:
    """What was found of a good table: nothing, or too much."""
    said = "; ".join(finding.message for finding in report.findings if finding.severity is Severity.WARNING)
    return [f"nothing ({path}, seed {seed})", "", "", "", str(len(report.warnings)), said]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        "planted-defects", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--train", type=Path, required=True)
    result.add_argument("--holdout", type=Path)
    result.add_argument("--evaluations", default=",".join(QUICK), help="names joined by commas")
    result.add_argument("--seeds", type=int, default=10, help="how often the good tables are judged, in turn")
    result.add_argument("synthetic", type=Path, nargs="+", help="good synthetic tables; defects go into the first one")
    return result


def main(arguments: Sequence[str]) -> None:
    """Judge the good tables, then each defect."""
    args = parser().parse_args(arguments)
    real, held = read_csv(args.train), None if args.holdout is None else read_csv(args.holdout)
    good = [Frames(real=real, synthetic=read_csv(path), holdout=held) for path in args.synthetic]
    chosen = evaluations(args.evaluations.split(","), Registry())
    lines = []
    for seed in range(args.seeds):
        index = seed % len(good)
        lines.append(good_line(args.synthetic[index].name, seed, judged(good[index], chosen, seed)))
    for defect in DEFECTS:
        frames = defect.plant(good[0], np.random.default_rng(0))
        lines.append(line(defect, judged(frames, chosen, 0)))
    print(markdown(HEADERS, lines))
