"""Plugin ``sequence_evaluations``: how alike the rows of groups are in their order, and time series."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl

_ROOT = "rowsmith_plugins.evaluations.sequences"
_EVALUATIONS = (
    ("sequence-lengths", "lengths", "Rows of a group"),
    ("sequence-order", "order", "Steps that go back in the order column"),
    ("sequence-steps", "steps", "Gaps from row to row, and durations"),
    ("sequence-repeats", "repeats", "Values that stay the same from row to row"),
    ("transitions", "transitions", "Which label follows which, and changes of numbers"),
    ("next-row", "next_row", "How far a row follows from the one before"),
    ("series-trend", "trend", "Slopes of time series"),
    ("series-seasons", "seasons", "Seasonal profiles of time series"),
    ("series-autocorrelation", "autocorrelation", "Autocorrelations of time series"),
    ("series-level", "level", "The level of time series over time"),
)


@hookimpl
def rowsmith_evaluations() -> Iterator[Component]:
    """All of them take a second or less on a table of usual size."""
    for name, module, summary in _EVALUATIONS:
        yield Component(name=name, factory=f"{_ROOT}.{module}:build", summary=summary)
