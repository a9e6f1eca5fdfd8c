"""Sums over the batches of a job: one accounting for all kinds of jobs.

Jobs of records and groups count with it (``GenerationBatches``), and so do jobs of time series.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

from rowsmith.generation.batches import stopping_rules
from rowsmith.generation.batches.batch import Batch
from rowsmith.generation.batches.counts import Counted, Totals
from rowsmith.generation.batches.groups import Target
from rowsmith.generation.status import INTERRUPTED, GenerationStatus
from rowsmith.generation.stopping import DEFAULT_PATIENCE, Progress, Stop, StoppingPolicy

__all__ = ["Accounting", "BatchFinished"]

_logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class BatchFinished:
    """What a progress display receives after each batch.

    Attributes:
        number: The batch's number, from 0.
        batch: The batch; its texts and errors are only there during the call.
        seconds: How long the batch took.
        num_prompts: Prompts so far.
        num_valid_records: Valid records so far.
        num_invalid_records: Invalid records so far.
        target_num_records: Valid records wanted; None for no target.
        elapsed_seconds: How long the job has taken.
        num_valid_groups: Valid groups so far; 0 where records are independent.
        target_num_groups: Valid groups wanted; None for no such target.
    """

    number: int
    batch: Batch
    seconds: float
    num_prompts: int
    num_valid_records: int
    num_invalid_records: int
    target_num_records: int | None
    elapsed_seconds: float
    num_valid_groups: int = 0
    target_num_groups: int | None = None

    @property
    def records_per_second(self) -> float:
        """Valid records over the job's time; 0 before any time has passed."""
        return self.num_valid_records / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0

    @property
    def valid_record_fraction(self) -> float:
        """Share of valid records among all records so far; 0 when there are none."""
        records = self.num_valid_records + self.num_invalid_records
        return self.num_valid_records / records if records else 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Time left at the rate so far; None without a target or a rate."""
        groups = self.target_num_groups is not None
        made = self.num_valid_groups if groups else self.num_valid_records
        target = self.target_num_groups if groups else self.target_num_records
        if target is None or not made or self.elapsed_seconds <= 0:
            return None
        return max(0, target - made) * self.elapsed_seconds / made


class Accounting(Counted):
    """Sums over the batches of a job, its time, and its status.

    Args:
        target: What the job is to make.
        policy: When to stop; None for the rules of the job alone.
        patience: Sets how fast ``running_stopping_metric`` forgets.
        clock: Seconds.

    Attributes:
        target: What the job is to make.
        status: The status of the job.
        stop_reason: Why it stopped short; None when it did not.
        num_batches: Batches so far.
        valid_record_fractions: Share of valid records of each of them, in order.
        running_stopping_metric: Exponential average of the batches' shares of invalid records, with
            weight 2 / (patience + 1) on the newest; 0 before the first batch.
    """

    def __init__(
        self,
        *,
        target: Target | None = None,
        policy: StoppingPolicy | None = None,
        patience: int = DEFAULT_PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target = target or Target()
        self.status = GenerationStatus.IN_PROGRESS
        self.stop_reason: str | None = None
        self.num_batches = 0
        self.valid_record_fractions: list[float] = []
        self.running_stopping_metric = 0.0
        self._policy = policy
        self._patience = patience
        self._clock = clock
        self._started = self._reported = clock()
        self._totals = Totals()

    @property
    def elapsed_seconds(self) -> float:
        """How long the job has taken."""
        return self._clock() - self._started

    def continue_from(self, elapsed_seconds: float) -> None:
        """Let the job's time count on from what it had taken when it was cut off."""
        self._started = self._clock() - elapsed_seconds

    def count(self, batch: Batch) -> None:
        """Count a batch, which takes no further completion."""
        weight = 2.0 / (self._patience + 1) if self.num_batches else 1.0
        self.running_stopping_metric += weight * (batch.stopping_metric - self.running_stopping_metric)
        batch.close()
        self._totals.add(batch)
        self.valid_record_fractions.append(batch.valid_record_fraction)
        self.num_batches += 1

    def progress(self, batch: Batch) -> Progress:
        """The progress that policies see after ``batch``."""
        return Progress(
            num_batches=self.num_batches,
            num_prompts=self.num_prompts,
            num_valid_records=self.num_valid_records,
            num_invalid_records=self.num_invalid_records,
            target_num_records=self.target.num_records,
            batch_invalid_fraction=batch.stopping_metric,
            running_stopping_metric=self.running_stopping_metric,
            num_valid_groups=self.num_valid_groups,
            target_num_groups=self.target.num_groups,
            elapsed_seconds=self.elapsed_seconds,
            num_length_truncated_completions=self.num_length_truncated_completions,
            batch_length_truncated_completions=batch.num_length_truncated_completions,
        )

    def policy_decision(self, batch: Batch) -> Stop | None:
        """The decision of the policy after ``batch``; None to go on.

        Raises:
            PluginContractError: It breaks its contract.
        """
        return stopping_rules.decide(self._policy, self.progress(batch))

    def end(self, stop: Stop) -> None:
        """End the job as a rule or a policy says."""
        self.status, self.stop_reason = stop.status, stop.reason

    def interrupt(self, reason: str = INTERRUPTED) -> None:
        """End the job from outside; what was made is retained.

        Args:
            reason: Why, for people; by default that the user has interrupted it.
        """
        self.status, self.stop_reason = GenerationStatus.INCOMPLETE, reason

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The block is the job: an interrupt in it ends the job with what there is, and so does a failure.

        Raises:
            Exception: The failure.
        """
        try:
            yield
        except KeyboardInterrupt:
            self.interrupt()
        except Exception as error:
            self.interrupt(f"{type(error).__name__}: {error}")
            raise

    def report(
        self,
        batch: Batch,
        observer: Callable[[BatchFinished], None] | None,
        *,
        num_valid_records: int | None = None,
        target_num_records: int | None = None,
    ) -> None:
        """Report the newest batch to an observer; what it raises is logged and changes nothing.

        Args:
            batch: The batch.
            observer: Receives the report; None for no report.
            num_valid_records: Valid records so far, where not all that were counted are accepted.
            target_num_records: Valid records wanted, where that is no target.
        """
        if observer is None:
            return
        now = self._clock()
        finished = BatchFinished(
            number=self.num_batches - 1,
            batch=batch,
            seconds=now - self._reported,
            num_prompts=self.num_prompts,
            num_valid_records=self.num_valid_records if num_valid_records is None else num_valid_records,
            num_invalid_records=self.num_invalid_records,
            target_num_records=self.target.num_records if target_num_records is None else target_num_records,
            elapsed_seconds=now - self._started,
            num_valid_groups=self.num_valid_groups,
            target_num_groups=self.target.num_groups,
        )
        self._reported = now
        try:
            observer(finished)
        except Exception:
            _logger.warning("the observer of finished batches failed", exc_info=True)

    def figures(self, elapsed_time: float) -> dict[str, Any]:
        """The fields of ``GenerateJobResults`` that are the same of every job.

        Args:
            elapsed_time: Seconds that the job took.
        """
        valid, invalid = self.num_valid_records, self.num_invalid_records
        known = not self.num_uncounted_completions
        tokens, valid_tokens = self.total_completion_tokens, self.total_valid_record_tokens
        return {
            "status": self.status,
            "num_valid_records": valid,
            "num_invalid_records": invalid,
            "num_prompts": self.num_prompts,
            "valid_record_fraction": _over(valid, valid + invalid) or 0.0,
            "batch_valid_record_fractions": list(self.valid_record_fractions),
            "elapsed_time": elapsed_time,
            "num_completion_tokens": tokens if known else None,
            "num_valid_record_tokens": valid_tokens if known else None,
            "num_invalid_record_tokens": self.total_invalid_record_tokens if known else None,
            "num_non_record_tokens": self.total_non_record_tokens if known else None,
            "tokens_per_prompt": _over(tokens, self.num_prompts) if known else None,
            "tokens_per_second": _over(tokens, elapsed_time) if known else None,
            "valid_tokens_per_second": _over(valid_tokens, elapsed_time) if known else None,
            "tokenization_overhead_sec": self.total_tokenization_time_sec,
            "stop_reason": self.stop_reason,
            "num_length_truncated_completions": self.num_length_truncated_completions,
        }


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
