"""The configuration of a run: typed, frozen, and checked as a whole before anything starts.

A configuration comes from a YAML file, from plain values and from overrides such as
``generation.top_p=0.9``; later ones win. ``auto`` stays as it is until the plan resolves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from rowsmith.components import ComponentRef
from rowsmith.config import yaml_file as config_file
from rowsmith.config.conversion import Problem, find_problems, unstructure
from rowsmith.config.cross_checks import cross_problems
from rowsmith.config.defaults import AUTO, BACKEND, MODEL, NO_RELATIONS, STOPPING
from rowsmith.config.layering import apply_override, merge
from rowsmith.config.sections import (
    DataConfig,
    GenerationConfig,
    PluginsConfig,
    TimeSeriesConfig,
    TrainingConfig,
    between,
    check_statements,
    parse_duration,
)
from rowsmith.errors import ConfigError

__all__ = [
    "AUTO",
    "Auto",
    "DataConfig",
    "EvaluationChoice",
    "GenerationConfig",
    "ModelRef",
    "PluginsConfig",
    "RelationsChoice",
    "RunConfig",
    "TimeSeriesConfig",
    "TrainingConfig",
    "load_config",
    "parse_duration",
    "to_mapping",
    "to_yaml",
]

Auto = Literal["auto"]
EvaluationChoice = Literal["auto", "quick", "full", "none"]
RelationsChoice = Literal["auto", "none"]
ModelRef = ComponentRef


@frozen(kw_only=True)
class RunConfig:
    """All settings of a run.

    Attributes:
        data: The table and how it is split.
        time_series: Whether it is a time series.
        transforms: Reversible steps before training, in order.
        relations: Which relations between columns are retained: none, or with ``auto`` those found; or a list of
            statements to use besides, or, after ``not``, to refuse.
        assembler: What turns records into training examples.
        model: What is trained.
        training: How long and on what.
        backend: What runs the model.
        processor: What reads completions.
        stopping: What decides when generation ends.
        generation: How rows are sampled.
        evaluation: What is measured at the end: bundled evaluations by their extent, or a list.
        plugins: Which plugins are needed or left alone.
        seed: The seed of everything random.
    """

    data: DataConfig = field(factory=DataConfig)
    time_series: TimeSeriesConfig = field(factory=TimeSeriesConfig)
    transforms: Auto | tuple[ComponentRef, ...] = AUTO
    relations: RelationsChoice | tuple[str, ...] = field(default=NO_RELATIONS, validator=check_statements)
    assembler: Auto | ComponentRef = AUTO
    model: ComponentRef = field(factory=lambda: ComponentRef(name=MODEL))
    training: TrainingConfig = field(factory=TrainingConfig)
    backend: ComponentRef = field(factory=lambda: ComponentRef(name=BACKEND))
    processor: Auto | ComponentRef = AUTO
    stopping: ComponentRef = field(factory=lambda: ComponentRef(name=STOPPING))
    generation: GenerationConfig = field(factory=GenerationConfig)
    evaluation: EvaluationChoice | tuple[ComponentRef, ...] = AUTO
    plugins: PluginsConfig = field(factory=PluginsConfig)
    seed: int = field(default=0, validator=between(0, 2**64 - 1))

    @property
    def grouped(self) -> bool:
        """Whether rows belong to groups or to series, and are learned and made as such."""
        return bool(self.data.group_columns) or self.time_series.is_timeseries

    @property
    def order_column(self) -> str | None:
        """The column that orders the rows of a group; None for the table's order."""
        if self.time_series.is_timeseries:
            return self.time_series.timestamp_column
        return self.data.order_training_examples_by


def load_config(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Read and check a configuration.

    Args:
        path: A YAML file; None for the defaults.
        overrides: Settings such as ``training.max_time=60s``, each value written as in YAML.
        values: Plain data in the shape of the file, laid over it and under the overrides.

    Raises:
        ConfigError: With every problem of the result, each with its path and line.
    """
    source = str(path) if path is not None else None
    document, lines = config_file.parse(config_file.read(Path(path)), source) if path is not None else (None, {})
    merged = _top_level(document, source)
    if values is not None:
        merged = merge(merged, _top_level(values, "the given values"))
    defaults = to_mapping(RunConfig())
    for override in overrides:
        merged = apply_override(merged, override, defaults)
    return _convert(merged, document, lines, source)


def _top_level(value: Any, source: str | None) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(["expected sections such as 'data:' and 'training:' at the top level"], source)
    return value


def _convert(values: Mapping[str, Any], document: Any, lines: config_file.Lines, source: str | None) -> RunConfig:
    prepared, problems = _prepare_duration(values)
    config, found = find_problems(prepared, RunConfig)
    problems += [*found, *cross_problems(values)]
    if problems or config is None:
        rendered = [problem.render() + _line_of(problem, values, document, lines) for problem in problems]
        raise ConfigError(rendered, source)
    return config


def _prepare_duration(values: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Problem]]:
    """Turn a written duration into seconds; what is no duration is reported and taken out."""
    training = values.get("training")
    if not isinstance(training, Mapping) or not isinstance(training.get("max_time"), str):
        return values, []
    try:
        return {**values, "training": {**training, "max_time": parse_duration(training["max_time"])}}, []
    except ValueError as exc:
        problem = Problem(str(exc), ("training", "max_time"))
        return {**values, "training": {**training, "max_time": None}}, [problem]


def _line_of(problem: Problem, values: Any, document: Any, lines: config_file.Lines) -> str:
    path = problem.path if problem.key is None else (*problem.path, problem.key)
    line = lines.get(path)
    mine, files = _at(values, path), _at(document, path)
    if line is None or not path or not (mine is files or mine == files):
        return ""  # it was set by something other than the file
    return f" (line {line})"


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def to_mapping(config: RunConfig) -> dict[str, Any]:
    """The configuration as plain data, every value spelled out."""
    plain: dict[str, Any] = unstructure(config)
    return plain


def to_yaml(config: RunConfig) -> str:
    """The configuration as YAML that ``load_config`` reads back to an equal one."""
    return config_file.dump(to_mapping(config))
