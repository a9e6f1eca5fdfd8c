"""Reads the cases of a folder and writes the answers to them; runs in the Pythons of other packages."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

Tables = Mapping[str, pd.DataFrame]


def answer(about: Callable[[Tables, Path], Any]) -> None:
    """Write ``answers.json`` into the folder that the command line names: for each case what a function says of it."""
    folder = Path(sys.argv[1])
    answers = {}
    for case in sorted(each for each in folder.iterdir() if each.is_dir()):
        tables = {
            path.stem: pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in sorted(case.glob("*.csv"))
        }
        answers[case.name] = about(tables, case)
    (folder / "answers.json").write_text(json.dumps(answers))
