"""Plugin ``standard``: the bundled processors, stopping policies and transforms."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl

_PROCESSORS = "rowsmith_plugins.processors"
_STOPPING = "rowsmith_plugins.stopping"
_TRANSFORMS = "rowsmith_plugins.transforms"
_BUNDLED = (
    ("keys", "keys.transform", "KeysOptions", "Replaces identifiers by new ones of the same pattern"),
    ("marks", "texts.marks", "MarksOptions", "Takes apart numbers and the texts among them, such as NA"),
    ("constant", "common.constant", "ConstantOptions", "Sets aside columns that hold one value and puts them back"),
    (
        "seasonal",
        "seasonal.transform",
        "SeasonalOptions",
        "Takes trend and seasons from values and puts them back",
    ),
    ("groups", "groups.transform", "GroupsOptions", "Turns the rows of a group into records that follow each other"),
    ("changes", "changes.transform", "ChangesOptions", "Tells values of a series by their changes"),
    ("codes", "texts.codes", "CodesOptions", "Tells codes such as A-017 by the numbers in them"),
    ("protect-rare", "rare.transform", "ProtectRareOptions", "Keeps values of few people out of the model"),
    ("texts", "texts.texts", "TextsOptions", "Keeps the characters and shapes of free text that enough rows have"),
    ("datetime", "datetime.transform", "DatetimeOptions", "Splits dates and times into calendar parts"),
    (
        "quantize",
        "quantize.transform",
        "QuantizeOptions",
        "Turns numbers of many values into bins and draws in them",
    ),
    ("narrow-first", "common.narrow_first", None, "Puts columns of few values first"),
)


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
    for name, module, options, summary in _BUNDLED:
        yield Component(
            name=name,
            factory=f"{_TRANSFORMS}.{module}:build",
            options=options and f"{_TRANSFORMS}.options:{options}",
            summary=summary,
        )
