"""What a generation of time series gives back."""

from __future__ import annotations

from rowsmith.generation.actions import DataActionsFn
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
    failed |= {whole[index].state.group_id: reason for index, reason in rows.rejected.items()}
    figures = job.account.figures(elapsed)
    # Series by series, whichever ended first.
    figures["batch_valid_record_fractions"] = [fraction for group in job.groups for fraction in group.fractions]
    if rows.rejected and job.account.status is GenerationStatus.COMPLETE:
        figures["status"] = GenerationStatus.INCOMPLETE
        figures["stop_reason"] = (
            f"the data actions rejected {len(rows.rejected):,} group{'s'[: len(rows.rejected) > 1]}"
        )
    return GenerateJobResults(
        df=rows.df,
        columns=rows.columns,
        num_valid_groups=len(whole) - len(rows.rejected),
        num_invalid_groups=len(job.groups) - len(whole) + len(rows.rejected),
        failed_groups=failed,
        all_groups_succeeded=job.all_groups_succeeded and not failed,
        identifier=output.identifier,
        **figures,
    )
