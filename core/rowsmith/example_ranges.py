"""Training examples as ranges over a permutation of records, gathered when a batch is wanted.

Nothing is stored per token: an example is a start and a stop in ``order``, which holds record numbers
of a token store. Labels, masks and padding are made here, for a collator or a trainer that wants NumPy
arrays and for the ``datasets.Dataset`` whose transform yields lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.errors import AssemblyError
from rowsmith.token_store import Ids, Ints, TokenStore

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["IGNORED", "ExampleRanges", "RangeTransform", "Rows", "as_dataset", "ranges_of"]

IGNORED = -100
"""The label of a token that the loss leaves out."""

Rows = npt.NDArray[np.integer[Any]]
"""Record numbers."""


def _check_ranges(ranges: ExampleRanges, attribute: Any, stops: Ints) -> None:
    starts = ranges.starts
    if starts.shape != stops.shape:
        raise AssemblyError(f"an example needs a start and a stop: got {len(starts)} starts and {len(stops)} stops")
    if len(starts) and (starts.min() < 0 or (stops < starts).any() or stops.max() > len(ranges.order)):
        raise AssemblyError(f"examples must lie within the {len(ranges.order)} ordered records")


@frozen(eq=False, kw_only=True)
class ExampleRanges:
    """Examples of the layout ``prompt BOS records EOS``.

    Attributes:
        store: The tokenized records.
        order: Record numbers, in the order that training sees them; integers.
        starts: Where in ``order`` each example begins; int64 ``[examples]``.
        stops: Where it ends, exclusive; int64 ``[examples]``.
        prompt_ids: Ids of the prompt with what encloses it; not trained on.
        bos_id: Begins the records; trained on, as are the records and EOS.
        eos_id: Ends the records.
        pad_id: Fills a batch up on the right.

    Raises:
        AssemblyError: A range lies outside ``order``.
    """

    store: TokenStore
    order: Rows
    starts: Ints
    stops: Ints = field(validator=_check_ranges)
    prompt_ids: tuple[int, ...]
    bos_id: int
    eos_id: int
    pad_id: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def prefix(self) -> tuple[int, ...]:
        """What stands before the first record; the same ids that an engine is given."""
        return (*self.prompt_ids, self.bos_id)

    @property
    def num_records(self) -> Ints:
        """Records of each example; int64 ``[examples]``."""
        return self.stops - self.starts

    @property
    def lengths(self) -> Ints:
        """Tokens of each example, prompt and special tokens included; int64 ``[examples]``."""
        around, uniform = len(self.prefix) + 1, self.store.uniform_length
        if uniform is not None:
            return self.num_records * uniform + around
        ends = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.store.lengths[self.order])])
        records: Ints = ends[self.stops] - ends[self.starts]
        return records + around

    def example(self, index: int) -> dict[str, list[int]]:
        """One example as lists, without padding.

        Args:
            index: The example's number.

        Returns:
            ``input_ids``, ``attention_mask`` and ``labels``.

        Raises:
            IndexError: There is no such example.
        """
        return {name: array[0].tolist() for name, array in self.batch([index]).items()}

    def batch(self, indices: Sequence[int] | Rows) -> dict[str, Ints]:
        """Several examples as one padded batch.

        Args:
            indices: Example numbers ``[b]``.

        Returns:
            ``input_ids`` (padded with ``pad_id``), ``attention_mask`` (0 on padding) and ``labels``
            (-100 on the prompt and on padding); each int64 ``[b, longest example]``.

        Raises:
            IndexError: There is no such example.
        """
        numbers = np.asarray(indices, dtype=np.int64)
        return self.gather(self.starts[numbers], self.stops[numbers])

    def gather(self, starts: Ints, stops: Ints) -> dict[str, Ints]:
        """As ``batch``, for ranges of ``order`` instead of example numbers.

        Args:
            starts: Where each example begins; int64 ``[b]``.
            stops: Where it ends, exclusive; int64 ``[b]``.
        """
        counts = stops - starts
        rows = self.order[_positions(starts, counts)]
        sizes = _sums(self.store.lengths[rows], counts)
        return self._lay_out(self.store.gather(rows), sizes)

    def _lay_out(self, body: Ids, sizes: Ints) -> dict[str, Ints]:
        """Write batch rows around the records' ids; ``sizes`` are their tokens by batch row."""
        first = len(self.prefix)
        columns = np.arange(first + int(sizes.max(initial=0)) + 1)
        ends = first + sizes[:, None]
        ids = np.full((len(sizes), len(columns)), self.pad_id, dtype=np.int64)
        ids[:, :first] = self.prefix
        ids[(columns >= first) & (columns < ends)] = body
        ids[np.arange(len(sizes)), ends[:, 0]] = self.eos_id
        used = columns <= ends
        labels = np.where(used & (columns >= len(self.prompt_ids)), ids, IGNORED)
        return {"input_ids": ids, "attention_mask": used.astype(np.int64), "labels": labels}


