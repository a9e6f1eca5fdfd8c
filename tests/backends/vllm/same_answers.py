"""Whether two models under evaluation give the same log-probabilities and the same greedy continuations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rowsmith.evaluation import Executor, ScoreRequest

__all__ = ["TOLERANCE", "check_same_answers"]

TOLERANCE = 1e-3
"""Nats by which log-probabilities of a token may differ in single precision."""


def check_same_answers(mine: Any, other: Any, texts: Sequence[str], given: int) -> None:
    """Score texts and continue their first tokens with both models; tokens may differ where they are tied."""
    encoded = [tuple(ids) for ids in other.encoding.encode_batch(texts)]
    requests = [ScoreRequest(ids) for ids in encoded]
    ours, theirs = (Executor(model=model).score(requests) for model in (mine, other))
    for one, two in zip(ours, theirs, strict=True):
        assert not np.isnan(one.log_probs).any()
        np.testing.assert_allclose(one.log_probs, two.log_probs, atol=TOLERANCE)
    prompts = [ids[:given] for ids in encoded]
    made, expected = (Executor(model=model).generate(prompts, max_new_tokens=24) for model in (mine, other))
    for prompt, one, two in zip(prompts, made, expected, strict=True):
        same = next((at for at, pair in enumerate(zip(one, two, strict=False)) if pair[0] != pair[1]), None)
        if same is None:
            assert one == two
            continue
        tied = [ScoreRequest((each[same],), (*prompt, *one[:same])) for each in (one, two)]
        first, second = (each.log_probs[0] for each in Executor(model=other).score(tied))
        assert abs(first - second) <= TOLERANCE
    assert any(made)
