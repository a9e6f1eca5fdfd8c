"""Each measure of fidelity against a slow and obvious one, and where its value is known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from benchmarks import judges, measures
from benchmarks.measures import Kinds
from hypothesis import given, settings
from hypothesis import strategies as st

codes = st.lists(st.integers(0, 4), min_size=1, max_size=20)


def table(rows: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    size = random.normal(10, 3, rows).round(2)
    return pd.DataFrame(
        {
            "size": size,
            "double": (2 * size + random.normal(0, 0.5, rows)).round(2),
            "noise": random.integers(0, 100, rows),
            "kind": np.where(size > 10, "large", random.choice(["small", "tiny"], rows)),
            "flag": np.where(size > 10, "yes", "no"),
        }
    )


def prepared(*tables: pd.DataFrame) -> tuple[Kinds, list[pd.DataFrame]]:
    kinds = Kinds.of(tables[0])
    return kinds, [kinds.prepare(each) for each in tables]


@given(codes, codes)
def test_overlap(left: list[int], right: list[int]) -> None:
    first, second = Counter(left), Counter(right)
    distance = sum(abs(first[value] / len(left) - second[value] / len(right)) for value in {*left, *right}) / 2
    assert measures.overlap(left, right) == pytest.approx(1 - distance)


def test_kinds() -> None:
    frame = pd.DataFrame({"n": [1, 2, 3], "two": [0, 1, 0], "b": [True, False, True], "t": ["x", None, "z"]})
    kinds = Kinds.of(frame)
    assert kinds.numbers == ("n",)
    assert kinds.prepare(frame)["t"].tolist() == ["x", measures.NULL, "z"]
    assert kinds.prepare(pd.DataFrame({"n": ["4", "?"], "two": 1, "b": True, "t": "a"}))["n"].isna().tolist() == [
        False,
        True,
    ]


@given(st.lists(st.integers(0, 9), min_size=3, max_size=15), st.lists(st.integers(0, 9), min_size=1, max_size=15))
@settings(max_examples=60)
def test_shape_of_numbers(real: list[int], synthetic: list[int]) -> None:
    real = [*real, 0, 1, 2]
    kinds, (first, second) = prepared(pd.DataFrame({"x": real}), pd.DataFrame({"x": synthetic}))
    shares = [
        abs(np.mean([v <= cut for v in real]) - np.mean([v <= cut for v in synthetic])) for cut in {*real, *synthetic}
    ]
    assert measures.shape(first, second, kinds) == pytest.approx(1 - max(shares))


def test_a_table_is_like_itself_and_unlike_another() -> None:
    real = table(500)
    other = real.assign(size=real["size"] + 100, kind="huge")
    kinds, (first, second) = prepared(real, other)
    assert measures.shape(first, first, kinds) == 1
    assert measures.trend(first, first, kinds) == pytest.approx(1)
    assert measures.marginals(first, first, kinds) == (1, 1)
    assert measures.shape(first[["size", "kind"]], second[["size", "kind"]], Kinds(("size",), ("kind",))) == 0


def test_trend_looks_at_related_columns_alone() -> None:
    real, synthetic = table(800), table(800, 1)
    synthetic["double"] = synthetic["double"].sample(frac=1, random_state=0).to_numpy()
    kinds, (first, second) = prepared(real, synthetic)
    # Related: size and double, either with kind and flag, kind with flag; noise with none.
    scores = [1 - abs(first["size"].corr(first["double"]) - second["size"].corr(second["double"])) / 2]
    for left, right in [("size", "kind"), ("size", "flag"), ("double", "kind"), ("double", "flag"), ("kind", "flag")]:
        cells = []
        for each in (first, second):
            values = each[left] if left == "kind" else np.digitize(each[left], np.histogram_bin_edges(each[left]))
            cells.append(Counter(zip(values, each[right], strict=True)))
        shares = [abs(cells[0][cell] - cells[1][cell]) / 800 for cell in {*cells[0], *cells[1]}]
        scores.append(1 - sum(shares) / 2)
    assert measures.trend(first, second, kinds) == pytest.approx(np.mean(scores))


def test_pairs_see_what_single_columns_do_not() -> None:
    real = table(600)
    shuffled = real.apply(lambda column: column.sample(frac=1, random_state=len(str(column.name))).to_numpy())
    kinds, (first, second) = prepared(real, shuffled)
    pairs, triples = measures.marginals(first, second, kinds)
    assert measures.shape(first, second, kinds) == pytest.approx(1)
    assert triples < pairs < 0.95


def test_pairs_by_hand() -> None:
    real = pd.DataFrame({"a": ["x", "x", "y", "y"], "b": ["p", "q", "p", "q"]})
    synthetic = pd.DataFrame({"a": ["x", "x", "y", "new"], "b": ["p", "p", "p", "q"]})
    kinds, (first, second) = prepared(real, synthetic)
    # (x p) 1/4 and 2/4, (x q) 1/4 and 0, (y p) alike, (y q) 1/4 and 0, (new q) 0 and 1/4.
    assert measures.marginals(first, second, kinds)[0] == pytest.approx(0.5)


def test_a_judge_tells_what_differs() -> None:
    kinds, (real, same, other) = prepared(table(600), table(600, 1), table(600, 2).assign(noise=500))
    assert 0.4 < judges.c2st(real, same, kinds) < 0.6
    assert judges.c2st(real, other, kinds) > 0.99


def test_relations_show_to_the_judge_that_sees_them() -> None:
    random = np.random.default_rng(0)
    start = random.integers(0, 10_000, 1_500)
    real = pd.DataFrame({"start": start, "end": start + random.integers(0, 5, 1_500)})
    fake = pd.DataFrame({"start": start, "end": start + random.integers(-5, 10, 1_500)})
    kinds, (first, second) = prepared(real, fake)
    assert judges.c2st(first, second, kinds, relations=True) > judges.c2st(first, second, kinds) + 0.1


def test_a_classifier_learns_from_rows_that_hold_the_relation() -> None:
    kinds, (train, holdout) = prepared(table(600), table(300, 1))
    useless = train.assign(flag=train["flag"].sample(frac=1, random_state=0).to_numpy())
    assert judges.tstr(train, holdout, kinds, "flag", "yes") > 0.99
    assert judges.tstr(useless, holdout, kinds, "flag", "yes") < 0.8
    assert np.isnan(judges.tstr(train.assign(flag="yes"), holdout, kinds, "flag", "yes"))


def test_the_nearest_rows() -> None:
    kinds, (train, holdout, synthetic) = prepared(table(60), table(60, 1), table(40, 2))
    assert judges.dcr_share(train, holdout, train, kinds) == 1
    assert judges.dcr_share(train, holdout, holdout, kinds) == 0
    assert judges.dcr_share(train, train, synthetic, kinds) == pytest.approx(0.5, abs=0.01)

    def distances(row: pd.Series, others: pd.DataFrame) -> pd.Series:
        apart = sum(2.0 * (others[name] != row[name]) for name in kinds.categories)
        for name in kinds.numbers:
            scaled, own = ((each[name] - train[name].mean()) / train[name].std() for each in (others, row))
            apart = apart + (scaled.clip(-5, 5) - np.clip(own, -5, 5)) ** 2
        return apart

    near = [distances(row, train).min() < distances(row, holdout).min() for _, row in synthetic.iterrows()]
    assert judges.dcr_share(train, holdout, synthetic, kinds) == pytest.approx(np.mean(near), abs=1e-9)


def test_copies() -> None:
    train = pd.DataFrame({"a": ["x", "y"], "b": ["1", "2"]})
    synthetic = pd.DataFrame({"b": ["1", "2", "2", "9"], "a": ["x", "x", "y", "y"]})
    assert judges.copies(train, synthetic) == 0.5
