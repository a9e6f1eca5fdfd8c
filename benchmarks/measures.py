"""How alike two tables are in the distributions of one, two and three columns; 1 is the same.

``shape`` and ``trend`` are the field's usual measures: the Kolmogorov-Smirnov or total variation
distance of each column, and differences of correlation or of contingency tables of the pairs of
columns that are related in the real table. ``pairs`` and ``triples`` take every pair and 300 triples,
numbers cut at the real deciles and categories kept to the ten commonest: they see what ``trend``,
with its ten bins of equal width, does not.
"""

from __future__ import annotations

import itertools
import random

import numpy as np
import numpy.typing as npt
import pandas as pd
from attrs import frozen
from scipy.stats import ks_2samp
from scipy.stats.contingency import association

CORRELATED = 0.5
"""Pairs of numbers with no larger correlation in the real table are left out of ``trend``."""
ASSOCIATED = 0.3
"""The same for Cramér's V of the other pairs."""
MOST_TRIPLES = 300
NULL = "<null>"

Codes = npt.NDArray[np.int64]


@frozen
class Kinds:
    """Which columns are numbers and which are categories; booleans and pairs of numbers are categories."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]

    @classmethod
    def of(cls, real: pd.DataFrame) -> Kinds:
        """Tell them from the real table."""
        numbers = [
            name
            for name in real.columns
            if pd.api.types.is_numeric_dtype(real[name])
            and not pd.api.types.is_bool_dtype(real[name])
            and real[name].nunique() > 2
        ]
        return cls(tuple(numbers), tuple(name for name in real.columns if name not in numbers))

    @property
    def names(self) -> tuple[str, ...]:
        return self.numbers + self.categories

    def prepare(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with floats for numbers and text for categories, null being a category.

        What is no finite number in a column of numbers counts as null.
        """
        found = {name: pd.to_numeric(table[name], errors="coerce").astype(float) for name in self.numbers}
        columns = {name: numbers.where(np.isfinite(numbers)) for name, numbers in found.items()}
        for name in self.categories:
            texts = table[name].astype(object)
            columns[name] = texts.where(texts.notna(), NULL).astype(str).astype(object)
        order = [name for name in table.columns if name in columns]
        return pd.DataFrame(columns, index=table.index)[order]


def overlap(left: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """1 less the total variation distance of the values of two columns of codes."""
    left, right = np.asarray(left), np.asarray(right)
    _, codes = np.unique(np.concatenate([left, right]), return_inverse=True)
    counts = [np.bincount(part, minlength=codes.max() + 1) / len(part) for part in np.split(codes, [len(left)])]
    return 1 - float(np.abs(counts[0] - counts[1]).sum()) / 2


def shape(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Kinds) -> float:
    """The mean over columns of 1 less the distance of their distributions."""
    scores = [1 - _steps_apart(real[name], synthetic[name]) for name in kinds.numbers]
    scores += [overlap(*_category_codes(real[name], synthetic[name])) for name in kinds.categories]
    return float(np.mean(scores))


def trend(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Kinds) -> float:
    """The mean over pairs of columns that are related in the real table; NaN without any."""
    codes = {name: _category_codes(real[name], synthetic[name]) for name in kinds.categories}
    codes |= {name: _wide_bins(real[name], synthetic[name]) for name in kinds.numbers}
    scores = []
    for first, second in itertools.combinations(real.columns, 2):
        if first in kinds.numbers and second in kinds.numbers:
            scores.append(_correlation(real[[first, second]], synthetic[[first, second]]))
        else:
            scores.append(_contingency(codes[first], codes[second]))
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if known else float("nan")


def marginals(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Kinds) -> tuple[float, float]:
    """``pairs`` and ``triples``."""
    cells = {name: _deciles(real[name], synthetic[name]) for name in kinds.numbers}
    cells |= {name: _commonest(real[name], synthetic[name]) for name in kinds.categories}
    return tuple(  # type: ignore[return-value]
        float(np.mean([overlap(*_crossed([cells[name] for name in names])) for names in chosen])) if chosen else 1.0
        for chosen in (_chosen(list(real.columns), 2, None), _chosen(list(real.columns), 3, MOST_TRIPLES))
    )


def _chosen(names: list[str], size: int, most: int | None) -> list[tuple[str, ...]]:
    combinations = list(itertools.combinations(names, size))
    if most is not None:
        random.Random(0).shuffle(combinations)
    return combinations[:most]


def _steps_apart(real: pd.Series, synthetic: pd.Series) -> float:
    known, found = real.dropna(), synthetic.dropna()
    return float(ks_2samp(known, found).statistic) if len(found) else 1.0


def _category_codes(real: pd.Series, synthetic: pd.Series) -> tuple[Codes, Codes]:
    codes, _ = pd.factorize(pd.concat([real, synthetic], ignore_index=True))
    return codes[: len(real)], codes[len(real) :]


def _wide_bins(real: pd.Series, synthetic: pd.Series) -> tuple[Codes, Codes]:
    """Ten bins of equal width, each table's own; nulls go with the largest numbers."""
    parts = (np.digitize(each, np.histogram_bin_edges(each.dropna())) for each in (real, synthetic))
    first, second = parts
    return first, second


def _correlation(real: pd.DataFrame, synthetic: pd.DataFrame) -> float | None:
    known, found = (each.dropna().corr().iloc[0, 1] for each in (real, synthetic))
    if not abs(known) > CORRELATED or np.isnan(found):
        return None
    return 1 - abs(known - found) / 2


def _contingency(first: tuple[Codes, Codes], second: tuple[Codes, Codes]) -> float | None:
    table = pd.crosstab(first[0], second[0]).to_numpy()
    if min(table.shape) < 2 or not association(table, method="cramer") > ASSOCIATED:
        return None
    return overlap(*_crossed([first, second]))


def _crossed(columns: list[tuple[Codes, Codes]]) -> tuple[Codes, Codes]:
    """One code for each combination, real and synthetic."""
    size = 1 + max(int(part.max(initial=0)) for column in columns for part in column)
    real, synthetic = (sum(column[side] * size**place for place, column in enumerate(columns)) for side in (0, 1))
    return np.asarray(real), np.asarray(synthetic)


def _deciles(real: pd.Series, synthetic: pd.Series) -> tuple[Codes, Codes]:
    edges = np.unique(np.quantile(real.dropna(), np.linspace(0, 1, 11)))[1:-1]
    first, second = (np.where(each.isna(), len(edges) + 1, np.digitize(each, edges)) for each in (real, synthetic))
    return first, second


def _commonest(real: pd.Series, synthetic: pd.Series) -> tuple[Codes, Codes]:
    places = {value: place for place, value in enumerate(real.value_counts().index[:10])}
    first, second = (each.map(places).fillna(len(places)).to_numpy(dtype=np.int64) for each in (real, synthetic))
    return first, second
