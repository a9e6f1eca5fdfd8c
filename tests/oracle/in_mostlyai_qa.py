"""What mostlyai-qa says of tables, and the bins that it says it of; runs in its own Python."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from cases_on_disk import Tables, answer
from mostlyai import qa
from mostlyai.qa import reporting

PREFIX = "tgt::"


def _about(tables: Tables, case: Path) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def univariate(ori_bin: pd.DataFrame, syn_bin: pd.DataFrame) -> pd.DataFrame:
        seen["bins"] = (ori_bin, syn_bin)
        seen["columns"] = calculate_univariates(ori_bin, syn_bin)
        return seen["columns"]

    def bivariate(ori_bin: pd.DataFrame, syn_bin: pd.DataFrame) -> pd.DataFrame:
        seen["pairs"] = calculate_bivariates(ori_bin, syn_bin)
        return seen["pairs"]

    calculate_univariates, calculate_bivariates = reporting.calculate_univariates, reporting.calculate_bivariates
    reporting.calculate_univariates, reporting.calculate_bivariates = univariate, bivariate
    qa.set_random_state(0)
    with tempfile.TemporaryDirectory() as folder:
        _, metrics = qa.report(
            syn_tgt_data=tables["synthetic"],
            trn_tgt_data=tables["real"],
            hol_tgt_data=tables["holdout"],
            report_path=Path(folder, "report.html"),
        )
    reporting.calculate_univariates, reporting.calculate_bivariates = calculate_univariates, calculate_bivariates
    for part, frame in zip(("real", "synthetic"), seen["bins"], strict=True):
        named = frame.rename(columns=lambda name: name.removeprefix(PREFIX))
        # So that no label is a number again.
        ("bin " + named.astype(str)).to_csv(case / f"{part}.binned.csv", index=False)
    return {
        "columns": {
            column.removeprefix(PREFIX): accuracy
            for column, accuracy in zip(seen["columns"]["column"], seen["columns"]["accuracy"], strict=True)
        },
        "highest": {
            column.removeprefix(PREFIX): accuracy
            for column, accuracy in zip(seen["columns"]["column"], seen["columns"]["accuracy_max"], strict=True)
        },
        "pairs": {
            f"{one.removeprefix(PREFIX)}|{two.removeprefix(PREFIX)}": accuracy
            for one, two, accuracy in seen["pairs"][["col1", "col2", "accuracy"]].itertuples(index=False)
        },
        "folder": str(case),
        "metrics": metrics.model_dump(),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answer(_about)
