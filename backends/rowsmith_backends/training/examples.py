"""Training examples for a trainer: padded NumPy batches by example index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.assembly import ranges_of
from rowsmith.assembly.ranges import IGNORED
from rowsmith.errors import PluginContractError

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["ExampleSubset", "Examples", "ListedExamples", "MaskedExamples", "examples_of"]

Ints = npt.NDArray[np.int64]


class Examples(Protocol):
    """Examples that can be gathered in batches; ``ExampleRanges`` is one such."""

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> Ints:
        """Tokens of each example."""

    def batch(self, indices: Ints) -> dict[str, Ints]:
        """``input_ids`` and ``labels`` of some examples, right padded: int64 ``[b, longest]``."""


@frozen(eq=False)
class ExampleSubset:
    """A subset of examples.

    Attributes:
        source: All examples.
        selected: Indices of the subset.
    """

    source: Examples
    selected: Ints

    def __len__(self) -> int:
        return len(self.selected)

    @property
    def lengths(self) -> Ints:
        """Tokens of each example."""
        return self.source.lengths[self.selected]

    def batch(self, indices: Ints) -> dict[str, Ints]:
        """As ``Examples.batch``."""
        return self.source.batch(self.selected[indices])


@frozen(eq=False)
class MaskedExamples:
    """Examples with masked inputs (input dropout), others at every step; the labels stay complete.

    The mask depends on the seed and on the examples of the batch, so a resumed fit sees the same masks.

    Attributes:
        source: The examples.
        max_share: The largest share of masked tokens; that of each example is drawn from 0 to it. The first token is
            never masked.
        mask_id: The id that replaces masked tokens.
        seed: Seed of the masks.
    """

    source: Examples
    max_share: float
    mask_id: int
    seed: int

    def __len__(self) -> int:
        return len(self.source)

    @property
    def lengths(self) -> Ints:
        """Tokens of each example."""
        return self.source.lengths

    def batch(self, indices: Ints) -> dict[str, Ints]:
        """As ``Examples.batch``."""
        batch = self.source.batch(indices)
        ids = batch["input_ids"]
        draws = np.random.default_rng([self.seed, *indices.tolist()])
        is_masked = draws.random(ids.shape) < self.max_share * draws.random((len(ids), 1))
        is_masked[:, 0] = False
        return {**batch, "input_ids": np.where(is_masked, self.mask_id, ids)}


@frozen(eq=False)
class ListedExamples:
    """Examples as lists of token ids.

    Attributes:
        ids: Token ids of each example.
        labels: As many labels of each.
        pad_id: Fills batches up.
    """

    ids: Sequence[Sequence[int]]
    labels: Sequence[Sequence[int]]
    pad_id: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> Ints:
        """Tokens of each example."""
        return np.array([len(row) for row in self.ids], dtype=np.int64)

    def batch(self, indices: Ints) -> dict[str, Ints]:
        """As ``Examples.batch``."""
        numbers = [int(i) for i in indices]
        longest = max(len(self.ids[i]) for i in numbers)
        ids = np.full((len(numbers), longest), self.pad_id, dtype=np.int64)
        labels = np.full((len(numbers), longest), IGNORED, dtype=np.int64)
        for row, number in enumerate(numbers):
            ids[row, : len(self.ids[number])] = self.ids[number]
            labels[row, : len(self.labels[number])] = self.labels[number]
        return {"input_ids": ids, "labels": labels}


def examples_of(dataset: Dataset, pad_id: int) -> Examples:
    """The examples of an assembled dataset, by ranges where it has them.

    Args:
        dataset: What an assembler made; its rows hold ``input_ids`` and ``labels``.
        pad_id: Fills batches up.

    Returns:
        The examples, in the dataset's order.

    Raises:
        PluginContractError: The rows lack ``input_ids`` or ``labels``.
    """
    ranges = ranges_of(dataset)
    if ranges is not None:
        return ranges
    rows: dict[str, Any] = dataset[:]
    missing = [name for name in ("input_ids", "labels") if name not in rows]
    if missing:
        raise PluginContractError(
            f"the assembler's examples have no {' and no '.join(missing)}; they have {', '.join(rows) or 'nothing'}"
        )
    return ListedExamples(rows["input_ids"], rows["labels"], pad_id)
