"""What mostlyai-qa says of tables, and the bins that it says it of; runs in its own Python.

Its report calls the same functions, and draws figures besides, which take most of its time.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from cases_on_disk import Tables, answer
from joblib import parallel_config
from mostlyai import qa
from mostlyai.qa._accuracy import bin_data, calculate_bivariates, calculate_univariates
from mostlyai.qa._distances import calculate_dcr_share, calculate_distances
from mostlyai.qa._sampling import prepare_data_for_accuracy, prepare_data_for_embeddings
from mostlyai.qa._similarity import calculate_discriminator_auc

PREFIX = "tgt::"
BINS = 10


def _accuracy(tables: Tables, case: Path) -> dict[str, Any]:
    ready = {part: prepare_data_for_accuracy(df_tgt=frame, setup="1:1") for part, frame in tables.items()}
    real, bins = bin_data(pd.concat([ready["real"], ready["holdout"]], ignore_index=True), BINS)
    made, _ = bin_data(ready["synthetic"], bins)
    columns, pairs = calculate_univariates(real, made), calculate_bivariates(real, made)
    for part, frame in (("real", real), ("synthetic", made)):
        named = frame.rename(columns=lambda name: name.removeprefix(PREFIX))
        # So that no label is a number again.
        ("bin " + named.astype(str)).to_csv(case / f"{part}.binned.csv", index=False)
    return {
        "columns": {
            column.removeprefix(PREFIX): accuracy
            for column, accuracy in zip(columns["column"], columns["accuracy"], strict=True)
        },
        "pairs": {
            f"{one.removeprefix(PREFIX)}|{two.removeprefix(PREFIX)}": accuracy
            for one, two, accuracy in pairs[["col1", "col2", "accuracy"]].itertuples(index=False)
        },
        "folder": str(case),
    }


def _near(tables: Tables) -> dict[str, float]:
    made, real, held = prepare_data_for_embeddings(
        syn_tgt_data=tables["synthetic"], trn_tgt_data=tables["real"], hol_tgt_data=tables["holdout"]
    )
    points = {"syn_embeds": made, "trn_embeds": real, "hol_embeds": held}
    distances = calculate_distances(**points)
    area = calculate_discriminator_auc(**{**points, "hol_embeds": None})[1]
    return {
        "dcr-share": float(calculate_dcr_share(distances["dcr_syn_trn"], distances["dcr_syn_hol"])),
        "classifier": float(area),
    }


def _about(tables: Tables, case: Path) -> dict[str, Any]:
    qa.set_random_state(0)
    with parallel_config(n_jobs=1):
        return {**_accuracy(tables, case), **_near(tables)}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answer(_about)
