"""Whether two engines that run the same model agree: greedy tokens, and log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from rowsmith.generation.requests import CompletionRequest, Engine, SamplingParams
from rowsmith.testing.answers import Answer, answers

__all__ = ["Agreement", "agreement"]


@frozen(kw_only=True)
class Agreement:
    """How far two engines agree.

    Attributes:
        num_tokens: Greedy tokens that are the same in both, of all prompts.
        largest_difference: Between the log-probabilities of these, in nats.
        margins: Where the engines went apart, by prompt: how much likelier, in nats, the first engine finds its own
            token than the one that the second took.
    """

    num_tokens: int
    largest_difference: float
    margins: dict[int, float]

    def check(self, *, margin: float = 1e-3, tolerance: float = 1e-3) -> None:
        """Insist on agreement.

        Args:
            margin: How close, in nats, two tokens must be for either to be taken.
            tolerance: How far log-probabilities may differ, in nats.

        Raises:
            AssertionError: The engines differ by more.
        """
        apart = {prompt: found for prompt, found in self.margins.items() if abs(found) > margin}
        assert not apart, f"greedy tokens differ where one is clearly likelier (margins by prompt): {apart}"
        assert self.largest_difference <= tolerance, f"log-probabilities differ by {self.largest_difference:.2e}"


def agreement(
    first: Engine,
    second: Engine,
    prompts: Sequence[Sequence[int]],
    *,
    max_tokens: int = 64,
    constrained: bool = True,
) -> Agreement:
    """Ask two engines for the likeliest completion of each prompt.

    Args:
        first: A started engine that forces ids; both give ids and log-probabilities.
        second: The other one.
        prompts: Token ids.
        max_tokens: Longest completion.
        constrained: Whether completions follow the grammar.

    Returns:
        How far they agree.
    """
    params = SamplingParams(temperature=0.0, max_new_tokens=max_tokens, constrained=constrained, log_probs=True)
    requests = [CompletionRequest(position, tuple(prompt)) for position, prompt in enumerate(prompts)]
    left, right = (answers(engine, requests, params) for engine in (first, second))
    tokens, largest, margins = 0, 0.0, {}
    for request in requests:
        one, other = left[request.request_id], right[request.request_id]
        same = _same(one, other)
        tokens += same
        difference = np.abs(_scores(one)[:same] - _scores(other)[:same])
        largest = max(largest, float(difference.max(initial=0.0)))
        if same < max(len(_ids(one)), len(_ids(other))):
            margins[request.request_id] = _margin(first, request, (one, other), same, params)
    return Agreement(num_tokens=tokens, largest_difference=largest, margins=margins)


def _same(one: Answer, other: Answer) -> int:
    """How many tokens two completions begin with that are the same."""
    left, right = _ids(one), _ids(other)
    pairs = enumerate(zip(left, right, strict=False))
    return next((position for position, (a, b) in pairs if a != b), min(len(left), len(right)))


def _margin(
    engine: Engine, request: CompletionRequest, pair: tuple[Answer, Answer], position: int, params: SamplingParams
) -> float:
    """How much likelier an engine finds its own token at a position than the other's; infinite where one has ended."""
    own, others = map(_ids, pair)
    if position >= min(len(own), len(others)):
        return math.inf
    forced = evolve(request, max_tokens=position + 1, forced_ids=others[: position + 1])
    score = _scores(answers(engine, [forced], params)[request.request_id])[position]
    return float(_scores(pair[0])[position] - score)


def _ids(answer: Answer) -> tuple[int, ...]:
    assert answer.ids is not None, "agreement is checked by token ids; the engine gives none"
    return answer.ids


def _scores(answer: Answer) -> npt.NDArray[np.float32]:
    assert answer.log_probs is not None, "agreement is checked by log-probabilities; the engine gives none"
    return answer.log_probs
