"""Weights with which a model knows, before it has learned anything, how frequent each token is at its place.

From random weights the first steps of a training learn which column follows which and how frequent each value is; a
training of seconds learns little else. Both can be counted. The embeddings of a column's tokens therefore begin with a
part that they share, so that the column can be told from the states of the random model, and the output layer begins
with the ridge regression that leads from these states to the logarithms of the counted shares. The checkpoint is an
ordinary one, and all that is learned later is how values go together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from attrs import frozen

from rowsmith.assembly.ranges import IGNORED
from rowsmith.vocabulary import Vocabulary

if TYPE_CHECKING:
    from rowsmith_backends.training.examples import Examples

__all__ = ["FirstWeights"]

_COUNTED_EXAMPLES, _COUNTED_TOKENS = 10_000, 500_000
_BATCH_TOKENS = 65_536
# States that the regression goes by: a few for each of the weights of a token.
_EXAMPLES, _TOKENS, _LONGEST = 128, 8_192, 1_024
# What is a smaller share of a column's rows, or never comes after a column, begins here; the rest is learned.
_LEAST_SHARE = 1e-4
_RIDGE = 1e-2


@frozen(kw_only=True, eq=False)
class FirstWeights:
    """What weights begin with.

    Attributes:
        kinds: ``[ids]`` int64: tokens of one column are of one kind; what comes next is counted by it.
        scores: ``[kinds, ids]``: the logarithm of each token's share of what comes after a kind.
        shown: ``[examples, tokens]`` the ids of some examples, right padded.
        followed: ``[examples, tokens]`` whether a token that counts follows.
        seed: Of the parts that embeddings share.
    """

    kinds: torch.Tensor
    scores: torch.Tensor
    shown: torch.Tensor
    followed: torch.Tensor
    seed: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, train: Examples, *, by_column: bool, seed: int) -> FirstWeights:
        """Count the tokens of training examples.

        Args:
            vocabulary: Their tokens.
            train: The examples; of many, a draw is counted.
            by_column: Whether the tokens that come next are counted for each column; otherwise over all places, which
                is enough where a loss weighs the tokens of one column only.
            seed: Of the draw and of the weights.
        """
        lengths = train.lengths
        order = np.random.default_rng(seed).permutation(len(train))[:_COUNTED_EXAMPLES]
        order = order[: max(1, int(np.searchsorted(lengths[order].cumsum(), _COUNTED_TOKENS)))]
        kinds = _kinds(vocabulary) if by_column else np.zeros(len(vocabulary), dtype=np.int64)
        shape = int(kinds.max()) + 1, len(vocabulary)
        counts = np.zeros(shape[0] * shape[1], dtype=np.int64)
        size = max(1, _BATCH_TOKENS // int(lengths[order].max()))
        for start in range(0, len(order), size):
            ids, wanted = _read(train, order[start : start + size])
            counted = wanted != IGNORED
            counts += np.bincount(kinds[ids[counted]] * shape[1] + wanted[counted], minlength=len(counts))
        # Over all places a column has only its part of the tokens; one that no example has is like one that one has.
        least = _LEAST_SHARE if by_column else 1 / max(1, int(counts.sum()))
        shown, wanted = _read(train, order[: max(1, min(_EXAMPLES, _TOKENS // int(lengths[order].max())))])
        return cls(
            kinds=torch.from_numpy(kinds),
            scores=torch.from_numpy(_scores(counts.reshape(shape), least)).float(),
            shown=torch.from_numpy(shown[:, :_LONGEST].copy()),
            followed=torch.from_numpy((wanted != IGNORED)[:, :_LONGEST].copy()),
            seed=seed,
        )

    def give(self, model: Any) -> None:
        """Let a new model begin with them.

        Args:
            model: An ordinary causal language model of random weights, on the CPU; changed in place.
        """
        embeddings, output = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        generator = torch.Generator().manual_seed(self.seed)
        shared = torch.randn(len(self.scores), embeddings.shape[1], generator=generator)
        with torch.no_grad():
            # As large as a token's own part.
            embeddings += shared[self.kinds] * embeddings.std()
            states = model.model(input_ids=self.shown, use_cache=False).last_hidden_state[self.followed].float()
            output += _regression(states, self.kinds[self.shown[self.followed]], self.scores)


def _read(examples: Examples, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids of examples, and what follows each; -100 where that does not count."""
    batch = examples.batch(chosen)
    return batch["input_ids"][:, :-1], batch["labels"][:, 1:]


def _kinds(vocabulary: Vocabulary) -> np.ndarray:
    """Each special token is of its own kind, so are the pieces of text, and the tokens of each column."""
    specials, first = len(vocabulary.specials), vocabulary.fields[0].start
    sizes = [*[1] * specials, first - specials, *(item.stop - item.start for item in vocabulary.fields)]
    return np.repeat(np.arange(len(sizes)), sizes)


def _scores(counts: np.ndarray, least: float) -> np.ndarray:
    """``[kinds, ids]``: logarithms of shares, 0 for the least."""
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    scores: np.ndarray = np.log(shares.clip(min=least)) - math.log(least)
    return scores


def _regression(states: torch.Tensor, kinds: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """``[ids, width]``: the weights that lead from states to the scores of their kinds."""
    width = states.shape[1]
    # Summed by kind first: a score for each state and id would take gigabytes where there are many ids.
    sums = torch.zeros(len(scores), width).index_add(0, kinds, states)
    ridge = _RIDGE * max(1, len(states)) * torch.eye(width)
    return torch.linalg.solve(states.T @ states + ridge, sums.T @ scores).T
