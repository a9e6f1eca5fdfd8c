"""What SDMetrics says of columns and pairs of columns; runs in its own Python."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from cases_on_disk import Tables, answer
from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity
from sdmetrics.reports.single_table import QualityReport
from sdmetrics.single_column import KSComplement, TVComplement


def _about(tables: Tables, case: Path) -> dict[str, Any]:
    real, made = tables["real"], tables["synthetic"]
    numbers = {name for name in real if pd.api.types.is_numeric_dtype(real[name])}
    shapes = {
        name: (KSComplement if name in numbers else TVComplement).compute(real[name], made[name]) for name in real
    }
    pairs = {}
    for one, two in itertools.combinations(real, 2):
        if (one in numbers) != (two in numbers):
            continue  # It bins the numbers of each table by edges of its own.
        similarity = CorrelationSimilarity if one in numbers else ContingencySimilarity
        pairs[f"{one}|{two}"] = similarity.compute(real[[one, two]], made[[one, two]])
    report = QualityReport()
    columns = {name: {"sdtype": "numerical" if name in numbers else "categorical"} for name in real}
    report.generate(real, made, {"columns": columns}, verbose=False)
    properties = report.get_properties().set_index("Property")["Score"]
    return {"shapes": shapes, "pairs": pairs, "column shapes": properties["Column Shapes"]}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answer(_about)
