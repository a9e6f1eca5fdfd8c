"""The sections of a configuration, each checked as it is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from attrs import field, frozen

from rowsmith.components import ComponentRef
from rowsmith.config.defaults import LOSS
from rowsmith.config.problems import show
from rowsmith.config.requirements import check_requirement
from rowsmith.errors import ParameterError
from rowsmith.expressions.parsing import parse_statement
from rowsmith.table.read_options import ReadOptions, check_encoding

__all__ = [
    "COLUMN_TYPES",
    "DataConfig",
    "GenerationConfig",
    "Loss",
    "PluginsConfig",
    "TimeSeriesConfig",
    "TrainingConfig",
    "between",
    "check_statements",
    "parse_duration",
]

Loss = Literal["loss"]

COLUMN_TYPES = ("integer", "decimal", "boolean", "categorical", "text", "datetime", "null", "key", "constant")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
# Far beyond any use, and far below what overflows.
_MOST = 10**9
_LONGEST = 10**8


def between(
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> Callable[[Any, Any, Any], None]:
    """A validator: finite and within bounds; ``above`` and ``below`` leave the bound itself out."""

    def check(instance: object, attribute: Any, value: float | None) -> None:
        if value is None:
            return
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"must be a finite number, got {value}")
        if value < low or (above and value == low):
            raise ValueError(f"must be {'above' if above else 'at least'} {_number(low)}, got {show(value)}")
        if value > high or (below and value == high):
            raise ValueError(f"must be {'below' if below else 'at most'} {_number(high)}, got {show(value)}")

    return check


def _number(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def _check_temperature(instance: object, attribute: Any, value: float) -> None:
    between(0, 100)(instance, attribute, value)
    if 0 < value < 1e-3:
        raise ValueError(f"must be 0 or at least 0.001, got {value}; 0 takes the likeliest")


def _check_timestamp(instance: object, attribute: Any, value: str | float | None) -> None:
    if not isinstance(value, str):
        between(-(2**63), 2**63 - 1)(instance, attribute, value)


def _not_empty(instance: object, attribute: Any, value: str | None) -> None:
    if value == "":
        raise ValueError("cannot be empty; leave it out or write null")


def _check_columns(instance: object, attribute: Any, value: str | tuple[str, ...] | None) -> None:
    names = (value,) if isinstance(value, str) else value
    if names is None:
        return
    if not all(names):
        raise ValueError("cannot be empty; leave it out or write null")
    if not names:
        raise ValueError("the list is empty; name a column, or write null")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{', '.join(map(repr, twice))} is named more than once; name each column once")


def _check_holdout(instance: object, attribute: Any, value: float | int | str) -> None:
    if isinstance(value, str):
        if not value.strip() or _is_numeric(value):
            raise ValueError(f"expected a share, a number of rows or the name of a file, got {value!r}")
        return
    between(0, _MOST)(instance, attribute, value)
    if isinstance(value, float) and value >= 1:
        raise ValueError(f"a share must be below 1, got {value}; write a number of rows without a point")


def _is_numeric(text: str) -> bool:
    try:
        float(text.strip().removesuffix("%"))
    except ValueError:
        return False
    return True


def _check_types(instance: object, attribute: Any, value: Mapping[str, str]) -> None:
    wrong = [f"{name!r}: {kind!r}" for name, kind in value.items() if kind not in COLUMN_TYPES]
    if wrong:
        raise ValueError(f"unknown column type for {', '.join(wrong)}; the types are {', '.join(COLUMN_TYPES)}")


def _check_encoding(instance: object, attribute: Any, value: str) -> None:
    check_encoding(value)


def _check_keys(instance: object, attribute: Any, value: Sequence[str]) -> None:
    twice = next((name for name in value if value.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"each group needs a name of its own; {twice!r} is there more than once")
    if "" in value:
        raise ValueError("a group's name cannot be empty")


def _check_requirements(instance: object, attribute: Any, value: Sequence[str]) -> None:
    for requirement in value:
        check_requirement(requirement)


def check_statements(instance: object, attribute: Any, value: str | Sequence[str]) -> None:
    """A validator of relations: ``auto``, ``none`` or statements that can be read."""
    if isinstance(value, str):
        return
    for number, text in enumerate(value, start=1):
        try:
            parse_statement(text)
        except ParameterError as error:
            raise ValueError(f"statement {number}: {error}") from None


def _loss_by_name(value: Loss | ComponentRef) -> Loss | ComponentRef:
    return LOSS if isinstance(value, ComponentRef) and value == ComponentRef(name=LOSS) else value


def parse_duration(value: float | int | str | None) -> float | None:
    """Seconds of a duration.

    Args:
        value: A number of seconds, or text such as ``120s``, ``2m`` or ``1.5h``; None for no limit.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(value, str):
        return None if value is None else float(value)
    number, unit = value.strip()[:-1], value.strip()[-1:]
    if unit not in _UNITS or not number.replace(".", "", 1).isascii() or not number.replace(".", "", 1).isdigit():
        raise ValueError(f"expected a duration such as 120, '120s', '2m' or '1h', got {value!r}")
    return float(number) * _UNITS[unit]