def _positions(starts: Ints, counts: Ints) -> Ints:
    """The numbers of all ranges, one range after another."""
    if len(counts) and (counts == counts[0]).all():
        return (starts[:, None] + np.arange(counts[0])).reshape(-1)
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))


def _sums(values: Ints, counts: Ints) -> Ints:
    """Sums of consecutive runs of ``values``, ``counts`` of them each."""
    ends = np.cumsum(counts)
    totals = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values)])
    sums: Ints = totals[ends] - totals[ends - counts]
    return sums


class RangeTransform:
    """What turns rows of starts and stops into examples; ``as_dataset`` fills in ``ranges``."""

    ranges: ExampleRanges

    def __call__(self, rows: Mapping[str, Sequence[int]]) -> dict[str, list[list[int]]]:
        """Lay out a batch, as ``Dataset.set_transform`` calls it.

        Args:
            rows: ``start`` and ``stop`` of each example.

        Returns:
            ``input_ids``, ``attention_mask`` and ``labels`` of each, without padding.
        """
        starts = np.asarray(rows["start"], dtype=np.int64)
        batch = self.ranges.gather(starts, np.asarray(rows["stop"], dtype=np.int64))
        lengths = batch["attention_mask"].sum(axis=1).tolist()
        return {
            name: [row[:length].tolist() for row, length in zip(array, lengths, strict=True)]
            for name, array in batch.items()
        }


def as_dataset(ranges: ExampleRanges) -> Dataset:
    """A Dataset of ``start`` and ``stop`` that yields examples.

    A Hugging Face Trainer over it needs ``remove_unused_columns=False``.

    Args:
        ranges: The examples.

    Returns:
        The dataset; rows hold the lists ``input_ids``, ``attention_mask`` and ``labels``.
    """
    from datasets import Dataset

    table = pa.table({"start": pa.array(ranges.starts), "stop": pa.array(ranges.stops)})
    # A fingerprint of its own, and a transform that is filled after it is set: Datasets would pickle
    # the whole token store to hash it.
    dataset = Dataset(table, fingerprint=uuid4().hex[:16])
    transform = RangeTransform()
    dataset.set_transform(transform)
    transform.ranges = ranges
    return dataset


def ranges_of(dataset: Dataset) -> ExampleRanges | None:
    """The ranges behind a dataset that ``as_dataset`` made, so that a trainer can gather arrays itself.

    Args:
        dataset: Such a dataset, or one shuffled or selected from it.

    Returns:
        Its examples in its order; None for a dataset of another origin.
    """
    transform = dataset.format["format_kwargs"].get("transform")
    if not isinstance(transform, RangeTransform):
        return None
    rows = dataset.with_format("arrow")[:]
    return evolve(transform.ranges, starts=rows["start"].to_numpy(), stops=rows["stop"].to_numpy())
