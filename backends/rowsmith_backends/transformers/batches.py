"""Which requests are decoded together, and what they go on from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionRequest, SamplingParams

__all__ = ["CausalBatch", "Start", "batches_of"]


@frozen(kw_only=True)
class Start:
    """What completions have in common that begin alike; the model reads it once.

    Attributes:
        prompt: Token ids of the prompt.
        forced: The first ids of the completion.
        most_records: The most records of the completion; None for any number.
    """

    prompt: tuple[int, ...]
    forced: tuple[int, ...]
    most_records: int | None

    @property
    def ids(self) -> tuple[int, ...]:
        """Everything that the model reads before it writes."""
        return self.prompt + self.forced


@frozen(kw_only=True, eq=False)
class CausalBatch:
    """Completions that are decoded together.

    Attributes:
        starts: What they go on from.
        owners: ``[rows]`` the start of each.
        request_ids: ``[rows]``.
        limits: ``[rows]`` the most tokens of each, forced ones included.
        forced: ``[rows]`` how many ids are forced.
    """

    starts: tuple[Start, ...]
    owners: npt.NDArray[np.int64]
    request_ids: npt.NDArray[np.int64]
    limits: npt.NDArray[np.int64]
    forced: npt.NDArray[np.int64] = field(init=False)

    @forced.default
    def _count_forced(self) -> npt.NDArray[np.int64]:
        counts = np.array([len(start.forced) for start in self.starts])
        found: npt.NDArray[np.int64] = np.minimum(counts[self.owners], self.limits)
        return found

    def __len__(self) -> int:
        return len(self.owners)

    def row_ids(self, row: int) -> tuple[int, ...]:
        """The forced ids of one row, as far as they are within its limit."""
        return self.starts[int(self.owners[row])].forced[: int(self.limits[row])]


def batches_of(
    requests: Sequence[CompletionRequest], params: SamplingParams, *, context: int, most_rows: int, most_tokens: int
) -> Iterator[CausalBatch]:
    """Cut requests into batches, those with prompts of about one length together.

    Args:
        requests: What to complete.
        params: Says how long completions may be where a request does not.
        context: The most tokens of prompt and completion.
        most_rows: The most completions of a batch.
        most_tokens: The most tokens of a batch, prompts and longest completions together; one completion
            is always taken.

    Yields:
        The batches, short prompts first.

    Raises:
        GenerationError: A prompt is empty, or leaves no room for a completion.
    """
    limits = [_limit(request, params, context) for request in requests]
    sizes = [len(request.prompt_ids) for request in requests]
    rows: list[int] = []
    longest = 0
    for row in sorted(range(len(requests)), key=lambda row: (sizes[row], len(requests[row].forced_ids))):
        wider = max(longest, sizes[row] + limits[row])
        if rows and (len(rows) == most_rows or wider * (len(rows) + 1) > most_tokens):
            yield _batch([requests[each] for each in rows], [limits[each] for each in rows])
            rows, wider = [], sizes[row] + limits[row]
        rows.append(row)
        longest = wider
    if rows:
        yield _batch([requests[each] for each in rows], [limits[each] for each in rows])


def _limit(request: CompletionRequest, params: SamplingParams, context: int) -> int:
    prompt = len(request.prompt_ids)
    room = context - prompt
    if not prompt or room < 1:
        raise GenerationError(
            f"request {request.request_id} has a prompt of {prompt} tokens; it takes 1 to {context - 1} of them to "
            f"leave room in a context of {context}"
        )
    return min(request.max_tokens or params.max_new_tokens or room, room)


def _batch(requests: Sequence[CompletionRequest], limits: Sequence[int]) -> CausalBatch:
    places: dict[Start, int] = {}
    owners = [
        places.setdefault(
            Start(prompt=request.prompt_ids, forced=request.forced_ids, most_records=request.max_records), len(places)
        )
        for request in requests
    ]
    return CausalBatch(
        starts=tuple(places),
        owners=np.array(owners, dtype=np.int64),
        request_ids=np.array([request.request_id for request in requests], dtype=np.int64),
        limits=np.array(limits, dtype=np.int64),
    )
