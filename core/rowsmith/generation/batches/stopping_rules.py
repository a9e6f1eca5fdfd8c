"""The stopping rules that always hold, whatever policy is chosen, and the choice of the policy."""

from __future__ import annotations

from rowsmith.errors import ParameterError, PluginContractError
from rowsmith.generation.batches.batch import Batch
from rowsmith.generation.status import GenerationStatus
from rowsmith.generation.stopping import PatiencePolicy, Progress, Stop, StoppingPolicy
from rowsmith.plugins.blame import attribute_errors

__all__ = ["choose_policy", "decide", "groups_cut_off", "stop_over_budget", "stop_without_records"]


def choose_policy(
    policy: StoppingPolicy | None, invalid_fraction_threshold: float | None, patience: int | None
) -> StoppingPolicy | None:
    """The stopping policy of a job: the given one, or the patience policy of those two numbers.

    Raises:
        ParameterError: One number without the other, or both beside a policy.
    """
    if (invalid_fraction_threshold is None) != (patience is None):
        raise ParameterError("invalid_fraction_threshold and patience go together: give both or neither")
    if invalid_fraction_threshold is None or patience is None:
        return policy
    if policy is not None:
        raise ParameterError("give either a stopping policy, or invalid_fraction_threshold and patience")
    return PatiencePolicy(invalid_fraction_threshold, patience)


def decide(policy: StoppingPolicy | None, progress: Progress) -> Stop | None:
    """The decision of a policy on a job; None when there is no policy.

    Raises:
        PluginContractError: It answered neither a decision nor None.
    """
    if policy is None:
        return None
    with attribute_errors(policy):
        answer = policy.decide(progress)
        if answer is not None and not isinstance(answer, Stop):
            name = type(policy).__qualname__
            raise PluginContractError(f"policy {name} answered {type(answer).__name__}; it must answer Stop or None")
    return answer


def stop_without_records(batch: Batch, first: bool, patient: bool) -> Stop | None:
    """What a batch means for the job if it has no valid record.

    Args:
        batch: The newest batch.
        first: Whether it is the first one.
        patient: Whether there is a policy that judges such batches.

    Returns:
        The end of the job, or None when there are valid records, when reading ended early, or when the
        policy is to judge. A first batch is left to the policy only when every completion was cut
        before a record could end.
    """
    if batch.num_valid_records or batch.cut_short or (patient and (not first or batch.fully_length_truncated)):
        return None
    if batch.fully_length_truncated:
        what = "its group" if batch.grouped else "a record"
        reason = f"every completion was cut before {what} ended; raise max_new_tokens, or use fewer columns"
    else:
        reason = f"none of {batch.num_prompts} completions held a valid record; train longer, or on more records"
    return Stop(GenerationStatus.STOP_NO_RECORDS, reason)


def stop_over_budget(num_prompts: int, num_valid_records: int, max_num_prompts: int | None) -> Stop | None:
    """End a job that has sent more prompts than its target can be worth.

    Args:
        num_prompts: Prompts so far.
        num_valid_records: Valid records so far.
        max_num_prompts: The budget; None for none.
    """
    if max_num_prompts is None or num_prompts < max_num_prompts:
        return None
    reason = f"{num_prompts} prompts gave only {num_valid_records} valid records; train longer, or on more records"
    return Stop(GenerationStatus.INCOMPLETE, reason)


def groups_cut_off(num_cut_off: int, num_prompts: int) -> str:
    """What it means for the lengths of groups that some were cut off, for people.

    Args:
        num_cut_off: Completions that were cut at their longest length.
        num_prompts: All completions.
    """
    return (
        f"{num_cut_off} of {num_prompts} groups were cut off at their longest length and left out, so that long "
        "groups are too few; use a model with a longer context, or fewer columns"
    )