@frozen(kw_only=True)
class DataConfig:
    """The table and how it is split.

    Attributes:
        source: The file to read; None when a DataFrame is given.
        group_training_examples_by: The column whose equal values make rows a group, or several such columns.
        order_training_examples_by: The column that orders the rows of a group.
        holdout: Rows held out for evaluation: a share below 1, a number of rows, or a file of rows.
        max_holdout: The most rows a share may hold out.
        types: Column name to type, where the inferred type is not wanted.
        drop: Columns that are left out: neither learned nor written.
        null_values: Texts that mean null besides a blank field, and are written back as found.
        encoding: The encoding of text files, as Python names it.
        header: Whether the first line of delimited text names the columns.
        skip_rows: Lines of text files before the table begins.
    """

    source: str | None = field(default=None, validator=_not_empty)
    group_training_examples_by: str | tuple[str, ...] | None = field(default=None, validator=_check_columns)
    order_training_examples_by: str | None = field(default=None, validator=_not_empty)
    holdout: float | int | str = field(default=0.05, validator=_check_holdout)
    max_holdout: int = field(default=2000, validator=between(0, _MOST))
    types: Mapping[str, str] = field(factory=dict, validator=_check_types)
    drop: tuple[str, ...] = ()
    null_values: tuple[str, ...] = ()
    encoding: str = field(default="utf-8", validator=_check_encoding)
    header: bool = True
    skip_rows: int = field(default=0, validator=between(0, _MOST))

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns whose equal values make rows a group; empty when rows are independent."""
        named = self.group_training_examples_by
        return (named,) if isinstance(named, str) else named or ()

    @property
    def read_options(self) -> ReadOptions:
        """How the table is read."""
        return ReadOptions(
            encoding=self.encoding,
            header=self.header,
            skip_rows=self.skip_rows,
            drop=self.drop,
            null_values=self.null_values,
        )


@frozen(kw_only=True)
class TimeSeriesConfig:
    """Whether the table is a time series, and its time axis.

    Attributes:
        is_timeseries: Whether rows are readings at points in time.
        timestamp_column: The column of those points.
        timestamp_format: How they are written, in ``strftime`` terms; found out when None.
        timestamp_interval_seconds: Seconds between readings; found out when None.
        start_timestamp: Where generated series start, as the column writes it.
        stop_timestamp: Where they stop.
    """

    is_timeseries: bool = False
    timestamp_column: str | None = field(default=None, validator=_not_empty)
    timestamp_format: str | None = field(default=None, validator=_not_empty)
    timestamp_interval_seconds: int | float | None = field(default=None, validator=between(0, _MOST, above=True))
    start_timestamp: str | int | float | None = field(default=None, validator=_check_timestamp)
    stop_timestamp: str | int | float | None = field(default=None, validator=_check_timestamp)


@frozen(kw_only=True)
class TrainingConfig:
    """How long and on what to train.

    Attributes:
        max_time: Seconds from the first optimizer step to the last; None for no limit.
        max_steps: The number of optimizer steps; overrides ``max_time``.
        validation_ratio: The share of training rows used to stop early.
        data_fraction: How often each row is seen per epoch; 1 is once.
        checkpoint_every: Seconds between saved states of the training, from which a killed run resumes.
        stopping: What ends training early: the held-out loss, or a policy that judges rows sampled meanwhile.
    """

    max_time: float | None = field(default=120.0, validator=between(0, _LONGEST, above=True))
    max_steps: int | None = field(default=None, validator=between(1, _MOST))
    validation_ratio: float = field(default=0.02, validator=between(0, 1, below=True))
    data_fraction: float = field(default=1.0, validator=between(0, 1000, above=True))
    checkpoint_every: float = field(default=15.0, validator=between(0, _LONGEST))
    stopping: Loss | ComponentRef = field(default=LOSS, converter=_loss_by_name)

    @property
    def policy(self) -> ComponentRef | None:
        """The policy that judges sampled rows; None where the held-out loss decides."""
        return self.stopping if isinstance(self.stopping, ComponentRef) else None


@frozen(kw_only=True)
class GenerationConfig:
    """How rows are sampled and when sampling gives up.

    Attributes:
        num_records: How many rows to make; of grouped tables, whole groups until there are as many.
        num_groups: How many groups to make, whatever their rows; None goes by ``num_records``, and makes as many
            time series as were learned from.
        given: Conditions on rows by column: a value, a list of values, ``{min: …, max: …}``, or null.
        candidates: How many weighted candidates are drawn for each row under conditions, of which one is chosen.
        constraints: Comparisons that must hold in every row, such as ``ordered <= shipped``.
        temperature: 1 samples what was learned, below 1 the likelier, 0 the likeliest.
        top_p: The share of probability that is sampled from; 1 is all of it.
        patience: Bad batches in a row before generation stops.
        invalid_fraction_threshold: The share of invalid records that makes a batch bad.
        constrained: Whether only valid records can be sampled, where the backend can do it.
    """

    num_records: int = field(default=1000, validator=between(1, _MOST))
    num_groups: int | None = field(default=None, validator=between(1, _MOST))
    group_keys: tuple[str, ...] = field(default=(), validator=_check_keys)
    given: Mapping[str, Any] = field(factory=dict)
    candidates: int = field(default=16, validator=between(1, 10_000))
    constraints: tuple[str, ...] = field(default=(), validator=check_statements)
    temperature: float = field(default=1.0, validator=_check_temperature)
    top_p: float = field(default=1.0, validator=between(0.0001, 1))
    patience: int = field(default=3, validator=between(1, _MOST))
    invalid_fraction_threshold: float = field(default=0.8, validator=between(0, 1))
    constrained: bool = True

    def __attrs_post_init__(self) -> None:
        if self.group_keys and self.num_groups is None:
            object.__setattr__(self, "num_groups", len(self.group_keys))


@frozen(kw_only=True)
class PluginsConfig:
    """Which plugins a run needs and which it leaves alone.

    Attributes:
        require: Distributions that must be installed, such as ``rowsmith-foo>=1.2``.
        disable: Plugins or distributions that are not loaded.
    """

    require: tuple[str, ...] = field(default=(), validator=_check_requirements)
    disable: tuple[str, ...] = ()
