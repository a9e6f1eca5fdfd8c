"""Drawing tokens inside an engine that batches requests by itself.

Engines such as vLLM compute the logits of whatever requests are under way, and ask a processor of ours what to make
of them. It draws the next token of each with the number that belongs to seed, request and position, and leaves the
engine no other: so a completion does not depend on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from attrs import frozen

from rowsmith.randomness.draws import Draws
from rowsmith_backends.sampling.repetition_penalty import penalized, tokens_seen
from rowsmith_backends.sampling.token_sampling import choose

__all__ = ["SlotDraws", "SlotRequest"]

# Logits that are drawn from at once: their cumulative chances take 128 MiB.
_CELLS_AT_ONCE = 1 << 24

Slots = npt.NDArray[np.int64]


@frozen(kw_only=True)
class SlotRequest:
    """What a request wants.

    Attributes:
        request_id: Its number; draws are keyed by it.
        seed: Seed of the draws.
        forced: How many of the last ids of its prompt are the beginning of the completion.
        given: The first ids of what the engine writes, which are not drawn.
        max_tokens: The most tokens of the completion, forced ones counted.
        max_records: The most records of the completion; None leaves it to the model.
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Keeps the likeliest tokens whose mass reaches this share.
        constrained: Whether the completion follows the grammar.
        repetition_penalty: Makes tokens less likely that were read or written before; 1 for not at all.
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


class SlotDraws:
    """The requests under way, each in a slot of the engine's batch.

    Args:
        slots: The most requests under way.
    """

    def __init__(self, slots: int) -> None:
        self._requests: list[SlotRequest | None] = [None] * slots
        self._prompts: list[Sequence[int]] = [()] * slots
        self._written: list[Sequence[int]] = [()] * slots

    def enter(self, slot: int, request: SlotRequest, prompt: Sequence[int], written: Sequence[int]) -> None:
        """Draw for a request from now on.

        Args:
            slot: Where it is in the batch.
            request: What it wants.
            prompt: Its prompt, forced ids among them.
            written: Its completion so far; the engine adds to it.
        """
        self._requests[slot], self._prompts[slot], self._written[slot] = request, prompt, written

    def leave(self, slot: int) -> None:
        """Forget the request of a slot."""
        self._requests[slot], self._prompts[slot], self._written[slot] = None, (), ()

    def swap(self, first: int, second: int) -> None:
        """Let the requests of two slots change places."""
        self._requests[first], self._requests[second] = self._requests[second], self._requests[first]
        self._prompts[first], self._prompts[second] = self._prompts[second], self._prompts[first]
        self._written[first], self._written[second] = self._written[second], self._written[first]

    def steer(self, logits: torch.Tensor) -> torch.Tensor:
        """Choose the next token of each request.

        Args:
            logits: ``[slots in use, tokens]`` float32, refused ones -inf; changed in place.

        Returns:
            The same, with all but the chosen tokens refused.
        """
        used = np.array([slot for slot in range(len(logits)) if self._requests[slot] is not None], dtype=np.int64)
        if len(used):
            self._catch_up(used)
        at_once = max(1, _CELLS_AT_ONCE // logits.shape[1])
        for alike in self._alike(used):
            for start in range(0, len(alike), at_once):
                slots = alike[start : start + at_once]
                places = torch.from_numpy(slots).to(logits.device)
                tokens = self._chosen(logits[places], slots)
                logits[places] = -torch.inf
                logits[places, tokens] = 0.0
        return logits

    def _alike(self, used: Slots) -> list[Slots]:
        """The slots whose tokens are chosen in the same way."""
        kinds: dict[tuple[float, float, float, bool], list[int]] = {}
        for slot in used.tolist():
            request = self._request(slot)
            kind = (request.temperature, request.top_p, request.repetition_penalty, request.constrained)
            kinds.setdefault(kind, []).append(slot)
        return [np.array(slots) for slots in kinds.values()]

    def _request(self, slot: int) -> SlotRequest:
        request = self._requests[slot]
        assert request is not None
        return request

    def _catch_up(self, used: Slots) -> None:
        """Read what the engine has written since the last time."""

    def _masked(self, logits: torch.Tensor, slots: Slots, positions: Slots) -> torch.Tensor:
        """The logits with what may not come refused."""
        return logits

    def _chosen(self, logits: torch.Tensor, slots: Slots) -> torch.Tensor:
        """``[rows]`` the next tokens."""
        like = self._request(slots[0])
        positions = np.array([self._request(slot).forced + len(self._written[slot]) for slot in slots])
        if like.repetition_penalty != 1:
            histories = [[*self._prompts[slot], *self._written[slot]] for slot in slots.tolist()]
            seen = tokens_seen(histories, logits.shape[1], logits.device)
            logits = penalized(logits, seen, like.repetition_penalty)
        logits = self._masked(logits, slots, positions)
        uniforms = torch.from_numpy(self._uniforms(slots, positions)).to(logits.device)
        rows = torch.arange(len(slots), device=logits.device)
        tokens = choose(logits, rows, uniforms, like.temperature, like.top_p)
        for row, slot in enumerate(slots.tolist()):
            given, count = self._request(slot).given, len(self._written[slot])
            if count < len(given):
                tokens[row] = given[count]
        return tokens

    def _uniforms(self, slots: Slots, positions: Slots) -> npt.NDArray[np.float64]:
        requests = [self._request(slot) for slot in slots]
        ids = np.array([request.request_id for request in requests], dtype=np.int64)
        seeds = [request.seed for request in requests]
        found = np.empty(len(slots))
        for seed in set(seeds):
            own = np.array([each == seed for each in seeds])
            for position in np.unique(positions[own]):
                here = own & (positions == position)
                found[here] = Draws(seed, ids[here]).uniform(int(position))
        return found
