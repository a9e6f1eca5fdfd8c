"""What a ``Synthesizer`` is given, made into what the stages take."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsmith.config import RunConfig, load_config, to_mapping
from rowsmith.config_values import merge
from rowsmith.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from rowsmith.bundle import Bundle
    from rowsmith.table import Table

__all__ = ["PathLike", "load_settings", "no_rows", "table_of", "whole"]

PathLike = str | os.PathLike[str]


def load_settings(config: RunConfig | Mapping[str, Any] | PathLike | None, values: Mapping[str, Any]) -> RunConfig:
    """The configuration: what was given, with single settings laid over it."""
    if isinstance(config, RunConfig):
        return load_config(values=merge(to_mapping(config), values))
    if config is None or isinstance(config, Mapping):
        return load_config(values=merge(config or {}, values))
    return load_config(Path(config), values=values)


def whole(name: str, value: Any, least: int) -> int:
    """A whole number of any numeric type.

    Raises:
        ParameterError: It is none, or below ``least``.
    """
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if number < least:
        raise ParameterError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return number


def table_of(data: pd.DataFrame | PathLike, config: RunConfig) -> tuple[str | None, Table | None]:
    """The name of the file, or the table of a frame."""
    if isinstance(data, str | os.PathLike):
        return os.fspath(data), None
    from rowsmith.table import from_frame

    return None, from_frame(data, types=dict(config.data.types))


def no_rows(bundle: Bundle) -> pd.DataFrame:
    """A frame of no rows in the right dtypes."""
    import pandas as pd

    from rowsmith.table import to_frame
    from rowsmith.table.respelling import spell_frame

    schema = bundle.table_schema
    return to_frame(spell_frame(pd.DataFrame(columns=list(schema.names)), schema), schema)
