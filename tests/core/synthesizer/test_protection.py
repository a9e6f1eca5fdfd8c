"""Values that few training rows have do not come back through a trained model more often than by chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from rowsmith import Synthesizer

ROWS, MADE, PLANTED = 2_400, 4_000, 24
# No value is in more rows than this, one less than are needed for it to be learned.
MOST_ROWS = 4

WORDS = ("red", "green", "old", "new", "house", "garden", "door", "window", "sold", "rented", "large", "small")


def _amounts(chance: np.random.Generator, count: int) -> np.ndarray:
    return np.round(chance.lognormal(6, 0.6, count), 2)


def _labels(chance: np.random.Generator, count: int) -> np.ndarray:
    return np.array([f"kind {number}" for number in chance.choice(900, count, replace=False) + 100])


def _days(chance: np.random.Generator, count: int) -> np.ndarray:
    return pd.Timestamp("1950-01-01") + pd.to_timedelta(chance.choice(9_000, count, replace=False), unit="D").to_numpy()


def _texts(chance: np.random.Generator, count: int) -> np.ndarray:
    return np.array([" ".join(chance.choice(WORDS, 5)) for _ in range(count)], dtype=object)


def _codes(chance: np.random.Generator, count: int) -> np.ndarray:
    letters = chance.choice(list("ABCDEF"), (count, 2))
    return np.array([f"{a}{b}-{n:03d}" for (a, b), n in zip(letters, chance.integers(0, 1_000, count), strict=True)])


# How values that few rows have are made, and as many that no row has; what the other rows hold.
PLANTS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "amount": _amounts,
    "label": _labels,
    "day": _days,
    "text": _texts,
    "code": _codes,
}


def _usual(chance: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "amount": _amounts(chance, ROWS),
        "label": chance.choice(["north", "south", "east", "west"], ROWS).astype(object),
        "day": pd.Timestamp("2023-01-01") + pd.to_timedelta(chance.integers(0, 365, ROWS), unit="D").to_numpy(),
        "text": _texts(chance, ROWS),
        "code": np.repeat(_codes(chance, ROWS // 8), 8).astype(object),
    }


def _planted() -> tuple[pd.DataFrame, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The table, what was planted in each column, and as many values of the same kind that are nowhere in it."""
    chance = np.random.default_rng(7)
    columns, planted, absent = _usual(chance), {}, {}
    for name, make in PLANTS.items():
        values = pd.unique(make(chance, 4 * PLANTED))
        values = values[~np.isin(values, columns[name])]
        planted[name], absent[name] = values[:PLANTED], values[PLANTED : 2 * PLANTED]
        where = chance.permutation(ROWS)[: PLANTED * MOST_ROWS].reshape(PLANTED, MOST_ROWS)
        for value, places in zip(planted[name], where, strict=True):
            columns[name][places] = value
    return pd.DataFrame(columns), planted, absent


@pytest.mark.slow
def test_a_value_of_few_rows_comes_back_through_a_trained_model_no_more_often_than_by_chance() -> None:
    """Beside each planted value is one of the same kind that no row has: the one is made as seldom as the other."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    frame, planted, absent = _planted()
    options = {"width": 32, "layers": 1, "dtype": "float32"}
    training = {"max_steps": 240}
    synthesizer = Synthesizer(
        data={"holdout": 0}, training=training, model={"name": "scratch", "options": options}, seed=3
    )
    made = synthesizer.fit(frame).sample(MADE)
    for name in PLANTS:
        hits, chance = (int(made[name].isin(values).sum()) for values in (planted[name], absent[name]))
        learned = frame[name].isin(planted[name]).mean() * MADE
        most = chance + 5 * np.sqrt(chance + 1) + 3
        assert most < learned / 2, f"{name}: {chance} by chance, {learned:.0f} if learned"
        assert hits <= most, f"{name}: {hits} rows hold a planted value, {chance} an absent one of the same kind"
