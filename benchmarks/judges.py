"""What classifiers and neighbours tell of synthetic rows: C2ST, TSTR, DCR share and copies."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import OrdinalEncoder

from benchmarks.measures import Kinds

MOST_JUDGED = 10_000
MOST_NEIGHBOURS = 4_000
MOST_RELATIONS = 300
FREQUENT = 100


def c2st(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Kinds, *, relations: bool = False) -> float:
    """How well boosted trees tell synthetic rows from real ones, as area under the curve.

    Args:
        real: Prepared rows that no model saw.
        synthetic: Prepared rows.
        kinds: Their columns.
        relations: Whether the trees also see differences and equalities of numbers and last digits.
    """
    count = min(len(real), len(synthetic), MOST_JUDGED)
    rows = pd.concat([each.sample(count, random_state=0) for each in (real, synthetic)], ignore_index=True)
    further = _relations(rows, kinds) if relations else pd.DataFrame(index=rows.index)
    features = rows.copy()
    if kinds.categories:
        names = [name for name in rows.columns if name in kinds.categories]
        features[names] = OrdinalEncoder().fit_transform(rows[names])
    features = pd.concat([features, further], axis=1).astype(float)
    labels = np.repeat([0, 1], count)
    judge = HistGradientBoostingClassifier(random_state=0)
    return float(roc_auc_score(labels, cross_val_predict(judge, features, labels, cv=3, method="predict_proba")[:, 1]))


def _relations(rows: pd.DataFrame, kinds: Kinds) -> pd.DataFrame:
    found: dict[str, pd.Series] = {}
    numbers = [name for name in rows.columns if name in kinds.numbers]
    for first, second in list(itertools.combinations(numbers, 2))[:MOST_RELATIONS]:
        found[f"{first} - {second}"] = rows[first] - rows[second]
        found[f"{first} == {second}"] = rows[first] == rows[second]
    for name in numbers:
        found[f"{name} % 10"], found[f"{name} % 100"] = rows[name] % 10, rows[name] % 100
    return pd.DataFrame(found, index=rows.index)


def tstr(synthetic: pd.DataFrame, holdout: pd.DataFrame, kinds: Kinds, target: str, positive: str) -> float:
    """Train on synthetic rows, test on held-out ones: area under the curve; NaN when one class is missing.

    Args:
        synthetic: Prepared rows to train on.
        holdout: Prepared rows to test on.
        kinds: Their columns.
        target: The column to predict.
        positive: Its value that counts as positive.
    """
    labels = synthetic[target] == positive
    if labels.nunique() < 2:
        return float("nan")
    # Boosted trees take no column without a single value.
    blank = [name for name in synthetic.columns if synthetic[name].isna().all()]
    train, test = synthetic.drop(columns=[target, *blank]), holdout.drop(columns=[target, *blank])
    names = [name for name in train.columns if name in kinds.categories]
    if names:
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(train[names])
        train[names], test[names] = encoder.transform(train[names]), encoder.transform(test[names])
    model = HistGradientBoostingClassifier(random_state=0).fit(train.astype(float), labels)
    return float(roc_auc_score(holdout[target] == positive, model.predict_proba(test.astype(float))[:, 1]))


def dcr_share(train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, kinds: Kinds) -> float:
    """The share of synthetic rows that lie nearer to a training row than to a held-out one.

    As many training rows as held-out ones are compared; ties count half. Numbers are scaled by the
    training rows' mean and deviation, categories are one-hot.
    """
    count = min(len(train), len(holdout))
    samples = [
        train.sample(count, random_state=0),
        holdout.sample(count, random_state=0),
        synthetic.sample(min(MOST_NEIGHBOURS, len(synthetic)), random_state=0),
    ]
    points = _points(pd.concat(samples, ignore_index=True), train, kinds)
    near, far, own = np.split(points, [count, 2 * count])
    to_train, to_holdout = (NearestNeighbors(n_neighbors=1).fit(base).kneighbors(own)[0][:, 0] for base in (near, far))
    return float(np.mean(to_train < to_holdout) + np.mean(to_train == to_holdout) / 2)


def _points(rows: pd.DataFrame, train: pd.DataFrame, kinds: Kinds) -> np.ndarray:
    parts = [np.empty((len(rows), 0), dtype=np.float32)]
    for name in kinds.numbers:
        scaled = (rows[name] - train[name].mean()) / (train[name].std() + 1e-9)
        parts.append(scaled.fillna(0).clip(-5, 5).to_numpy(np.float32)[:, None])
    for name in kinds.categories:
        frequent = train[name].value_counts().index[:FREQUENT]
        parts.append(pd.get_dummies(rows[name].where(rows[name].isin(frequent), "other")).to_numpy(np.float32))
    return np.concatenate(parts, axis=1)


def copies(train: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    """The share of synthetic rows that equal some training row in every column."""
    known = pd.util.hash_pandas_object(train, index=False)
    return float(pd.util.hash_pandas_object(synthetic[list(train.columns)], index=False).isin(set(known)).mean())
