"""What a ``Synthesizer`` is given, made into what the stages take."""

from __future__ import annotations

import operator
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from rowsmith.config import GenerationConfig, RunConfig, load_config, to_mapping
from rowsmith.config.layering import merge
from rowsmith.errors import ConfigError, ParameterError
from rowsmith.plugins.permissions import Caller, factories_in
from rowsmith.table.column_labels import name_of

if TYPE_CHECKING:
    import pandas as pd

    from rowsmith.generation.results import GenerateJobResults
    from rowsmith.model import Bundle
    from rowsmith.table import Table

__all__ = [
    "PathLike",
    "caller_of",
    "load_settings",
    "no_rows",
    "sequence_settings",
    "shortfall",
    "table_of",
    "target",
    "whole",
    "with_labels",
]

PathLike = str | os.PathLike[str]

_COLUMNS = (
    ("data", "group_training_examples_by"),
    ("data", "order_training_examples_by"),
    ("data", "types"),
    ("data", "drop"),
    ("time_series", "timestamp_column"),
)
"""Where a configuration names columns."""

_SEVERAL = ("group_training_examples_by", "drop")


def load_settings(config: RunConfig | Mapping[str, Any] | PathLike | None, values: Mapping[str, Any]) -> RunConfig:
    """The configuration: what was given, with single settings laid over it; columns may be named by their labels."""
    values = _by_name(values)
    if isinstance(config, RunConfig):
        return load_config(values=merge(to_mapping(config), values))
    if config is None or isinstance(config, Mapping):
        return load_config(values=merge(_by_name(config or {}), values))
    return load_config(Path(config), values=values)


def caller_of(config: RunConfig | Mapping[str, Any] | PathLike | None, values: Mapping[str, Any]) -> Caller:
    """Settings and permissions given in Python, in contrast to those of a file that is only named there."""
    if isinstance(config, RunConfig):
        return Caller.of(load_settings(config, values))
    given = config if isinstance(config, Mapping) else {}
    merged = merge(given, values)
    return Caller(values=merged, factories=factories_in(merged))


def _by_name(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings with names of columns instead of labels that are not text."""
    named = dict(values)
    for section, key in _COLUMNS:
        inner = named.get(section)
        if isinstance(inner, Mapping) and inner.get(key) is not None:
            named[section] = {**inner, key: _named(inner[key], several=key in _SEVERAL)}
    return named


def _named(labels: Any, *, several: bool) -> Any:
    if isinstance(labels, Mapping):
        return {name_of(label): value for label, value in labels.items()}
    # A tuple is the label of a single column where only one may be given.
    return [name_of(label) for label in labels] if several and isinstance(labels, list | tuple) else name_of(labels)


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


def sequence_settings(
    group_by: Hashable | Sequence[Hashable] | None, order_by: Hashable | None, time_column: Hashable | None
) -> dict[str, dict[str, Any]]:
    """Settings of what groups and orders rows; only what is given.

    Args:
        group_by: A column's label, or a sequence of labels.
        order_by: A column's label.
        time_column: A column's label.
    """
    several = isinstance(group_by, Sequence) and not isinstance(group_by, str)
    by = [*group_by] if several else group_by  # type: ignore[misc]
    data = {"group_training_examples_by": by, "order_training_examples_by": order_by}
    given = {name: value for name, value in data.items() if value is not None}
    series = {} if time_column is None else {"is_timeseries": True, "timestamp_column": time_column}
    sections: dict[str, dict[str, Any]] = {"data": given, "time_series": series}
    return {name: section for name, section in sections.items() if section}


def target(
    config: RunConfig,
    rows: int | None,
    groups: int | Sequence[str] | None,
    given: Mapping[Hashable, Any] | None = None,
    constraints: Sequence[str] | None = None,
) -> GenerationConfig:
    """How much to generate, and under which conditions: what is requested, else what the configuration says.

    Raises:
        ParameterError: A number is out of range, both are given, or rows of time series are requested.
        ConfigError: Groups are requested, and the table has none.
    """
    if given is not None:
        conditions = {name_of(label): wanted for label, wanted in given.items()}
        config = evolve(config, generation=evolve(config.generation, given=conditions))
    if constraints is not None:
        config = evolve(config, generation=evolve(config.generation, constraints=tuple(constraints)))
    if rows is not None and groups is not None:
        raise ParameterError("n counts rows and groups counts groups; give one of them")
    if rows is not None:
        if config.time_series.is_timeseries:
            raise ParameterError("series are written whole, from start to stop; ask for groups, not for n rows")
        return evolve(config.generation, num_records=whole("n", rows, 1), num_groups=None, group_keys=())
    if groups is None:
        return config.generation
    if not config.grouped:
        raise ConfigError(["the table has no groups; give group_by or time_column before fit, or ask for n rows"])
    if isinstance(groups, int):
        return evolve(config.generation, num_groups=whole("groups", groups, 1), group_keys=())
    if len(config.data.group_columns) != 1 or not len(groups):
        raise ParameterError("groups gives a number, or a name for each group where one column names them")
    return evolve(config.generation, num_groups=None, group_keys=tuple(map(str, groups)))


def shortfall(results: GenerateJobResults, wanted: GenerationConfig) -> str | None:
    """What is missing of the requested rows or groups, in words; None when nothing is."""
    groups = results.groups_made(wanted.num_groups)
    (made, target_), what = (groups, "groups") if groups else ((results.num_rows, wanted.num_records), "rows")
    if made >= target_:
        return None
    reason = f": {results.stop_reason}" if results.stop_reason else ""
    return f"only {made} of {target_} {what} were made{reason}"


def table_of(data: pd.DataFrame | PathLike, config: RunConfig) -> tuple[str | None, Table | None]:
    """The name of the file, or the table of a frame."""
    if isinstance(data, str | os.PathLike):
        return os.fspath(data), None
    from rowsmith.table import from_frame

    return None, from_frame(data, types=dict(config.data.types), options=config.data.read_options)


def no_rows(bundle: Bundle) -> pd.DataFrame:
    """A frame of no rows in the right dtypes."""
    import pandas as pd

    from rowsmith.table import to_frame
    from rowsmith.table.frames.respelling import spell_frame

    schema = bundle.table_schema
    return to_frame(spell_frame(pd.DataFrame(columns=list(schema.names)), schema), schema)


def with_labels(frame: pd.DataFrame, bundle: Bundle) -> pd.DataFrame:
    """Rows with the labels of the frame that was fitted."""
    from rowsmith.table.frames.labels import labelled

    return labelled(frame, bundle.table_schema)
