"""Smoothed embeddings: the tokens of close numbers share weights during training.

Every value of a column is a token of its own, and token embeddings are initialised independently, so learning about
the age 41 would say nothing about 42. During training the weights of a number's token are therefore the sum of its own
part and of a smooth function of its rank, whose coefficients all numbers of the column share. The parts are folded
into one at the end, and the saved checkpoint is an ordinary one.

The functions are the cosine basis of the discrete cosine transform (N. Ahmed, T. Natarajan and K. R. Rao, 1974): at
rank r of n numbers, function k is ``2 cos(pi k (r + 1/2) / n) / sqrt(1 + k)``. Smoother functions have larger
amplitudes, so they are learned first.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from attrs import frozen
from torch import nn
from torch.nn.utils import parametrize

from rowsmith.vocabulary import Vocabulary

__all__ = ["SmoothedEmbeddings", "folded_weights"]

_NUM_FUNCTIONS = 12
_AMPLITUDE = 2.0


@frozen(kw_only=True, eq=False)
class SmoothedEmbeddings:
    """The number tokens of a vocabulary that share weights.

    Attributes:
        ids: ``[numbers]`` int64 token ids, grouped by column and ascending by number; columns of the same count are
            adjacent.
        columns: Number of columns by their count of numbers; each count is at least that of the functions.
    """

    ids: torch.Tensor
    columns: dict[int, int]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> SmoothedEmbeddings:
        """The number tokens of all columns with enough distinct numbers."""
        pairs = zip(vocabulary.fields, vocabulary.schema, strict=True)
        found = sorted((column.ascending, item.start) for item, column in pairs if column.ascending >= _NUM_FUNCTIONS)
        ids = [torch.arange(start, start + count) for count, start in found]
        columns = dict(Counter(count for count, _ in found))
        return cls(ids=torch.cat([torch.empty(0, dtype=torch.int64), *ids]), columns=columns)

    def apply(self, model: Any) -> None:
        """Add the smooth part to the input embeddings and the output layer of a model."""
        for layer in _layers(model) if self.columns else ():
            parametrize.register_parametrization(layer, "weight", _SmoothPart(self, layer.weight.shape[1]))

    @staticmethod
    def fold(model: Any) -> None:
        """Fold the smooth part into the weights; no effect if that was done."""
        for layer in _layers(model):
            if parametrize.is_parametrized(layer, "weight"):
                parametrize.remove_parametrizations(layer, "weight")


def folded_weights(model: Any) -> dict[str, torch.Tensor]:
    """The weights of a model by name, with the smooth part folded in; the model stays as it is."""
    inner = ".parametrizations.weight."
    layers = {name: module for name, module in model.named_modules() if parametrize.is_parametrized(module, "weight")}
    weights = {name: weight.detach() for name, weight in model.state_dict().items() if inner not in name}
    return {**weights, **{f"{name}.weight": module.weight.detach() for name, module in layers.items()}}


class _SmoothPart(nn.Module):
    """Parametrization that adds the shared smooth part to the rows of number tokens."""

    ids: torch.Tensor
    functions: torch.Tensor

    def __init__(self, smoothed: SmoothedEmbeddings, width: int) -> None:
        super().__init__()
        self._columns = smoothed.columns
        self.register_buffer("ids", smoothed.ids, persistent=False)
        functions = torch.cat([_functions(count) for count in self._columns])
        self.register_buffer("functions", functions, persistent=False)
        self.coefficients = nn.Parameter(torch.zeros(sum(self._columns.values()), _NUM_FUNCTIONS, width))

    def forward(self, own: torch.Tensor) -> torch.Tensor:
        """The effective weights, ``[ids, width]``."""
        functions = self.functions.split(list(self._columns))
        coefficients = self.coefficients.split(list(self._columns.values()))
        # In full precision, as in the final fold.
        with torch.autocast(own.device.type, enabled=False):
            shared = [(one @ other).flatten(0, 1) for one, other in zip(functions, coefficients, strict=True)]
            return own.index_add(0, self.ids, torch.cat(shared))


def _functions(count: int) -> torch.Tensor:
    """``[numbers, functions]``: each function at each rank."""
    order = np.arange(_NUM_FUNCTIONS)
    ranks = np.arange(count)[:, None] + 0.5
    return torch.from_numpy(_AMPLITUDE * np.cos(np.pi * order * ranks / count) / np.sqrt(1 + order)).float()


def _layers(model: Any) -> tuple[nn.Module, nn.Module]:
    return model.get_input_embeddings(), model.get_output_embeddings()
