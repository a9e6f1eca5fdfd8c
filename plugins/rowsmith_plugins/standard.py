"""Plugin ``standard``: the bundled processors, stopping policies and transforms."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl

_PROCESSORS = "rowsmith_plugins.processors"
_STOPPING = "rowsmith_plugins.stopping"
_TRANSFORMS = "rowsmith_plugins.transforms"


@hookimpl
def rowsmith_processors() -> Iterator[Component]:
    """What reads the records of plain tables, and of groups."""
    yield Component(
        name="tabular",
        factory=f"{_PROCESSORS}.tabular:build",
        summary="One record per line, checked against the schema",
    )
    yield Component(
        name="grouped",
        factory=f"{_PROCESSORS}.grouped:build",
        options=f"{_PROCESSORS}.options:GroupedOptions",
        summary="Groups of records, each whole or not at all",
    )


@hookimpl
def rowsmith_stopping_policies() -> Iterator[Component]:
    """When generation ends before its target, and how to combine such rules."""
    yield Component(
        name="patience",
        factory=f"{_STOPPING}.patience:build",
        options=f"{_STOPPING}.options:PatienceOptions",
        summary="Stops after too many invalid batches in a row",
    )
    yield Component(
        name="time-limit",
        factory=f"{_STOPPING}.time_limit:build",
        options=f"{_STOPPING}.options:TimeLimitOptions",
        summary="Stops after a given time",
    )
    yield Component(
        name="any-of",
        factory=f"{_STOPPING}.combined:build_any_of",
        options=f"{_STOPPING}.options:CombinedOptions",
        summary="Stops as soon as one of several policies does",
    )
    yield Component(
        name="all-of",
        factory=f"{_STOPPING}.combined:build_all_of",
        options=f"{_STOPPING}.options:CombinedOptions",
        summary="Stops once each of several policies has asked to",
    )


@hookimpl
def rowsmith_transforms() -> Iterator[Component]:
    """Reversible steps before training, in the order in which ``auto`` applies them."""
    yield Component(
        name="keys",
        factory=f"{_TRANSFORMS}.keys:build",
        options=f"{_TRANSFORMS}.options:KeysOptions",
        summary="Replaces identifiers by new ones of the same pattern",
    )
    yield Component(
        name="constant",
        factory=f"{_TRANSFORMS}.constant:build",
        options=f"{_TRANSFORMS}.options:ConstantOptions",
        summary="Sets aside columns that hold one value and puts them back",
    )
    yield Component(
        name="groups",
        factory=f"{_TRANSFORMS}.groups:build",
        options=f"{_TRANSFORMS}.options:GroupsOptions",
        summary="Turns the rows of a group into records that follow each other",
    )
    yield Component(
        name="protect-rare",
        factory=f"{_TRANSFORMS}.protect_rare:build",
        options=f"{_TRANSFORMS}.options:ProtectRareOptions",
        summary="Keeps values of few people out of the model",
    )
    yield Component(
        name="datetime",
        factory=f"{_TRANSFORMS}.datetime:build",
        options=f"{_TRANSFORMS}.options:DatetimeOptions",
        summary="Splits dates and times into calendar parts",
    )
    yield Component(
        name="quantize",
        factory=f"{_TRANSFORMS}.quantize:build",
        options=f"{_TRANSFORMS}.options:QuantizeOptions",
        summary="Turns numbers of many values into bins and draws within them",
    )
    yield Component(
        name="narrow-first",
        factory=f"{_TRANSFORMS}.narrow_first:build",
        summary="Puts columns of few values first",
    )
