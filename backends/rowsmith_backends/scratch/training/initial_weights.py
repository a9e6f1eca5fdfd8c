"""Initial weights with which an untrained model predicts the frequency of each token in its column.

From random weights, the first steps of a training learn the order of the columns and the frequency of each value; a
training of seconds learns little else. Both can be counted. The embeddings of a column's tokens therefore start with a
common part, so that the column can be read off the states of the random model, and the output layer starts with the
ridge regression from these states to the log frequencies. The checkpoint is an ordinary one, and training only has to
learn the dependencies between values.
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

__all__ = ["InitialWeights"]

_COUNTED_EXAMPLES, _COUNTED_TOKENS = 10_000, 500_000
_BATCH_TOKENS = 65_536
# States of the regression: a few for each weight of a token.
_EXAMPLES, _TOKENS, _LONGEST = 128, 8_192, 1_024
# Lower bound of shares: rarer tokens, and those that never follow a column, start here.
_LEAST_SHARE = 1e-4
_RIDGE = 1e-2


@frozen(kw_only=True, eq=False)
class InitialWeights:
    """Statistics of the training examples from which weights are initialised.

    Attributes:
        kinds: ``[ids]`` int64 kind of each token; the tokens of a column are of one kind.
        log_shares: ``[kinds, ids]`` log share of each token among those that follow a kind.
        sample_ids: ``[examples, tokens]`` ids of some examples, right padded.
        has_next: ``[examples, tokens]`` whether a token with a label follows.
        seed: Seed of the common parts of embeddings.
    """

    kinds: torch.Tensor
    log_shares: torch.Tensor
    sample_ids: torch.Tensor
    has_next: torch.Tensor
    seed: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, train: Examples, *, by_column: bool, seed: int) -> InitialWeights:
        """Count the tokens of training examples.

        Args:
            vocabulary: Their tokens.
            train: The examples; a sample of many is counted.
            by_column: Whether next tokens are counted for each column; otherwise over all positions, which suffices
                for a loss by columns.
            seed: Seed of the sample and of the weights.
        """
        lengths = train.lengths
        order = np.random.default_rng(seed).permutation(len(train))[:_COUNTED_EXAMPLES]
        order = order[: max(1, int(np.searchsorted(lengths[order].cumsum(), _COUNTED_TOKENS)))]
        kinds = _kinds(vocabulary) if by_column else np.zeros(len(vocabulary), dtype=np.int64)
        shape = int(kinds.max()) + 1, len(vocabulary)
        counts = np.zeros(shape[0] * shape[1], dtype=np.int64)
        size = max(1, _BATCH_TOKENS // int(lengths[order].max()))
        for start in range(0, len(order), size):
            ids, next_ids = _ids_and_next(train, order[start : start + size])
            counted = next_ids != IGNORED
            counts += np.bincount(kinds[ids[counted]] * shape[1] + next_ids[counted], minlength=len(counts))
        # Over all positions a column has only its part of the tokens; an unseen token counts like one seen once.
        lower_bound = _LEAST_SHARE if by_column else 1 / max(1, int(counts.sum()))
        sample_ids, next_ids = _ids_and_next(
            train, order[: max(1, min(_EXAMPLES, _TOKENS // int(lengths[order].max())))]
        )
        return cls(
            kinds=torch.from_numpy(kinds),
            log_shares=torch.from_numpy(_log_shares(counts.reshape(shape), lower_bound)).float(),
            sample_ids=torch.from_numpy(sample_ids[:, :_LONGEST].copy()),
            has_next=torch.from_numpy((next_ids != IGNORED)[:, :_LONGEST].copy()),
            seed=seed,
        )

    def apply(self, model: Any) -> None:
        """Initialise the weights of a new model.

        Args:
            model: A causal language model with random weights, on the CPU; changed in place.
        """
        embeddings, output = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        generator = torch.Generator().manual_seed(self.seed)
        shared = torch.randn(len(self.log_shares), embeddings.shape[1], generator=generator)
        with torch.no_grad():
            # Same scale as the random part.
            embeddings += shared[self.kinds] * embeddings.std()
            states = model.model(input_ids=self.sample_ids, use_cache=False).last_hidden_state[self.has_next].float()
            output += _regression(states, self.kinds[self.sample_ids[self.has_next]], self.log_shares)


def _ids_and_next(examples: Examples, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids of examples, and the next token of each; -100 where it has no label."""
    batch = examples.batch(chosen)
    return batch["input_ids"][:, :-1], batch["labels"][:, 1:]


def _kinds(vocabulary: Vocabulary) -> np.ndarray:
    """Kind of each token, ``[ids]``: one for each special token, one for all pieces of text, one for each column."""
    specials, first = len(vocabulary.specials), vocabulary.fields[0].start
    sizes = [*[1] * specials, first - specials, *(item.stop - item.start for item in vocabulary.fields)]
    return np.repeat(np.arange(len(sizes)), sizes)


def _log_shares(counts: np.ndarray, lower_bound: float) -> np.ndarray:
    """Log shares, 0 for the lower bound, ``[kinds, ids]``."""
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    log_shares: np.ndarray = np.log(shares.clip(min=lower_bound)) - math.log(lower_bound)
    return log_shares


def _regression(states: torch.Tensor, kinds: torch.Tensor, log_shares: torch.Tensor) -> torch.Tensor:
    """Ridge regression weights from states to the log shares of their kinds, ``[ids, width]``."""
    width = states.shape[1]
    # Summed by kind first: a score for each state and id would take gigabytes where there are many ids.
    sums = torch.zeros(len(log_shares), width).index_add(0, kinds, states)
    ridge = _RIDGE * max(1, len(states)) * torch.eye(width)
    return torch.linalg.solve(states.T @ states + ridge, sums.T @ log_shares).T
