"""Records and groups that a model completes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from rowsmith.errors import EvaluationError
from rowsmith_plugins.evaluations.record_lines import RecordLine
from rowsmith_plugins.evaluations.scored_records import (
    Ids,
    context_start,
    encode_with_offsets,
    encoded_groups,
    joined,
)

__all__ = ["Completed", "completed_groups", "completed_lines", "number_of_given"]

# Tokens that a completion may have beyond twice those of the true one.
_SPARE = 16


def number_of_given(given: int | None, columns: int) -> int:
    """The number of columns in a prompt.

    Raises:
        EvaluationError: None is left to complete.
    """
    count = math.ceil(columns / 2) if given is None else given
    if count >= columns:
        raise EvaluationError(f"{count} columns are given and the record has {columns}; leave at least one to complete")
    return count


def completed_lines(
    inference: Any, encoding: Any, lines: Sequence[RecordLine], given: int, longest: int, **sampling: Any
) -> list[str]:
    """Records completed from their first columns; up to the line end, or as far as the model came.

    The prompt ends with the last token before the first column to be completed; of a group it begins with as many of
    the records before as fit.

    Args:
        inference: The inference job.
        encoding: The tokenizer.
        lines: The records.
        given: The number of columns in the prompt.
        longest: The most tokens of a record.
        **sampling: As for ``Executor.generate``.
    """
    own, limits = [], [1]
    encoded = encode_with_offsets(encoding, [line.text for line in lines])
    for line, (ids, offsets) in zip(lines, encoded, strict=True):
        # What follows a given value, such as a comma, belongs to the completion: it may be one token with the next.
        end = line.spans[given - 1][1] if given else 0
        count = sum(stop <= end for _, stop in offsets)
        own.append(tuple(ids[:count]))
        limits.append(2 * (len(ids) - count) + _SPARE)
    limit, model = min(max(limits), longest), inference.executor.model
    groups = encoded_groups(encoding, lines, model.block_size)
    room = model.block_size - len(model.prefix_ids) - limit
    contexts = [_before(line, groups, room - len(ids)) for line, ids in zip(lines, own, strict=True)]
    prompts = [(*before, *ids) for before, ids in zip(contexts, own, strict=True)]
    made = inference.executor.generate(prompts, max_new_tokens=limit, **sampling)
    texts = encoding.decode_batch([(*ids, *more) for ids, more in zip(own, made, strict=True)])
    return [text.partition("\n")[0] + ("\n" if "\n" in text else "") for text in texts]


def _before(line: RecordLine, groups: dict[int, list[Ids]], room: int) -> Ids:
    """The tokens of the records before one in its group, as many as fit."""
    group = line.group
    if group is None:
        return ()
    ids, most = groups[id(group)], group.most_records
    return joined(ids[context_start(ids, line.position, room, None if most is None else most - 1) : line.position])


@frozen
class Completed:
    """A group that was completed from its first half.

    Attributes:
        fits: Whether it fits the model's block as a whole; it was not asked for if not.
        exact: Whether the second half came out word for word, and then the end.
    """

    fits: bool
    exact: bool


def completed_groups(inference: Any, encoding: Any, units: Sequence[Sequence[RecordLine]]) -> list[Completed]:
    """Greedy completions of groups from the first half of their records.

    Args:
        inference: The inference job.
        encoding: The tokenizer.
        units: The records of each group, at least two.
    """
    model, prompts, rests = inference.executor.model, [], []
    groups = encoded_groups(encoding, [line for unit in units for line in unit], model.block_size)
    for unit in units:
        ids, half = groups[id(unit[0].group)], math.ceil(len(unit) / 2)
        prompts.append(joined(ids[:half]))
        rests.append(joined(ids[half:]))
    room = model.block_size - len(model.prefix_ids)
    # One token more than the rest, so that the end is seen or missed.
    fits = [len(prompt) + len(rest) + 1 <= room for prompt, rest in zip(prompts, rests, strict=True)]
    asked = [prompt for prompt, whole in zip(prompts, fits, strict=True) if whole]
    wanted = [rest for rest, whole in zip(rests, fits, strict=True) if whole]
    limit = max((len(rest) + 1 for rest in wanted), default=1)
    made = inference.executor.generate(asked, max_new_tokens=limit) if asked else []
    texts = zip(encoding.decode_batch(made), encoding.decode_batch(wanted), strict=True) if asked else ()
    exact = iter([found == rest for found, rest in texts])
    return [Completed(whole, whole and next(exact)) for whole in fits]
