"""What a generation of time series gives back."""

from __future__ import annotations

from rowsmith.generation.actions import DataActionsFn
from rowsmith.generation.counts import Totals
from rowsmith.generation.results import GenerateJobResults
from rowsmith.generation.status import GenerationStatus
from rowsmith_backends.timeseries.job import SeriesJob
from rowsmith_backends.timeseries.output import SeriesOutput

__all__ = ["results_of"]


def results_of(
    job: SeriesJob, output: SeriesOutput, actions: DataActionsFn | None, first_id: int, elapsed: float
) -> GenerateJobResults:
    """The results of a job: rows of the series that are whole, and the names of those that failed.

    Args:
        job: The job, run.
        output: Makes rows.
        actions: Applied to the records of all whole series.
        first_id: The hidden id of the first row.
        elapsed: Seconds that the job took.
    """
    whole = [group for group in job.groups if group.state.completed]
    rows = output.rows(whole, actions, first_id)
    failed = {group.state.group_id: group.reason for group in job.groups if group.state.failed}
    failed |= {whole[place].state.group_id: reason for place, reason in rows.rejected.items()}
    status, reason = job.status, job.stop_reason
    if rows.rejected and status is GenerationStatus.COMPLETE:
        status, reason = (
            GenerationStatus.INCOMPLETE,
            f"the data actions rejected {len(rows.rejected):,} group{'s'[: len(rows.rejected) > 1]}",
        )
    totals = _summed(job)
    counted = totals.valid_records + totals.invalid_records
    return GenerateJobResults(
        df=rows.df,
        status=status,
        num_valid_records=totals.valid_records,
        num_invalid_records=totals.invalid_records,
        num_prompts=totals.prompts,
        valid_record_fraction=totals.valid_records / counted if counted else 0.0,
        batch_valid_record_fractions=[fraction for group in job.groups for fraction in group.fractions],
        elapsed_time=elapsed,
        num_completion_tokens=totals.completion_tokens,
        num_valid_record_tokens=totals.valid_tokens,
        num_invalid_record_tokens=totals.invalid_tokens,
        num_non_record_tokens=totals.completion_tokens - totals.valid_tokens - totals.invalid_tokens,
        tokens_per_prompt=_over(totals.completion_tokens, totals.prompts),
        tokens_per_second=_over(totals.completion_tokens, elapsed),
        valid_tokens_per_second=_over(totals.valid_tokens, elapsed),
        tokenization_overhead_sec=job.reading.counter.seconds,
        stop_reason=reason,
        columns=rows.columns,
        num_valid_groups=len(whole) - len(rows.rejected),
        num_invalid_groups=len(job.groups) - len(whole) + len(rows.rejected),
        failed_groups=failed,
        all_groups_succeeded=job.all_groups_succeeded and not failed,
        identifier=output.identifier,
    )


def _summed(job: SeriesJob) -> Totals:
    totals = Totals()
    for group in job.groups:
        for name in (
            "prompts",
            "valid_records",
            "invalid_records",
            "completion_tokens",
            "valid_tokens",
            "invalid_tokens",
        ):
            setattr(totals, name, getattr(totals, name) + getattr(group.totals, name))
    return totals


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
