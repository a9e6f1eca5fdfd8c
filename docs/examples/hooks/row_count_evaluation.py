"""A plugin in one file: an evaluation that looks for missing rows."""

from collections.abc import Iterator

from rowsmith import Component, hookimpl
from rowsmith.context import BuildContext
from rowsmith.evaluation import Evaluated, EvaluationKind, EvaluationTables, Finding, Measure, Part, TableEvaluation


@hookimpl
def rowsmith_evaluations() -> Iterator[Component]:
    """What is measured."""
    yield Component(name="row-count", factory="row_count_evaluation:build", summary="Share of rows that were asked for")


class RowCount(TableEvaluation):
    """The share of the rows that a run was asked for.

    Attributes:
        wanted: Rows that the run asks for.
    """

    name = "row-count"
    kind = EvaluationKind.FIDELITY

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted

    def evaluate(self, tables: EvaluationTables) -> Evaluated:
        """Count the rows."""
        rows = tables.sizes[Part.SYNTHETIC]
        share = min(1.0, rows / self.wanted)
        missing = Finding(defect="rows-missing", message=f"{rows:,} rows of {self.wanted:,} are there", share=1 - share)
        return Evaluated(
            measures=(Measure(name="row-count", value=share, sizes={"synthetic": rows}),),
            findings=(missing,) if share < 1 else (),
        )


def build(context: BuildContext, options: None) -> RowCount:
    """Build the evaluation."""
    return RowCount(context.config.generation.num_records)
