"""A stopping policy that counts batches."""

from rowsmith.context import BuildContext
from rowsmith.generation import GenerationStatus, Progress, Stop, StoppingPolicy
from rowsmith_echo.options import BatchLimitOptions


class BatchLimit(StoppingPolicy):
    """Ends a job after so many batches; until then, batches without valid records are fine.

    Args:
        batches: The number of batches.
    """

    patient = True

    def __init__(self, batches: int) -> None:
        self.batches = batches

    def decide(self, progress: Progress) -> Stop | None:
        """Called once after each batch."""
        if progress.num_batches < self.batches:
            return None
        return Stop(GenerationStatus.INCOMPLETE, f"batch-limit: {self.batches} batches were enough")


def build(context: BuildContext, options: BatchLimitOptions | None) -> BatchLimit:
    """Build the component; called anew for each job."""
    return BatchLimit((options or BatchLimitOptions()).batches)
