"""Makes the plan of a run: what the configuration leaves open is chosen here, once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from attrs import evolve

from rowsmith.components import ComponentRef, Kind
from rowsmith.config import to_mapping
from rowsmith.config.cross_checks import cross_problems
from rowsmith.config.defaults import (
    AUTO,
    backend_for,
    evaluations_for,
    is_auto,
    is_auto_processor,
    processor_for,
    record_processor_for,
    resolved,
    transforms_for,
)
from rowsmith.generation.engine_backend import SAMPLING_STAGE
from rowsmith.randomness.seeds import Seeds
from rowsmith.runs.plan import Plan, PluginVersion
from rowsmith.runs.validation import check_components, installed, missing_files
from rowsmith.table.columns import distinct
from rowsmith.table.schema import Layout

if TYPE_CHECKING:
    from rowsmith.config import RunConfig
    from rowsmith.model import Bundle
    from rowsmith.plugins import Registry
    from rowsmith.plugins.permissions import Caller
    from rowsmith.sequences import TrainingPart
    from rowsmith.table import Table

__all__ = ["after_training", "draft_plan", "fingerprint", "resumed", "with_data", "with_order"]

_STOPPING_ROWS = "validation"
"""Rows that decide when training ends."""

_STAGES = ("assembly", "training", SAMPLING_STAGE, "inversion")
"""Stages whose seed is passed on as one number."""


def draft_plan(config: RunConfig, registry: Registry, caller: Caller | None = None, *, makes_rows: bool = True) -> Plan:
    """Decide what can be decided before the table is read.

    Args:
        config: The configuration.
        registry: Finds components.
        caller: Settings and permissions given with the call; None permits everything.
        makes_rows: Whether the run makes rows and evaluates them.

    Returns:
        A plan without ``auto``, with the plugin of each component.

    Raises:
        ConfigError: Options are wrong or files are missing, with every problem.
        PluginError: Components are missing, ambiguous or not installed.
    """
    settings = resolved(config)
    if config.evaluation == AUTO:
        # A table can be learned although evaluations are not installed.
        settings = evolve(settings, evaluation=installed(Kind.EVALUATION, evaluations_for(settings), registry))
    found = check_components(settings, registry, caller, makes_rows=makes_rows)
    contradictions = [problem.render() for problem in cross_problems(to_mapping(config))]
    evolve(found, problems=(*contradictions, *missing_files(config), *found.problems)).raise_first()
    return Plan(
        config=settings,
        seeds={stage: Seeds(config.seed).integer(stage) for stage in _STAGES},
        plugins={index: PluginVersion.of(registry.resolve(kind, ref)) for index, kind, ref in _components(settings)},
    )


def _components(config: RunConfig) -> Iterator[tuple[str, Kind, ComponentRef]]:
    for index, ref in enumerate(transforms_for(config)):
        yield f"transforms[{index}]", Kind.TRANSFORM, ref
    single = (Kind.ASSEMBLER, Kind.MODEL, Kind.BACKEND, Kind.PROCESSOR, Kind.STOPPING)
    for kind in single:
        ref = getattr(config, kind.value)
        if isinstance(ref, ComponentRef):
            yield kind.value, kind, ref
    if config.training.policy is not None:
        yield "training.stopping", Kind.TRAINING_STOPPING, config.training.policy
    for index, ref in enumerate(evaluations_for(config)):
        yield f"evaluation[{index}]", Kind.EVALUATION, ref
    if config.time_series.is_timeseries:
        yield "time_series.backend", Kind.BACKEND, backend_for(config)
        yield "time_series.processor", Kind.PROCESSOR, record_processor_for(config)


def with_data(plan: Plan, table: Table) -> Plan:
    """The plan with the table that was read."""
    return evolve(plan, data_fingerprint=fingerprint(table), rows={**plan.rows, "table": len(table)})


def with_order(plan: Plan, part: TrainingPart) -> Plan:
    """The plan with what the table decided of its rows: nothing is left to decide before training."""
    stopping = {} if part.stopping is None else {_STOPPING_ROWS: len(part.stopping.rows)}
    return evolve(plan, order=part.order, rows={**plan.rows, **stopping})


def resumed(plan: Plan, saved: Plan, requested: RunConfig) -> Plan:
    """A draft with what is decided only after the table is read, as the run that is resumed has it.

    Args:
        plan: The draft.
        saved: The plan that was saved.
        requested: The configuration before anything was chosen.
    """
    stopping = {name: count for name, count in saved.rows.items() if name == _STOPPING_ROWS}
    plan = evolve(plan, order=saved.order, rows={**plan.rows, **stopping})
    used = saved.plugins.get("processor")
    if used is None or not is_auto(requested.processor) or not is_auto_processor(saved.config.processor):
        return plan
    # What auto means may depend on what the model writes.
    return evolve(plan.resolve(processor=saved.config.processor), plugins={**plan.plugins, "processor": used})


def after_training(plan: Plan, bundle: Bundle, requested: RunConfig, registry: Registry) -> Plan:
    """The plan with what training decided.

    Args:
        plan: The plan that was trained by.
        bundle: The model; ``auto`` takes a processor that reads what it writes.
        requested: The configuration before anything was chosen.
        registry: Finds components.
    """
    processor = processor_for(requested, bundle.model_schema)
    used = PluginVersion.of(registry.resolve(Kind.PROCESSOR, processor))
    plan = evolve(plan.resolve(processor=processor), plugins={**plan.plugins, "processor": used})
    seen = bundle.train_rows + plan.rows.get(_STOPPING_ROWS, 0)
    rows = {"train": bundle.train_rows, "holdout": plan.rows.get("table", seen) - seen}
    report = bundle.report
    counted = evolve(plan, rows={**plan.rows, **rows})
    return counted.with_steps(total_steps=report.total_steps, steps=report.steps, best_step=report.best_step)


def fingerprint(table: Table) -> str:
    """A hash of a table's names, cells and marks of null, the same for the same rows in the same order.

    Args:
        table: The table.

    Returns:
        A SHA-256 in hexadecimal.
    """
    digest = hashlib.sha256()
    if table.schema.layout != Layout():
        digest.update(repr(table.schema.layout).encode())
    for name in table.columns.column_names:
        values, codes = distinct(table.columns, name)
        order = sorted(range(len(values)), key=values.__getitem__)
        # Codes by the order of the texts, so that the order in which a reader met them is no matter.
        ranks = np.full(len(values) + 1, -1, dtype=np.int32)
        ranks[order] = np.arange(len(values), dtype=np.int32)
        for text in (name, *(values[index] for index in order)):
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
        digest.update(ranks[codes].astype("<i4").tobytes())
        if table.schema[name].storage.null_marks:
            digest.update(repr(sorted(table.schema[name].storage.null_marks, key=str)).encode())
    return digest.hexdigest()
