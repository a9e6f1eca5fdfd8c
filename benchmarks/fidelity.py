"""How much synthetic rows are like real ones, always beside held-out rows.

    python -m benchmarks fidelity --train train.csv --holdout holdout.csv --target income synthetic.csv ...

Every table is cut to as many rows as the held-out one has, since scores grow with rows; a longer one is
cut several times and the mean is shown. The first line is the ceiling: held-out rows scored as if they
were synthetic, and for TSTR as many real rows to train on. All measures are computed from CSV files
alone; see ``measures`` and ``judges`` for what they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from attrs import frozen

from benchmarks import judges, measures
from benchmarks.measures import Kinds
from benchmarks.reports import Scores, line, markdown, mean_line

MEASURES = ("shape", "trend", "pairs", "triples", "C2ST", "with relations", "TSTR AUC", "DCR share", "copies")

FEWEST = 10


@frozen(eq=False)
class Scorer:
    """Scores synthetic tables against the real one.

    Attributes:
        kinds: The columns.
        train: Prepared training rows.
        holdout: Prepared held-out rows.
        target: The column that TSTR predicts; None leaves TSTR out.
        repeats: The most cuts of a longer table.
    """

    kinds: Kinds
    train: pd.DataFrame
    holdout: pd.DataFrame
    target: str | None = None
    repeats: int = 2

    @classmethod
    def of(cls, train: pd.DataFrame, holdout: pd.DataFrame, target: str | None = None, repeats: int = 2) -> Scorer:
        """A scorer of two real tables with the same columns."""
        kinds = Kinds.of(train)
        real, unseen = kinds.prepare(train), kinds.prepare(chosen(holdout, train, "the held-out table"))
        if judges.copies(real, unseen) == 1:
            raise SystemExit(
                "every held-out row is a training row: they tell nothing of rows that no model has seen; "
                "hold rows out before training"
            )
        return cls(kinds, real, unseen, target, repeats)

    def ceiling(self) -> Scores:
        """The held-out rows' own scores."""
        real = self.train.sample(min(len(self.holdout), len(self.train)), random_state=1)
        scores = self._likeness(self.holdout, real)
        trained = self.train.sample(len(real), random_state=0)
        return scores | {"TSTR AUC": self._tstr(trained), "DCR share": float("nan")}

    def score(self, table: pd.DataFrame) -> Scores:
        """The mean scores of a synthetic table's cuts; columns that the real table does not have are left out."""
        prepared = self.kinds.prepare(chosen(table, self.train, "the synthetic table"))
        rows = prepared.sample(frac=1, random_state=0).reset_index(drop=True)
        size = len(self.holdout)
        count = max(1, min(self.repeats, len(rows) // size))
        cuts = [self._score(rows[place * size : (place + 1) * size]) for place in range(count)]
        return {name: float(np.mean([cut[name] for cut in cuts])) for name in MEASURES}

    def _score(self, rows: pd.DataFrame) -> Scores:
        share = judges.dcr_share(self.train, self.holdout, rows, self.kinds)
        return self._likeness(rows, self.holdout) | {"TSTR AUC": self._tstr(rows), "DCR share": share}

    def _likeness(self, rows: pd.DataFrame, unseen: pd.DataFrame) -> dict[str, float]:
        pairs, triples = measures.marginals(self.train, rows, self.kinds)
        return {
            "shape": measures.shape(self.train, rows, self.kinds),
            "trend": measures.trend(self.train, rows, self.kinds),
            "pairs": pairs,
            "triples": triples,
            "C2ST": judges.c2st(unseen, rows, self.kinds),
            "with relations": judges.c2st(unseen, rows, self.kinds, relations=True),
            "copies": judges.copies(self.train, rows),
        }

    def _tstr(self, rows: pd.DataFrame) -> float:
        if self.target is None:
            return float("nan")
        values = sorted(self.train[self.target].unique())
        return judges.tstr(rows, self.holdout, self.kinds, self.target, values[1]) if len(values) > 1 else float("nan")


def chosen(table: pd.DataFrame, train: pd.DataFrame, what: str) -> pd.DataFrame:
    """The columns of the training table, in its order.

    Raises:
        SystemExit: Some are missing, or there are too few rows to score.
    """
    missing = [name for name in train.columns if name not in table.columns]
    if missing:
        raise SystemExit(f"{what} misses the columns {', '.join(missing)} of the training table")
    if len(table) < FEWEST:
        raise SystemExit(f"{what} has {len(table)} rows; at least {FEWEST} are needed")
    return table[list(train.columns)]


def read_csv(path: Path) -> pd.DataFrame:
    """A CSV with empty fields alone as nulls."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        "fidelity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--train", type=Path, required=True)
    result.add_argument("--holdout", type=Path, required=True)
    result.add_argument("--target", help="a column of two values for TSTR")
    result.add_argument("--repeats", type=int, default=2, help="cuts of a longer table that are averaged")
    result.add_argument("synthetic", type=Path, nargs="*")
    return result


def main(arguments: Sequence[str]) -> None:
    """Score the tables and print one line each, and the mean of several."""
    args = parser().parse_args(arguments)
    scorer = Scorer.of(read_csv(args.train), read_csv(args.holdout), args.target, args.repeats)
    lines = [line("real held-out rows", len(scorer.holdout), MEASURES, scorer.ceiling())]
    found = []
    for path in args.synthetic:
        table = read_csv(path)
        found.append(scorer.score(table))
        lines.append(line(path.stem, len(table), MEASURES, found[-1]))
    if len(found) > 1:
        lines.append(mean_line(f"mean of {len(found)}", MEASURES, found))
    print(markdown(("table", "rows", *MEASURES), lines))
