"""What settings of a configuration demand of each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rowsmith.config.defaults import AUTO, GROUP_ASSEMBLER, PLAIN_ASSEMBLER, RELATIONS_TRANSFORM, SERIES_ASSEMBLER
from rowsmith.config.problems import Problem

__all__ = ["cross_problems"]

_GROUP = ("data", "group_training_examples_by")
_ORDER = ("data", "order_training_examples_by")
_SERIES = ("time_series", "is_timeseries")
_TIME = ("time_series", "timestamp_column")
_INTERVAL = ("time_series", "timestamp_interval_seconds")
_GROUPS = ("generation", "num_groups")
_KEYS = ("generation", "group_keys")
_GIVEN = ("generation", "given")
_DROP = ("data", "drop")
_TYPES = ("data", "types")


def cross_problems(values: Mapping[str, Any]) -> list[Problem]:
    """Settings that contradict each other, or lack one that they need.

    Args:
        values: A configuration as plain data; parts of a wrong type are passed over.
    """
    groups, series = _names(_at(values, _GROUP)), _at(values, _SERIES) is True
    found = _series_problems(values, groups) if series else _table_problems(values, groups)
    more = _assembler_problems(values) if groups or series else ()
    return [
        *found,
        *_key_problems(values, groups),
        *_given_problems(values, bool(groups) or series),
        *more,
        *_drop_problems(values, groups),
        *_relation_problems(values),
    ]


def _drop_problems(values: Mapping[str, Any], groups: list[str]) -> Iterator[Problem]:
    types = _at(values, _TYPES)
    uses = [(_GROUP, groups), *((path, _names(_at(values, path))) for path in (_ORDER, _TIME))]
    uses.append((_TYPES, [*types] if isinstance(types, Mapping) else []))
    for path, names in uses:
        for name in dict.fromkeys(_names(_at(values, _DROP))):
            if name in names:
                yield Problem(f"{name!r} is left out, but {'.'.join(path)} names it; take it out of one of them", _DROP)


def _table_problems(values: Mapping[str, Any], groups: list[str]) -> Iterator[Problem]:
    order = _at(values, _ORDER)
    if groups and order in groups:
        yield Problem(f"{order!r} groups the rows as well; name different columns", _ORDER)
    if order is not None and not groups:
        yield Problem(
            f"only rows of a group are ordered; set {'.'.join(_GROUP)}, or leave this out (a table that is one "
            f"series: {'.'.join(_SERIES)}: true)",
            _ORDER,
        )
    if _at(values, _GROUPS) is not None and not groups:
        yield Problem(f"the table has no groups; set {'.'.join(_GROUP)}, or {'.'.join(_SERIES)}: true", _GROUPS)


def _key_problems(values: Mapping[str, Any], groups: list[str]) -> Iterator[Problem]:
    keys, count = _names(_at(values, _KEYS)), _at(values, _GROUPS)
    if not keys:
        return
    if len(groups) != 1:
        yield Problem(f"names of groups need one column that groups the rows; set {'.'.join(_GROUP)}", _KEYS)
    if isinstance(count, int) and count > len(keys):
        yield Problem(
            f"{count} groups are wanted, and there are {len(keys)} names; leave {'.'.join(_GROUPS)} out", _KEYS
        )


def _given_problems(values: Mapping[str, Any], grouped: bool) -> Iterator[Problem]:
    if not _at(values, _GIVEN):
        return
    if grouped:
        yield Problem(
            "rows of groups and series cannot be generated under conditions; leave the conditions out", _GIVEN
        )
    temperature, top_p = (_at(values, ("generation", name)) for name in ("temperature", "top_p"))
    if temperature == 0 or (isinstance(top_p, int | float) and top_p < 1):
        yield Problem(
            "conditions need the whole distribution of the model; set generation.temperature above 0 and "
            "generation.top_p to 1",
            _GIVEN,
        )


def _series_problems(values: Mapping[str, Any], groups: list[str]) -> Iterator[Problem]:
    time, order = _at(values, _TIME), _at(values, _ORDER)
    if time is not None and time in groups:
        yield Problem(f"{time!r} groups the rows as well; name different columns", _TIME)
    if order is not None and order != time:
        yield Problem(f"a time series is ordered by its time column; name that as {'.'.join(_TIME)} alone", _ORDER)
    if time is None and _at(values, _INTERVAL) is None:
        yield Problem(
            f"a time series needs {'.'.join(_TIME)}; without such a column {'.'.join(_INTERVAL)}, and rows count as "
            "being in order",
            _SERIES,
        )


def _assembler_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    chosen = values.get("assembler")
    name = chosen.get("name") if isinstance(chosen, Mapping) else chosen
    if isinstance(name, str) and name.rpartition(":")[2] == PLAIN_ASSEMBLER:
        yield Problem(
            f"{name!r} makes an example of every row, so that nothing is learned of what follows what in a group; "
            f"take {AUTO}, {GROUP_ASSEMBLER} or {SERIES_ASSEMBLER}",
            ("assembler",),
        )


def _relation_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    transforms = values.get("transforms")
    if not isinstance(values.get("relations"), list | tuple) or not isinstance(transforms, list | tuple):
        return
    names = [each.get("name") if isinstance(each, Mapping) else each for each in transforms]
    if not any(isinstance(name, str) and name.rpartition(":")[2] == RELATIONS_TRANSFORM for name in names):
        yield Problem(
            f"relations need the transform {RELATIONS_TRANSFORM!r}; add it to transforms, or leave transforms {AUTO}",
            ("relations",),
        )


def _at(values: Mapping[str, Any], path: tuple[str, str]) -> Any:
    section = values.get(path[0])
    return section.get(path[1]) if isinstance(section, Mapping) else None


def _names(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [name for name in value if isinstance(name, str)]
    return [value] if isinstance(value, str) else []
