"""Keyed token sampling inside an engine with continuous batching.

Engines such as vLLM compute the logits of all running requests and pass them to a logits processor. Ours draws the
next token of each request from a uniform keyed by (seed, request, position) and masks all others, so a completion
does not depend on the rest of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from attrs import frozen

from rowsmith.randomness.draws import Draws
from rowsmith_backends.sampling.repetition_penalty import penalized, tokens_seen
from rowsmith_backends.sampling.token_sampling import sample_tokens

__all__ = ["BatchRequest", "BatchSampler"]

# Logits sampled at once: their cumulative probabilities take 128 MiB.
_MAX_CELLS = 1 << 24

Rows = npt.NDArray[np.int64]


@frozen(kw_only=True)
class BatchRequest:
    """Sampling parameters of one request.

    Attributes:
        request_id: Its number; draws are keyed by it.
        seed: Seed of the draws.
        forced: How many of the last ids of its prompt are the beginning of the completion.
        given: The first ids that the engine writes; they are not drawn.
        max_tokens: The most tokens of the completion, forced ones counted.
        max_records: The most records of the completion; None leaves it to the model.
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Restricts sampling to the likeliest tokens whose probability reaches this share.
        constrained: Whether the completion follows the grammar.
        repetition_penalty: Lowers the logits of tokens in prompt and completion so far; 1 for none.
    """

    request_id: int
    seed: int
    forced: int
    max_tokens: int
    max_records: int | None
    temperature: float
    top_p: float
    constrained: bool
    given: tuple[int, ...] = ()
    repetition_penalty: float = 1.0


class BatchSampler:
    """Samples the next tokens of running requests, each in one row of the engine's batch.

    Args:
        max_requests: The most running requests.
    """

    def __init__(self, max_requests: int) -> None:
        self._requests: list[BatchRequest | None] = [None] * max_requests
        self._prompts: list[Sequence[int]] = [()] * max_requests
        self._written: list[Sequence[int]] = [()] * max_requests

    def add(self, row: int, request: BatchRequest, prompt: Sequence[int], written: Sequence[int]) -> None:
        """Add a request.

        Args:
            row: Its row in the batch.
            request: Its sampling parameters.
            prompt: Its prompt, forced ids included.
            written: Its completion so far; the engine appends to it.
        """
        self._requests[row], self._prompts[row], self._written[row] = request, prompt, written

    def remove(self, row: int) -> None:
        """Remove the request of a row."""
        self._requests[row], self._prompts[row], self._written[row] = None, (), ()

    def swap(self, first: int, second: int) -> None:
        """Swap the requests of two rows."""
        self._requests[first], self._requests[second] = self._requests[second], self._requests[first]
        self._prompts[first], self._prompts[second] = self._prompts[second], self._prompts[first]
        self._written[first], self._written[second] = self._written[second], self._written[first]

    def sample(self, logits: torch.Tensor) -> torch.Tensor:
        """Sample the next token of each request.

        Args:
            logits: ``[rows in use, ids]`` float32, masked ids -inf; changed in place.

        Returns:
            The same tensor, all but the sampled ids masked.
        """
        used = np.array([row for row in range(len(logits)) if self._requests[row] is not None], dtype=np.int64)
        if len(used):
            self._advance(used)
        at_once = max(1, _MAX_CELLS // logits.shape[1])
        for rows_alike in self._by_parameters(used):
            for start in range(0, len(rows_alike), at_once):
                rows = rows_alike[start : start + at_once]
                indices = torch.from_numpy(rows).to(logits.device)
                tokens = self._sample(logits[indices], rows)
                logits[indices] = -torch.inf
                logits[indices, tokens] = 0.0
        return logits

    def _by_parameters(self, used: Rows) -> list[Rows]:
        """Group the rows by sampling parameters."""
        by_parameters: dict[tuple[float, float, float, bool], list[int]] = {}
        for row in used.tolist():
            request = self._request(row)
            parameters = (request.temperature, request.top_p, request.repetition_penalty, request.constrained)
            by_parameters.setdefault(parameters, []).append(row)
        return [np.array(rows) for rows in by_parameters.values()]

    def _request(self, row: int) -> BatchRequest:
        request = self._requests[row]
        assert request is not None
        return request

    def _advance(self, used: Rows) -> None:
        """Process the tokens that the engine has written since the last step."""

    def _masked(self, logits: torch.Tensor, rows: Rows, positions: Rows) -> torch.Tensor:
        """The logits with disallowed ids masked."""
        return logits

    def _sample(self, logits: torch.Tensor, rows: Rows) -> torch.Tensor:
        """Sample the next tokens, ``[rows]``."""
        params = self._request(rows[0])
        positions = np.array([self._request(row).forced + len(self._written[row]) for row in rows])
        if params.repetition_penalty != 1:
            histories = [[*self._prompts[row], *self._written[row]] for row in rows.tolist()]
            seen = tokens_seen(histories, logits.shape[1], logits.device)
            logits = penalized(logits, seen, params.repetition_penalty)
        logits = self._masked(logits, rows, positions)
        uniforms = torch.from_numpy(self._uniforms(rows, positions)).to(logits.device)
        local = torch.arange(len(rows), device=logits.device)
        tokens = sample_tokens(logits, local, uniforms, params.temperature, params.top_p)
        for index, row in enumerate(rows.tolist()):
            given, count = self._request(row).given, len(self._written[row])
            if count < len(given):
                tokens[index] = given[count]
        return tokens

    def _uniforms(self, rows: Rows, positions: Rows) -> npt.NDArray[np.float64]:
        requests = [self._request(row) for row in rows]
        ids = np.array([request.request_id for request in requests], dtype=np.int64)
        seeds = [request.seed for request in requests]
        drawn = np.empty(len(rows))
        for seed in set(seeds):
            own = np.array([each == seed for each in seeds])
            for position in np.unique(positions[own]):
                here = own & (positions == position)
                drawn[here] = Draws(seed, ids[here]).uniform(int(position))
        return drawn
