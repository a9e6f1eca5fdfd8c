"""How alike the groups of two tables are, and the order of rows in them.

``uni`` and ``pairs`` are 1 less the distance of the distributions of one and of two columns, numbers cut at
the training deciles and categories kept to the ten commonest; ``coherence`` is the same for a value and the
one in the next row of its group, and ``acf`` the difference of the autocorrelations of lag 1 to 5. ``length
KS`` and ``gap KS`` are Kolmogorov-Smirnov distances of the rows of a group, and of the steps of the order
column from row to row. ``in order`` is the share of steps that do not go back, ``repeats`` of those that stay
where they are. Rows count in the order of the file. Without an order column the last three are not known.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from attrs import frozen
from scipy.stats import ks_2samp

from benchmarks.measures import overlap
from benchmarks.reports import Scores

MEASURES = ("length KS", "uni", "pairs", "coherence", "in order", "repeats", "gap KS", "acf")
LAGS = range(1, 6)
SHORTEST = 8
"""Autocorrelations are those of groups of at least so many rows,"""
MOST_GROUPS = 2_000
"""and of so many of them."""

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Codes are below this number, so that two of them make one.
_CODES = 1_000


def in_time(values: pd.Series, dates: bool) -> pd.Series:
    """The order column as numbers; of dates, seconds."""
    if not dates:
        return pd.to_numeric(values, errors="coerce").astype(float)
    instants = pd.to_datetime(values, errors="coerce")
    return (instants - pd.Timestamp(1970, 1, 1, tz=instants.dt.tz)) / pd.Timedelta(seconds=1)


def are_dates(values: pd.Series) -> bool:
    """Whether an order column holds dates rather than numbers."""
    return bool(pd.to_numeric(values, errors="coerce").notna().mean() <= 0.99)


@frozen(eq=False)
class Bins:
    """How the values of a column become few codes.

    Attributes:
        edges: Inner deciles of a number; None for categories.
        commonest: Codes of the commonest texts of a category.
    """

    edges: Floats | None
    commonest: dict[str, int]

    @classmethod
    def of(cls, values: pd.Series) -> Bins:
        """Those of a training column."""
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            deciles = np.quantile(values.dropna(), np.linspace(0, 1, 11)) if values.notna().any() else np.zeros(0)
            return cls(np.unique(deciles)[1:-1], {})
        texts = values.astype(str).value_counts().index[:10]
        return cls(None, {text: place for place, text in enumerate(texts, start=1)})

    def codes(self, values: pd.Series) -> Codes:
        """A code for each value; numbers that are missing, and rare texts, have one of their own."""
        if self.edges is None:
            return values.astype(str).map(self.commonest).fillna(0).to_numpy(dtype=np.int64)
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
        return np.where(np.isnan(numbers), 0, 1 + np.digitize(numbers, self.edges)).astype(np.int64)


@frozen(eq=False)
class Groups:
    """What is compared of a table.

    Attributes:
        codes: Codes by column.
        following: The row after each row in its group; -1 for the last.
        lengths: Rows of each group.
        steps: From the order value of a row to that of the next in its group.
        correlations: Mean autocorrelations, ``[lags, columns]``; NaN where they are not known.
    """

    codes: dict[str, Codes]
    following: Codes
    lengths: Codes
    steps: Floats
    correlations: Floats


@frozen(eq=False)
class Scorer:
    """Scores tables against the training table.

    Attributes:
        keys: The columns that make rows a group.
        order: The column that orders the rows of a group, if one does.
        dates: Whether that holds dates.
        bins: How each column is cut, in the order of the table.
        train: The training table.
    """

    keys: tuple[str, ...]
    order: str | None
    dates: bool
    bins: dict[str, Bins]
    train: Groups

    @classmethod
    def of(cls, train: pd.DataFrame, keys: Sequence[str], order: str | None = None) -> Scorer:
        """A scorer of a training table."""
        bins = {name: Bins.of(train[name]) for name in train.columns if name not in keys}
        dates = order is not None and are_dates(train[order])
        return cls(tuple(keys), order, dates, bins, groups_of(train, keys, order, dates, bins))

    def score(self, table: pd.DataFrame) -> Scores:
        """All measures of a table; NaN where one is not known."""
        real, mine = self.train, groups_of(table, self.keys, self.order, self.dates, self.bins)
        names = list(self.bins)
        known = self.order is not None and len(mine.steps) > 0 and len(real.steps) > 0
        return {
            "length KS": float(ks_2samp(real.lengths, mine.lengths).statistic),
            "uni": _mean([overlap(real.codes[name], mine.codes[name]) for name in names]),
            "pairs": _mean([_together(real, mine, *pair) for pair in itertools.combinations(names, 2)]),
            "coherence": _mean([_alike_next(real, mine, name) for name in names]),
            "in order": float(np.mean(mine.steps >= 0)) if known else np.nan,
            "repeats": float(np.mean(mine.steps == 0)) if known else np.nan,
            "gap KS": float(ks_2samp(real.steps, mine.steps).statistic) if known else np.nan,
            "acf": _known_mean(np.abs(mine.correlations - real.correlations)),
        }


def groups_of(
    table: pd.DataFrame, keys: Sequence[str], order: str | None, dates: bool, bins: dict[str, Bins]
) -> Groups:
    """What is compared of a table, whose rows of a group need not stand together."""
    numbers = table.groupby(list(keys), sort=True).ngroup().to_numpy(dtype=np.int64)
    rows = np.argsort(numbers, kind="stable")[np.count_nonzero(numbers < 0) :]
    same = np.flatnonzero(numbers[rows[1:]] == numbers[rows[:-1]])
    following = np.full(len(table), -1, dtype=np.int64)
    following[rows[same]] = rows[same + 1]
    steps = np.zeros(0)
    if order is not None:
        times = in_time(table[order], dates).to_numpy(dtype=np.float64)
        steps = times[rows[same + 1]] - times[rows[same]]
    numeric = [name for name, cut in bins.items() if cut.edges is not None]
    values = np.empty((len(table), len(numeric)))
    for place, name in enumerate(numeric):
        values[:, place] = pd.to_numeric(table[name], errors="coerce")
    bounds = np.flatnonzero(np.diff(numbers[rows])) + 1
    return Groups(
        codes={name: cut.codes(table[name]) for name, cut in bins.items()},
        following=following,
        lengths=np.bincount(numbers[rows]),
        steps=steps[~np.isnan(steps)],
        correlations=autocorrelations([values[part] for part in np.split(rows, bounds)], len(numeric)),
    )


def autocorrelations(groups: Sequence[Floats], columns: int) -> Floats:
    """The mean over long groups of each column's autocorrelations, ``[lags, columns]``."""
    longer = [group for group in groups if len(group) >= SHORTEST][:MOST_GROUPS]
    if not longer or not columns:
        return np.full((len(LAGS), columns), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns without a value
        return np.nanmean([_autocorrelation(group) for group in longer], axis=0)


def _autocorrelation(values: Floats) -> Floats:
    around = values - np.nanmean(values, axis=0)
    spread = np.nanmean(around * around, axis=0)
    spread = np.where(spread > 0, spread, np.nan)
    return np.array([np.nanmean(around[lag:] * around[:-lag], axis=0) / spread for lag in LAGS])


def _together(real: Groups, mine: Groups, first: str, second: str) -> float:
    return overlap(*(each.codes[first] * _CODES + each.codes[second] for each in (real, mine)))


def _alike_next(real: Groups, mine: Groups, name: str) -> float:
    both = _next_pairs(real, name), _next_pairs(mine, name)
    return overlap(*both) if all(map(len, both)) else np.nan


def _next_pairs(groups: Groups, name: str) -> Codes:
    now = np.flatnonzero(groups.following >= 0)
    codes = groups.codes[name]
    return codes[now] * _CODES + codes[groups.following[now]]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _known_mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan
