"""What anonymeter says of attacks on training rows; runs in its own Python."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator
from anonymeter.stats.confidence import EvaluationResults
from cases_on_disk import Tables, answer

COUNTS = [(500, 300, 400, 200), (500, 0, 500, 0), (100, 100, 50, 3), (37, 5, 90, 11), (1000, 10, 1000, 20)]
"""Attacks on training rows and how many succeed, the same of held-out rows."""
SPLITS = 4


def _risk(results: EvaluationResults) -> list[float]:
    risk = results.risk()
    return [risk.value, *risk.ci]


def _rates() -> list[tuple[tuple[int, ...], list[float]]]:
    return [
        (counts, _risk(EvaluationResults((counts[0], counts[0], counts[2]), counts[1], 0, counts[3])))
        for counts in COUNTS
    ]


def _inference(tables: Tables) -> dict[str, list[float]]:
    real = tables["real"]
    risks = {}
    for secret in real:
        evaluator = InferenceEvaluator(
            ori=real,
            syn=tables["synthetic"],
            control=tables["holdout"],
            aux_cols=[name for name in real if name != secret],
            secret=secret,
            regression=pd.api.types.is_numeric_dtype(real[secret]),
            n_attacks=len(real),
        )
        risks[secret] = _risk(evaluator.evaluate(n_jobs=1).results())
    return risks


def _linkability(tables: Tables) -> list[float]:
    """The risk of all attacks of several splits of the columns together."""
    real, random, hits = tables["real"], np.random.default_rng(0), np.zeros(3, dtype=int)
    for _ in range(SPLITS):
        halves = [list(each) for each in np.array_split(random.permutation(real.columns), 2)]
        evaluator = LinkabilityEvaluator(
            ori=real,
            syn=tables["synthetic"],
            control=tables["holdout"],
            aux_cols=tuple(halves),
            n_attacks=len(real),
            n_neighbors=1,
        )
        results = evaluator.evaluate(n_jobs=1).results()
        hits += [results.n_success, results.n_baseline, results.n_control]
    return _risk(EvaluationResults(SPLITS * len(real), *(int(each) for each in hits)))


def _singling_out(tables: Tables) -> list[float]:
    evaluator = SinglingOutEvaluator(
        ori=tables["real"],
        syn=tables["synthetic"],
        control=tables["holdout"],
        n_attacks=200,
        n_cols=6,
        max_attempts=4_000,
        seed=0,
    )
    return _risk(evaluator.evaluate().results())


def _about(tables: Tables, case: Path) -> dict[str, Any]:
    np.random.seed(0)
    return {
        "rates": _rates(),
        "attribute-inference": _inference(tables),
        "linkability": _linkability(tables),
        "singling-out": _singling_out(tables),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answer(_about)
