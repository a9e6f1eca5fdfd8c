"""Rows like a census, made by the same rules every time; real, held-out and good synthetic ones differ by seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

EDUCATION = ["Preschool", "HS-grad", "Some-college", "Bachelors", "Masters", "Doctorate"]
OCCUPATION = ["Sales", "Adm-clerical", "Craft-repair", "Exec-managerial", "Prof-specialty"]
RELATIONSHIP = ["Husband", "Wife", "Own-child", "Not-in-family"]
WORKCLASS = ["Private", "Self-emp", "State-gov"]


def census(rows: int, seed: int) -> pd.DataFrame:
    """Eleven columns, of which some depend on others."""
    random = np.random.default_rng(seed)
    years = np.clip(np.rint(random.normal(2.5, 1.1, rows)), 0, 5).astype(int)
    age = np.clip(np.rint(random.gamma(6, 7, rows) + 10), 17, 90).astype(int)
    job = np.clip(years + random.integers(-1, 2, rows), 0, 4)
    family = np.where(age < 25, 2, random.choice(4, rows, p=[0.45, 0.1, 0.1, 0.35]))
    rich = random.random(rows) < np.clip(0.1 * years + 0.15 * (family < 2) + 0.005 * (age - 40), 0.02, 0.9)
    gain = np.where(random.random(rows) < 0.85, 0, np.rint(random.lognormal(8, 0.8, rows)))
    hours = np.where(random.random(rows) < 0.5, 40, np.clip(np.rint(random.normal(38 + 4 * rich, 11, rows)), 1, 99))
    return pd.DataFrame(
        {
            "age": age,
            "workclass": np.array(WORKCLASS)[random.choice(3, rows, p=[0.7, 0.2, 0.1])],
            "fnlwgt": np.rint(random.lognormal(12, 0.5, rows)).astype(int),
            "education": np.array(EDUCATION)[years],
            "education_num": years * 3 + 1,
            "occupation": np.array(OCCUPATION)[job],
            "relationship": np.array(RELATIONSHIP)[family],
            "sex": np.where(
                family == 0, "Male", np.where(family == 1, "Female", random.choice(["Male", "Female"], rows))
            ),
            "capital_gain": gain.astype(int),
            "hours_per_week": hours.astype(int),
            "income": np.where(rich, ">50K", "<=50K"),
        }
    )
