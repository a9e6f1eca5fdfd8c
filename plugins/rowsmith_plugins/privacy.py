"""Plugin ``privacy``: what a synthetic table reveals of the rows that its model learned from."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl

_ROOT = "rowsmith_plugins.evaluations.privacy"
_QUICK = (
    ("copies", "copies", "Synthetic rows that equal a training row, or nearly"),
    ("leaks", "leaks", "Held-out rows and groups that are training rows, too"),
    ("replayed-values", "replayed_values", "Identifiers and texts of one training row that come back"),
)
_FULL = (
    ("distance", "distance", "Distances to the closest training and held-out rows"),
    ("singling-out", "singling_out", "Attack: conditions that one training row alone meets"),
    ("linkability", "linkability", "Attack: two halves of a training row brought together"),
    ("attribute-inference", "attribute_inference", "Attack: one value of a training row guessed from the others"),
)


@hookimpl
def rowsmith_evaluations() -> Iterator[Component]:
    """Quick checks, and attacks that take longer."""
    for name, module, summary in _QUICK:
        yield Component(name=name, factory=f"{_ROOT}.{module}:build", summary=summary)
    for name, module, summary in _FULL:
        yield Component(
            name=name,
            factory=f"{_ROOT}.{module}:build",
            summary=summary,
            requires=() if name == "singling-out" else ("sklearn",),
            install="" if name == "singling-out" else "pip install 'rowsmith[evaluation]'",
        )
