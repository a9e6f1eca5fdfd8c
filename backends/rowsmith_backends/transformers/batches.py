"""Batching of requests: which are decoded together, and from which starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionRequest, SamplingParams

__all__ = ["CausalBatch", "CompletionStart", "batches_of"]


@frozen(kw_only=True)
class CompletionStart:
    """Common start of several completions; the model processes it once.

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
        """Prompt and forced ids."""
        return self.prompt + self.forced


@frozen(kw_only=True, eq=False)
class CausalBatch:
    """Completions that are decoded together.

    Attributes:
        starts: Distinct starts.
        owners: ``[rows]`` the start of each row.
        request_ids: ``[rows]`` request numbers.
        limits: ``[rows]`` the most tokens of each row, forced ones included.
        forced: ``[rows]`` number of forced ids.
    """

    starts: tuple[CompletionStart, ...]
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
        """The forced ids of one row, truncated to its limit."""
        return self.starts[int(self.owners[row])].forced[: int(self.limits[row])]


def batches_of(
    requests: Sequence[CompletionRequest], params: SamplingParams, *, context: int, most_rows: int, most_tokens: int
) -> Iterator[CausalBatch]:
    """Split requests into batches of prompts of similar length.

    Args:
        requests: The requests.
        params: Says how long completions may be if a request does not.
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
    available = context - prompt
    if not prompt or available < 1:
        raise GenerationError(
            f"request {request.request_id} has a prompt of {prompt} tokens; it takes 1 to {context - 1} of them to "
            f"leave room in a context of {context}"
        )
    return min(request.max_tokens or params.max_new_tokens or available, available)


def _batch(requests: Sequence[CompletionRequest], limits: Sequence[int]) -> CausalBatch:
    indices: dict[CompletionStart, int] = {}
    owners = [
        indices.setdefault(
            CompletionStart(prompt=request.prompt_ids, forced=request.forced_ids, most_records=request.max_records),
            len(indices),
        )
        for request in requests
    ]
    return CausalBatch(
        starts=tuple(indices),
        owners=np.array(owners, dtype=np.int64),
        request_ids=np.array([request.request_id for request in requests], dtype=np.int64),
        limits=np.array(limits, dtype=np.int64),
    )
