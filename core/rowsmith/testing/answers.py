"""What an engine answers, as tests compare it: by request, however it was cut into blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.generation.requests import CompletionBlock, CompletionRequest, Engine, FinishReason, SamplingParams

__all__ = ["Answer", "answers"]


@frozen(kw_only=True)
class Answer:
    """The completion of one request.

    Attributes:
        text: Its text, special tokens left out.
        finish_reason: Why it ended.
        num_tokens: Its length in tokens.
        ids: Its token ids; None where the engine gives none.
        log_probs: float32[num_tokens], see ``CompletionBlock``; None where there are none.
    """

    text: str
    finish_reason: FinishReason
    num_tokens: int
    ids: tuple[int, ...] | None
    log_probs: npt.NDArray[np.float32] | None = field(default=None, eq=False)


def answers(engine: Engine, requests: Sequence[CompletionRequest], params: SamplingParams) -> dict[int, Answer]:
    """Ask an engine.

    Args:
        engine: A started engine.
        requests: What to complete.
        params: How to draw.

    Returns:
        The answers by request id, in the order of the requests.

    Raises:
        AssertionError: A request was left out or answered twice, or one was answered that was not made.
    """
    found: dict[int, Answer] = {}
    asked = [request.request_id for request in requests]
    for block in engine.complete(requests, params):
        for row, name in enumerate(np.asarray(block.request_ids).tolist()):
            assert name in asked, f"request {name} was answered and never made"
            assert name not in found, f"request {name} was answered twice"
            found[name] = _answer(block, row)
    missing = [name for name in asked if name not in found]
    assert not missing, f"requests {missing} were not answered"
    return {name: found[name] for name in asked}


def _answer(block: CompletionBlock, row: int) -> Answer:
    ids = block.row_ids(row)
    length = int(block.lengths[row])
    return Answer(
        text=block.text(row),
        finish_reason=FinishReason(block.finish_reasons[row]),
        num_tokens=length,
        ids=None if ids is None else tuple(ids),
        log_probs=None if block.log_probs is None else block.log_probs[row, :length],
    )
