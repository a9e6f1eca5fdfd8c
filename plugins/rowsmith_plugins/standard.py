"""Plugin ``standard``: the bundled processors, policies of generation and training, and transforms."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl

_PROCESSORS = "rowsmith_plugins.processors"
_STOPPING = "rowsmith_plugins.stopping"
_TRANSFORMS = "rowsmith_plugins.transforms"
_BUNDLED = (
    ("keys", "keys.transform", "KeysOptions", "Replaces identifiers by new ones of the same pattern"),
    ("marks", "texts.marks", "MarksOptions", "Separates numbers from the texts among them, such as NA"),
    ("constant", "common.constant", "ConstantOptions", "Removes constant columns and restores them"),
    (
        "seasonal",
        "seasonal.transform",
        "SeasonalOptions",
        "Subtracts trend and seasons from values and adds them back",
    ),
    ("groups", "groups.transform", "GroupsOptions", "Encodes the rows of a group as consecutive records"),
    ("changes", "changes.transform", "ChangesOptions", "Encodes values of a series as changes"),
    ("codes", "texts.codes", "CodesOptions", "Encodes codes such as A-017 by their numbers"),
    ("protect-rare", "rare.transform", "ProtectRareOptions", "Replaces values of few rows or groups"),
    ("texts", "texts.texts", "TextsOptions", "Limits free text to characters and shapes of enough rows"),
    ("datetime", "datetime.transform", "DatetimeOptions", "Splits dates and times into calendar parts"),
    (
        "quantize",
        "quantize.transform",
        "QuantizeOptions",
        "Encodes numbers of many values as bins and draws within them",
    ),
    ("narrow-first", "common.narrow_first", None, "Puts columns of few values first"),
)


@hookimpl
def rowsmith_processors() -> Iterator[Component]:
    """The processors of plain tables and of groups."""
    yield Component(
        name="tabular",
        factory=f"{_PROCESSORS}.tabular:build",
        summary="One record per line, checked against the schema",
    )
    yield Component(
        name="grouped",
        factory=f"{_PROCESSORS}.grouped:build",
        options=f"{_PROCESSORS}.options:GroupedOptions",
        summary="Groups of records, each accepted or rejected as a whole",
    )


@hookimpl
def rowsmith_stopping_policies() -> Iterator[Component]:
    """The policies that end generation before its target, and their combinations."""
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
        summary="Stops as soon as one of several policies stops",
    )
    yield Component(
        name="all-of",
        factory=f"{_STOPPING}.combined:build_all_of",
        options=f"{_STOPPING}.options:CombinedOptions",
        summary="Stops once every one of several policies has asked to stop",
    )


@hookimpl
def rowsmith_training_stopping() -> Iterator[Component]:
    """The policy that ends training by sampled rows."""
    yield Component(
        name="quality",
        factory=f"{_STOPPING}.quality:build",
        options=f"{_STOPPING}.options:QualityOptions",
        summary="Stops when sampled rows get no better, or training rows are memorised",
        requires=("sklearn",),
        install="pip install 'rowsmith[evaluation]'",
    )


@hookimpl
def rowsmith_transforms() -> Iterator[Component]:
    """The transforms, in the order in which ``auto`` applies them."""
    for name, module, options, summary in _BUNDLED:
        yield Component(
            name=name,
            factory=f"{_TRANSFORMS}.{module}:build",
            options=options and f"{_TRANSFORMS}.options:{options}",
            summary=summary,
        )
