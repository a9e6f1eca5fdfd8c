"""Numbers that learn from the numbers beside them.

Every value of a column is a token of its own, and at first all tokens are equally strange to each other: what a model
learns of the age 41 tells it nothing of 42. While it learns, the weights of a number's token therefore have two parts,
its own and a smooth function of its rank, whose coefficients all numbers of the column share. In the end the parts are
added up, and what is saved is an ordinary checkpoint.

The functions are cosines, as of the discrete cosine transform (N. Ahmed, T. Natarajan and K. R. Rao, 1974): of rank r
among n numbers, function k is ``2 cos(pi k (r + 1/2) / n) / sqrt(1 + k)``. Smooth ones weigh more, so that they are
learned first.
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

__all__ = ["Neighbours"]

_FUNCTIONS = 12
_AMPLITUDE = 2.0


@frozen(kw_only=True, eq=False)
class Neighbours:
    """The numbers of a vocabulary, by column.

    Attributes:
        ids: ``[numbers]`` int64, column by column, ascending numbers within each; columns of as many numbers follow
            each other.
        columns: How many columns have so many numbers, at least as many as there are functions.
    """

    ids: torch.Tensor
    columns: dict[int, int]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Neighbours:
        """The numbers of all columns that have enough of them for neighbours to be alike."""
        pairs = zip(vocabulary.fields, vocabulary.schema, strict=True)
        found = sorted((column.ascending, item.start) for item, column in pairs if column.ascending >= _FUNCTIONS)
        ids = [torch.arange(start, start + count) for count, start in found]
        columns = dict(Counter(count for count, _ in found))
        return cls(ids=torch.cat([torch.empty(0, dtype=torch.int64), *ids]), columns=columns)

    def join(self, model: Any) -> None:
        """Let the numbers share weights of a model, in what it reads and in what it writes."""
        for layer in _layers(model) if self.columns else ():
            parametrize.register_parametrization(layer, "weight", _Shared(self, layer.weight.shape[1]))

    @staticmethod
    def settle(model: Any) -> None:
        """Add up the parts of all weights; does nothing where that was done."""
        for layer in _layers(model):
            if parametrize.is_parametrized(layer, "weight"):
                parametrize.remove_parametrizations(layer, "weight")


class _Shared(nn.Module):
    """Adds what numbers share to the rows that are their own."""

    ids: torch.Tensor
    functions: torch.Tensor

    def __init__(self, neighbours: Neighbours, width: int) -> None:
        super().__init__()
        self._columns = neighbours.columns
        self.register_buffer("ids", neighbours.ids, persistent=False)
        functions = torch.cat([_functions(count) for count in self._columns])
        self.register_buffer("functions", functions, persistent=False)
        self.coefficients = nn.Parameter(torch.zeros(sum(self._columns.values()), _FUNCTIONS, width))

    def forward(self, own: torch.Tensor) -> torch.Tensor:
        """``[ids, width]`` the weights as the model has them."""
        functions = self.functions.split(list(self._columns))
        coefficients = self.coefficients.split(list(self._columns.values()))
        # In full precision, as when they are added up in the end.
        with torch.autocast(own.device.type, enabled=False):
            shared = [(one @ other).flatten(0, 1) for one, other in zip(functions, coefficients, strict=True)]
            return own.index_add(0, self.ids, torch.cat(shared))


def _functions(count: int) -> torch.Tensor:
    """``[numbers, functions]``: each function at each rank."""
    order = np.arange(_FUNCTIONS)
    ranks = np.arange(count)[:, None] + 0.5
    return torch.from_numpy(_AMPLITUDE * np.cos(np.pi * order * ranks / count) / np.sqrt(1 + order)).float()


def _layers(model: Any) -> tuple[nn.Module, nn.Module]:
    return model.get_input_embeddings(), model.get_output_embeddings()
