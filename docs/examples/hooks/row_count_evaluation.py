"""A plugin in one file: registers an evaluation. Nothing asks for evaluations in this version."""

from collections.abc import Iterator

from rowsmith import Component, hookimpl
from rowsmith.context import BuildContext


@hookimpl
def rowsmith_evaluations() -> Iterator[Component]:
    """What is measured."""
    yield Component(name="row-count", factory="row_count_evaluation:build", summary="The rows that were asked for")


class RowCount:
    """A placeholder of a measure.

    Attributes:
        wanted: Rows that the run asks for.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted


def build(context: BuildContext, options: None) -> RowCount:
    """Build the evaluation."""
    return RowCount(context.config.generation.num_records)
