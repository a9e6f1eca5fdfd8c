"""Plugin ``standard``: the bundled processors, policies of generation and training, and transforms."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl

_PROCESSORS = "rowsmith_plugins.processors"
_STOPPING = "rowsmith_plugins.stopping"
_TRANSFORMS = "rowsmith_plugins.transforms"
_POLICIES = (
    ("patience", "patience:build", "PatienceOptions", "Stops after too many invalid batches in a row"),
    ("time-limit", "time_limit:build", "TimeLimitOptions", "Stops after a given time"),
    ("any-of", "combined:build_any_of", "CombinedOptions", "Stops as soon as one of several policies stops"),
    (
        "all-of",
        "combined:build_all_of",
        "CombinedOptions",
        "Stops once every one of several policies asked to",
    ),
)
_BUNDLED = (
    ("keys", "keys.transform", "KeysOptions", "Replaces identifiers by new ones of the same pattern"),
    ("marks", "texts.marks", "MarksOptions", "Separates numbers from the texts among them, such as NA"),
    ("constant", "common.constant", "ConstantOptions", "Removes constant columns and restores them"),
    ("relations", "relations.transform", "RelationsOptions", "Encodes columns by how they follow from others"),
    ("seasonal", "seasonal.transform", "SeasonalOptions", "Subtracts trend and seasons and adds them back"),
    ("groups", "groups.transform", "GroupsOptions", "Encodes the rows of a group as consecutive records"),
    ("changes", "changes.transform", "ChangesOptions", "Encodes values of a series as changes"),
    ("codes", "texts.codes", "CodesOptions", "Encodes codes such as A-017 by their numbers"),
    ("protect-rare", "rare.transform", "ProtectRareOptions", "Replaces values of few rows or groups"),
    ("texts", "texts.texts", "TextsOptions", "Limits free text to characters and shapes of enough rows"),
    ("datetime", "datetime.transform", "DatetimeOptions", "Splits dates and times into calendar parts"),
    ("quantize", "quantize.transform", "QuantizeOptions", "Encodes numbers as bins and draws within them"),
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
    for name, factory, options, summary in _POLICIES:
        yield Component(
            name=name,
            factory=f"{_STOPPING}.{factory}",
            options=f"{_STOPPING}.options:{options}",
            summary=summary,
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
