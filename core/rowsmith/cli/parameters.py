"""Option types, and conversion of options to settings of the configuration."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rowsmith.components import is_target
from rowsmith.config.sections import parse_duration
from rowsmith.errors import RunDirectoryError

if TYPE_CHECKING:
    from rowsmith.config import RunConfig

__all__ = [
    "DURATION",
    "FACTORY",
    "HOLDOUT",
    "UNSET",
    "check_rows",
    "config_values",
    "default_run_directory",
    "given_values",
    "run_directory_path",
    "sequence_values",
    "target_values",
]


class _Duration(click.ParamType):  # type: ignore[type-arg]
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Seconds of ``120``, ``120s``, ``2m`` or ``1h``."""
        try:
            return float(value)
        except ValueError:
            pass
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Holdout(click.ParamType):  # type: ignore[type-arg]
    name = "share|rows|file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | int | str:
        """A share such as ``0.05``, a number of rows such as ``500``, or the name of a file."""
        for number in (int, float):
            try:
                return number(value)
            except ValueError:
                continue
        return str(value)


class _Factory(click.ParamType):  # type: ignore[type-arg]
    name = "module:name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """A factory, as ``package.module:name``."""
        if not is_target(str(value)):
            self.fail(f"expected 'package.module:name', got {value!r}", param, ctx)
        return str(value)


DURATION = _Duration()
FACTORY = _Factory()
HOLDOUT = _Holdout()
UNSET: Final = object()
"""The value of a setting that an option takes back."""


def config_values(**options: Any) -> dict[str, Any]:
    """Convert options to plain settings.

    Args:
        **options: Values by path, with two underscores for a point, such as ``training__max_time``; None
            where the option was not given, ``UNSET`` for null.
    """
    values: dict[str, Any] = {}
    for path, value in options.items():
        if value is None:
            continue
        value = None if value is UNSET else value
        section, _, name = path.partition("__")
        if name:
            values.setdefault(section, {})[name] = value
        else:
            values[section] = value
    return values


def sequence_values(groups: Sequence[str], order: str | None, time: str | None) -> dict[str, Any]:
    """Settings for grouping and ordering rows, for ``config.layering``.

    Args:
        groups: The columns of ``--group-by``.
        order: The column of ``--order-by``.
        time: The column of ``--time-column``.
    """
    return {
        "data__group_training_examples_by": (groups[0] if len(groups) == 1 else [*groups]) if groups else None,
        "data__order_training_examples_by": order,
        "time_series__is_timeseries": None if time is None else True,
        "time_series__timestamp_column": time,
    }


def target_values(rows: int | None, groups: int | None) -> dict[str, Any]:
    """Settings for the number of rows or groups to generate, for ``config.layering``.

    Args:
        rows: The number of ``--rows``; it replaces a number of groups in the configuration.
        groups: The number of ``--groups``.

    Raises:
        UsageError: Both are given.
    """
    if rows is not None and groups is not None:
        raise click.UsageError("--rows and --groups both say how much to write; give one of them")
    return {"generation__num_records": rows, "generation__num_groups": UNSET if rows is not None else groups}


def given_values(conditions: Sequence[str], constraints: Sequence[str]) -> dict[str, Any]:
    """Settings for the conditions and constraints on rows, for ``config.layering``.

    Args:
        conditions: The texts of ``--given``: ``COLUMN=VALUE``, ``COLUMN=LOW..HIGH`` with one end or both, or
            ``COLUMN=`` for null. Of several for one column, any may be met.
        constraints: The texts of ``--constraint``.

    Raises:
        UsageError: A text is none of these.
    """
    given: dict[str, list[Any]] = {}
    for text in conditions:
        column, equals, value = text.partition("=")
        if not equals or not column:
            raise click.UsageError(f"--given {text!r} says no column: write COLUMN=VALUE, such as --given age=30..39")
        given.setdefault(column, []).append(_given_value(value))
    return {"generation__given": given or None, "generation__constraints": list(constraints) or None}


def _given_value(text: str) -> Any:
    low, dots, high = text.partition("..")
    if dots and (low or high):
        return {end: bound for end, bound in (("min", low), ("max", high)) if bound}
    return text or None


def check_rows(config: RunConfig, rows: int | None) -> None:
    """Refuse ``--rows`` for time series.

    Args:
        config: The configuration.
        rows: The number of ``--rows``.

    Raises:
        UsageError: Rows are requested.
    """
    if rows is not None and config.time_series.is_timeseries:
        raise click.UsageError("series are written whole, from start to stop; say how many with --groups")


def default_run_directory(source: str | None, root: Path = Path("rowsmith-runs")) -> Path:
    """A new directory for a run, named after its table and the time.

    Args:
        source: The table's file.
        root: Parent folder of run directories.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source or "table").name.split(".")[0]).strip("-") or "table"
    name = f"{stem[:60]}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, number = root / name, 1
    while path.exists():
        number += 1
        path = root / f"{name}-{number}"
    return path


def run_directory_path(path: str) -> Path:
    """A run directory that the user names.

    Raises:
        RunDirectoryError: The name is not valid for a directory, or looks like an option.
    """
    if not path.strip() or path.startswith("-") or not path.isprintable() or len(Path(path).name) > 200:
        raise RunDirectoryError(
            f"{path!r} is no name for a run directory. Give a path without control characters, such as 'runs/first'."
        )
    return Path(path)
