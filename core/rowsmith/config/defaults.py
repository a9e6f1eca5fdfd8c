"""All of ``auto``: what a configuration leaves open, and what is chosen for it.

Plan and run both ask here, so that what a plan says is what runs. The core names bundled components in this module
alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from rowsmith.components import ComponentRef

if TYPE_CHECKING:
    from rowsmith.config.run_config import RunConfig
    from rowsmith.table.schema import ModelSchema

__all__ = [
    "AUTO",
    "BACKEND",
    "COPIES_MEASURE",
    "FULL_EVALUATION",
    "GROUP_ASSEMBLER",
    "LOSS",
    "MODEL",
    "NO_EVALUATION",
    "NO_RELATIONS",
    "PLAIN_ASSEMBLER",
    "QUALITY_MEASURES",
    "QUICK_EVALUATION",
    "RELATIONS_TRANSFORM",
    "SERIES_ASSEMBLER",
    "STEPS_TRANSFORM",
    "STOPPING",
    "assembler_for",
    "backend_for",
    "bundled_evaluations",
    "default_transforms",
    "evaluations_for",
    "is_auto",
    "is_auto_processor",
    "local_backend_for",
    "processor_for",
    "record_processor_for",
    "reopened",
    "resolved",
    "transforms_for",
]

AUTO: Final = "auto"
MODEL: Final = "scratch"
BACKEND: Final = "transformers"
STOPPING: Final = "patience"

LOSS: Final = "loss"
"""Training ends as the model itself has it: where the held-out loss no longer falls."""

PLAIN_ASSEMBLER: Final = "tabular"
"""Makes an example of every record by itself."""

GROUP_ASSEMBLER: Final = "grouped"
SERIES_ASSEMBLER: Final = "sequential"

STEPS_TRANSFORM: Final = "groups"
"""Gives the distance of each record of a group from the one before it."""

RELATIONS_TRANSFORM: Final = "relations"
"""Encodes columns that follow from others."""

NO_RELATIONS: Final = "none"

QUICK_EVALUATION: Final = "quick"
FULL_EVALUATION: Final = "full"
NO_EVALUATION: Final = "none"

QUALITY_MEASURES: Final = ("column-shapes", "pair-trends")
"""Measures that the score of quality combines."""

COPIES_MEASURE: Final = "copies"
"""Counts rows that are rows of the real table."""

_QUICK_FIDELITY: Final = ("column-shapes", "tails", "values", "null-patterns", "pair-trends", "rules")
_QUICK_SEQUENCES: Final = (
    "sequence-lengths",
    "sequence-order",
    "sequence-steps",
    "sequence-repeats",
    "transitions",
    "next-row",
)
_QUICK_SERIES: Final = ("series-trend", "series-seasons", "series-autocorrelation", "series-level")
_QUICK_PRIVACY: Final = ("copies", "leaks", "replayed-values")
_FULL_EVALUATIONS: Final = (
    "three-way",
    "classifier",
    "relation-classifier",
    "downstream",
    "coverage",
    "distance",
    "singling-out",
    "linkability",
    "attribute-inference",
)

_RECORD_PROCESSOR: Final = "tabular"
_GROUP_PROCESSOR: Final = "grouped"
_SERIES_BACKEND: Final = "timeseries"
_SERVERS: Final = ("remote", "vllm")
"""Backends whose model is loaded by another process."""


def resolved(config: RunConfig, model_schema: ModelSchema | None = None) -> RunConfig:
    """The configuration without ``auto``; one that has none stays as it is.

    Args:
        config: The run's configuration.
        model_schema: The columns that the model speaks; None before they are known.
    """
    return evolve(
        config,
        assembler=assembler_for(config),
        transforms=transforms_for(config),
        processor=processor_for(config, model_schema),
        evaluation=evaluations_for(config),
    )


def assembler_for(config: RunConfig) -> ComponentRef:
    """The assembler that a configuration asks for; ``auto`` follows from the kind of table.

    Args:
        config: The run's configuration.

    Returns:
        ``sequential`` for time series, ``grouped`` when examples are grouped, ``tabular`` otherwise; or
        what ``config.assembler`` names.
    """
    if config.time_series.is_timeseries:
        return _or_auto(config.assembler, SERIES_ASSEMBLER)
    return _or_auto(config.assembler, GROUP_ASSEMBLER if config.grouped else PLAIN_ASSEMBLER)


def transforms_for(config: RunConfig) -> tuple[ComponentRef, ...]:
    """The transforms that a configuration asks for, in order; ``auto`` means ``default_transforms``."""
    if isinstance(config.transforms, tuple):
        return config.transforms
    relations = config.relations != NO_RELATIONS
    names = default_transforms(config.grouped, config.time_series.is_timeseries, relations)
    return tuple(ComponentRef(name=name) for name in names)


def default_transforms(grouped: bool = False, timeseries: bool = False, relations: bool = False) -> tuple[str, ...]:
    """Component names of the transforms that ``auto`` means, in order.

    Args:
        grouped: Whether the rows belong to groups or series.
        timeseries: Whether they are readings at points in time.
        relations: Whether relations between columns are retained.
    """
    # Rare values are replaced row by row, so what is constant in a group must be moved to its first row before.
    # The way back needs to know times when it puts trend and seasons back, so these go before groups.
    seasons, changes = (("seasonal",), ("changes",)) if timeseries else ((), ())
    groups = (*seasons, *((STEPS_TRANSFORM,) if grouped else ()), *changes)
    rest = ("codes", "protect-rare", "texts", "datetime", "quantize")
    found = (RELATIONS_TRANSFORM,) if relations else ()
    return ("keys", "marks", "constant", *found, *groups, *rest)


def processor_for(config: RunConfig, model_schema: ModelSchema | None = None) -> ComponentRef:
    """The processor that a configuration asks for; ``auto`` follows from the kind of table.

    Args:
        config: The run's configuration.
        model_schema: The columns that the model speaks; None before they are known.

    Returns:
        ``grouped`` when a completion is a group of records, ``tabular`` otherwise; or what ``config.processor``
        names.
    """
    grouped = config.grouped or (model_schema is not None and model_schema.step is not None)
    return _or_auto(config.processor, _GROUP_PROCESSOR if grouped else _RECORD_PROCESSOR)


def is_auto_processor(chosen: object) -> bool:
    """Whether ``auto`` chooses this processor, for one kind of table or another."""
    return isinstance(chosen, ComponentRef) and chosen.name in (_RECORD_PROCESSOR, _GROUP_PROCESSOR)


def record_processor_for(config: RunConfig) -> ComponentRef:
    """The processor of a backend that gets the records of a group one by one, as that of time series does.

    What ``auto`` chooses reads groups that come whole, and gives way to one for single records.
    """
    chosen = processor_for(config)
    return ComponentRef(name=_RECORD_PROCESSOR) if _short(chosen) == _GROUP_PROCESSOR else chosen


def backend_for(config: RunConfig) -> ComponentRef:
    """The backend that generates: of time series, ``timeseries`` around the engine of the chosen one."""
    chosen = config.backend
    if not config.time_series.is_timeseries or _short(chosen) == _SERIES_BACKEND:
        return chosen
    return ComponentRef(name=_SERIES_BACKEND, options={"engine": chosen})


def local_backend_for(config: RunConfig) -> ComponentRef:
    """The backend that samples from the weights of a training: the chosen one, unless it is a server of its own."""
    chosen = config.backend
    return ComponentRef(name=BACKEND) if _short(chosen) in _SERVERS else chosen


def evaluations_for(config: RunConfig) -> tuple[ComponentRef, ...]:
    """The evaluations that a configuration asks for, in order; ``auto`` means ``quick``."""
    if isinstance(config.evaluation, tuple):
        return config.evaluation
    return bundled_evaluations(config.evaluation, config.grouped, config.time_series.is_timeseries)


def bundled_evaluations(extent: str, grouped: bool = False, timeseries: bool = False) -> tuple[ComponentRef, ...]:
    """The bundled evaluations of a kind of table, in order.

    Args:
        extent: ``quick`` (or ``auto``), ``full``, which adds what takes longer, or ``none``.
        grouped: Whether the rows belong to groups or series.
        timeseries: Whether they are readings at points in time.
    """
    if extent == NO_EVALUATION:
        return ()
    names = (
        *_QUICK_FIDELITY,
        *(_QUICK_SEQUENCES if grouped else ()),
        *(_QUICK_SERIES if timeseries else ()),
        *_QUICK_PRIVACY,
        *(_FULL_EVALUATIONS if extent == FULL_EVALUATION else ()),
    )
    return tuple(ComponentRef(name=name) for name in names)


def reopened(config: RunConfig, model_schema: ModelSchema | None = None) -> RunConfig:
    """The configuration with ``auto`` instead of the processor that it means: both make the same rows.

    Args:
        config: The run's configuration.
        model_schema: The columns that the model speaks; None before they are known.
    """
    chosen = processor_for(config, model_schema)
    if chosen.name != processor_for(evolve(config, processor=AUTO), model_schema).name:
        return config
    return evolve(config, processor=evolve(chosen, name=AUTO))


def is_auto(chosen: object) -> bool:
    """Whether a setting that names a component leaves the choice open."""
    return not isinstance(chosen, ComponentRef) or chosen.name == AUTO


def _or_auto(chosen: object, default: str) -> ComponentRef:
    """What is chosen, or the default with the options that are given for ``auto``."""
    if not isinstance(chosen, ComponentRef):
        return ComponentRef(name=default)
    return evolve(chosen, name=default) if is_auto(chosen) else chosen


def _short(ref: ComponentRef) -> str:
    """A component's name without that of its plugin."""
    return (ref.name or "").rpartition(":")[2]
