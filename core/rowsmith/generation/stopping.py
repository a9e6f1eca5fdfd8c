"""When generation ends before its target: policies, the progress they see, and their decisions."""

from __future__ import annotations

import abc

from attrs import field, frozen

from rowsmith.errors import ParameterError
from rowsmith.generation.status import GenerationStatus

__all__ = [
    "DEFAULT_INVALID_FRACTION_THRESHOLD",
    "DEFAULT_PATIENCE",
    "GenerationStopCondition",
    "PatiencePolicy",
    "Progress",
    "Stop",
    "StoppingPolicy",
]

DEFAULT_INVALID_FRACTION_THRESHOLD = 0.8
DEFAULT_PATIENCE = 3

_STOPS = (GenerationStatus.INCOMPLETE, GenerationStatus.STOP_NO_RECORDS, GenerationStatus.STOP_METRIC_REACHED)


@frozen(kw_only=True)
class Progress:
    """What a job has done so far, the newest batch included.

    Attributes:
        num_batches: Batches so far.
        num_prompts: Prompts so far.
        num_valid_records: Valid records so far.
        num_invalid_records: Invalid records so far.
        target_num_records: Valid records wanted; None when there is no target.
        batch_invalid_fraction: Share of invalid records in the newest batch.
        running_stopping_metric: Exponential average of that share over batches.
        elapsed_seconds: Time since the job began.
        num_length_truncated_completions: Completions cut at their longest length so far.
        batch_length_truncated_completions: The same in the newest batch.
        num_valid_groups: Valid groups so far; 0 where records are independent.
        target_num_groups: Valid groups wanted; None when there is no such target.
    """

    num_batches: int
    num_prompts: int
    num_valid_records: int
    num_invalid_records: int
    target_num_records: int | None
    batch_invalid_fraction: float
    running_stopping_metric: float
    elapsed_seconds: float = 0.0
    num_length_truncated_completions: int = 0
    batch_length_truncated_completions: int = 0
    num_valid_groups: int = 0
    target_num_groups: int | None = None


def _check_status(instance: object, attribute: object, value: GenerationStatus) -> None:
    if value not in _STOPS:
        raise ParameterError(f"a policy cannot stop a job as {value.value!r}; use one of {[s.value for s in _STOPS]}")


@frozen
class Stop:
    """The decision to end a job.

    Attributes:
        status: How the job ended; never complete, which only a met target is.
        reason: Why, for people.
    """

    status: GenerationStatus = field(validator=_check_status)
    reason: str


class StoppingPolicy(abc.ABC):
    """Decides after each batch whether the job goes on; each job has a policy of its own.

    Attributes:
        patient: Whether batches without any valid record are left to this policy. For a policy that
            is not patient, the first such batch ends the job.
        condition: What the policy counts bad batches with, where it does; its patience sets how fast
            ``running_stopping_metric`` forgets.
    """

    patient: bool = False
    condition: GenerationStopCondition | None = None

    @abc.abstractmethod
    def decide(self, progress: Progress) -> Stop | None:
        """Decide; called once after each batch.

        Args:
            progress: The job so far.

        Returns:
            The decision to end the job, or None to go on.
        """


class GenerationStopCondition:
    """Detects when a share of invalid records has stayed too high for too long.

    Args:
        invalid_fraction_threshold: Share from which a value counts as too high, in [0, 1].
        patience: Consecutive values that must be too high.

    Attributes:
        last_value: The newest value seen; None before the first.

    Raises:
        ParameterError: The threshold is outside [0, 1], or the patience below 1.
    """

    def __init__(self, invalid_fraction_threshold: float, patience: int) -> None:
        if not 0.0 <= invalid_fraction_threshold <= 1.0:
            raise ParameterError(
                f"invalid_fraction_threshold must be between 0 and 1, not {invalid_fraction_threshold}"
            )
        if patience < 1:
            raise ParameterError(f"patience must be at least 1 batch, not {patience}")
        self.invalid_fraction_threshold = invalid_fraction_threshold
        self.patience = patience
        self.last_value: float | None = None
        self._consecutive = 0

    def has_been_reached(self, value: float) -> bool:
        """Take one more value, and say whether the condition is met.

        Args:
            value: A share of invalid records.

        Returns:
            Whether this value and enough of those right before it were too high.
        """
        self.last_value = value
        self._consecutive = self._consecutive + 1 if value >= self.invalid_fraction_threshold else 0
        return self._consecutive >= self.patience


class PatiencePolicy(StoppingPolicy):
    """Ends a job when the average share of invalid records stays too high.

    Args:
        invalid_fraction_threshold: Share from which the average counts as too high, in [0, 1].
        patience: Consecutive batches for which it must be.

    Attributes:
        condition: What counts the batches.

    Raises:
        ParameterError: The threshold is outside [0, 1], or the patience below 1.
    """

    patient = True

    def __init__(
        self,
        invalid_fraction_threshold: float = DEFAULT_INVALID_FRACTION_THRESHOLD,
        patience: int = DEFAULT_PATIENCE,
    ) -> None:
        self._condition = GenerationStopCondition(invalid_fraction_threshold, patience)
        self.condition = self._condition
        self._stop: Stop | None = None

    def decide(self, progress: Progress) -> Stop | None:
        """See the base class; a decision is final."""
        if self._stop is None and self._condition.has_been_reached(progress.running_stopping_metric):
            self._stop = Stop(GenerationStatus.STOP_METRIC_REACHED, self._reason(progress))
        return self._stop

    def _reason(self, progress: Progress) -> str:
        return (
            f"the average share of invalid records was {progress.running_stopping_metric:.1%}, at or above "
            f"{self._condition.invalid_fraction_threshold:.1%} for {self._condition.patience} batches in a row; "
            f"train longer or on more records, or raise generation.patience"
        )
