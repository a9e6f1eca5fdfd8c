"""Types of options, and how options become settings of the configuration."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import click

from rowsmith.config_sections import parse_duration
from rowsmith.errors import RunDirectoryError

__all__ = ["DURATION", "HOLDOUT", "config_values", "default_run_directory", "run_directory_path"]


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


DURATION = _Duration()
HOLDOUT = _Holdout()


def config_values(**given: Any) -> dict[str, Any]:
    """Plain settings from options.

    Args:
        **given: Values by path, with two underscores for a point, such as ``training__max_time``; None
            where the option was not given.
    """
    values: dict[str, Any] = {}
    for path, value in given.items():
        if value is None:
            continue
        section, _, name = path.partition("__")
        if name:
            values.setdefault(section, {})[name] = value
        else:
            values[section] = value
    return values


def default_run_directory(source: str | None, root: Path = Path("rowsmith-runs")) -> Path:
    """A new directory for a run, named after its table and the time.

    Args:
        source: The table's file.
        root: Where runs are kept.
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
        RunDirectoryError: The name cannot be that of a directory, or was probably not meant as one.
    """
    if not path.strip() or path.startswith("-") or not path.isprintable() or len(Path(path).name) > 200:
        raise RunDirectoryError(
            f"{path!r} is no name for a run directory. Give a path without control characters, such as 'runs/first'."
        )
    return Path(path)
