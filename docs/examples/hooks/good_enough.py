"""A plugin in one file: training ends once every column of the sampled rows is good enough."""

from collections.abc import Iterator

from rowsmith import Component, hookimpl
from rowsmith.components import Kind
from rowsmith.context import BuildContext
from rowsmith.evaluation import TableEvaluation, TrainingStopping, TrainingTrial, TrialDecision, run_evaluations


@hookimpl
def rowsmith_training_stopping() -> Iterator[Component]:
    """What ends training."""
    yield Component(name="good-enough", factory="good_enough:build", summary="Stops once columns are good enough")


class GoodEnough(TrainingStopping):
    """Ends training once the mean similarity of columns is high enough.

    Attributes:
        shapes: Measures the similarity.
        enough: The similarity.
    """

    rows = 200

    def __init__(self, shapes: TableEvaluation, enough: float = 0.9) -> None:
        self.shapes, self.enough = shapes, enough

    def decide(self, trial: TrainingTrial) -> TrialDecision:
        """Compare the columns."""
        found = run_evaluations([self.shapes], trial.against_held_out).measures["column-shapes"].value or 0.0
        stop = f"columns are good enough: {found:.3f}" if found >= self.enough else None
        return TrialDecision(best=True, stop=stop, figures={"column-shapes": found})


def build(context: BuildContext, options: None) -> GoodEnough:
    """Build the policy."""
    shapes = context.resolve(Kind.EVALUATION, "column-shapes")
    assert isinstance(shapes, TableEvaluation)
    return GoodEnough(shapes)
