"""How many prompts a batch should have: pure arithmetic over what the job has done so far."""

from __future__ import annotations

from rowsmith.errors import ParameterError

__all__ = [
    "ADAPTIVE_MAX_PROMPTS_CEILING",
    "INITIAL_PROBE_PROMPTS",
    "NUM_PROMPT_BUFFER",
    "check_sizes",
    "default_batch_size",
    "default_budget",
    "is_enough",
    "longest_completion",
    "next_batch_size",
]

NUM_PROMPT_BUFFER = 10
"""Prompts added to an estimate, for completions that turn out invalid."""

INITIAL_PROBE_PROMPTS = 10
"""Prompts of the first batch, which measures how many records a prompt gives."""

ADAPTIVE_MAX_PROMPTS_CEILING = 2000
"""Most prompts of a batch whose size is derived from the target."""

_SMALLEST_FULL_BATCH = 100
_FULL_BATCHES_PER_TARGET = 20
_PROMPTS_PER_RECORD = 100
_SPARE_BATCHES = 20


def check_sizes(
    target_num_records: int | None,
    max_num_prompts_per_batch: int | None,
    max_num_prompts: int | None,
    target_num_groups: int | None = None,
) -> None:
    """Refuse sizes that make no sense.

    Raises:
        ParameterError: A target is negative, one of the others below 1, or there are two targets.
    """
    for name, value in (("target_num_records", target_num_records), ("target_num_groups", target_num_groups)):
        if value is not None and value < 0:
            raise ParameterError(f"{name} must be at least 0, not {value}")
    if target_num_records is not None and target_num_groups is not None:
        raise ParameterError("give either target_num_records or target_num_groups: one of them ends the job")
    for name, value in (
        ("max_num_prompts_per_batch", max_num_prompts_per_batch),
        ("max_num_prompts", max_num_prompts),
    ):
        if value is not None and value < 1:
            raise ParameterError(f"{name} must be at least 1, not {value}")


def default_batch_size(target: int | None) -> int:
    """Prompts of a full batch: a twentieth of the target, from 100 to 2000; 100 without a target."""
    if target is None:
        return _SMALLEST_FULL_BATCH
    share = target // _FULL_BATCHES_PER_TARGET
    return min(ADAPTIVE_MAX_PROMPTS_CEILING, max(_SMALLEST_FULL_BATCH, share))


def default_budget(target: int | None, batch_size: int) -> int | None:
    """Prompts after which a job is hopeless; None without a target."""
    if target is None:
        return None
    return _PROMPTS_PER_RECORD * target + _SPARE_BATCHES * batch_size


def longest_completion(seen: int | None, room: int | None) -> int | None:
    """Tokens after which a completion is cut.

    Args:
        seen: Tokens of the longest sequence of records in training; None if unknown.
        room: Tokens that fit the context after the prompt; None if unknown.

    Returns:
        A fifth more than was seen, and EOS, as far as there is room; None if unknown.
    """
    if seen is None:
        return room
    wanted = seen + -(-seen // 5) + 1
    return wanted if room is None else min(wanted, room)


def is_enough(missing: int, num_parsed: int, accepted_share: float | None) -> bool:
    """Whether a batch that is still being read has records enough for the target.

    Args:
        missing: Valid records that the target still needs.
        num_parsed: Records of the batch that parsed; data actions have not seen them yet.
        accepted_share: Share of such records that data actions accepted so far; None when unknown.

    Returns:
        Whether they should be enough, with a margin where data actions may reject records.
    """
    margin = NUM_PROMPT_BUFFER if accepted_share != 1.0 else 0
    return num_parsed * (1.0 if accepted_share is None else accepted_share) >= missing + margin


def next_batch_size(most: int, target: int | None, num_valid: int, num_prompts: int, last_truncated: bool) -> int:
    """Prompts of the next batch.

    Args:
        most: Prompts of a full batch.
        target: Valid records or groups wanted; None for no target.
        num_valid: As many of them as there are so far.
        num_prompts: Prompts so far.
        last_truncated: Whether every completion of the newest batch was cut at its longest length.

    Returns:
        At most ``most``; 0 when the target is met, otherwise at least 1.
    """
    if target is None:
        return most
    missing = target - num_valid
    if missing <= 0:
        return 0
    if num_valid and num_prompts:
        return min(most, round(missing * num_prompts / num_valid) + NUM_PROMPT_BUFFER)
    # The yield is unknown: a probe is cheap, and truncated completions are expensive.
    return min(INITIAL_PROBE_PROMPTS, most) if not num_prompts or last_truncated else most
