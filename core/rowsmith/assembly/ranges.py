"""Training examples as ranges over a permutation of records, gathered batch by batch.

Nothing is stored per token: an example is a start and a stop in ``order``, which holds record numbers
of a token store. Labels, masks and padding are made here, for a collator or a trainer that wants NumPy
arrays and for the ``datasets.Dataset`` of examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.assembly.token_store import Ids, Ints, TokenStore
from rowsmith.errors import AssemblyError
from rowsmith.table.row_ranges import range_indices, range_sums

__all__ = ["IGNORED", "ExampleRanges", "Rows"]

IGNORED = -100
"""The label of a token that the loss ignores."""

Rows = npt.NDArray[np.integer[Any]]
"""Record numbers."""


def _check_ranges(ranges: ExampleRanges, attribute: Any, stops: Ints) -> None:
    starts = ranges.starts
    if starts.shape != stops.shape:
        raise AssemblyError(f"an example needs a start and a stop: got {len(starts)} starts and {len(stops)} stops")
    if len(starts) and (starts.min() < 0 or (stops < starts).any() or stops.max() > len(ranges.order)):
        raise AssemblyError(f"examples must lie within the {len(ranges.order)} ordered records")


def _check_breaks(ranges: ExampleRanges, attribute: Any, breaks: Ints | None) -> None:
    if breaks is None or not len(breaks):
        return
    if breaks[0] < 0 or breaks[-1] > len(ranges.order) or (np.diff(breaks) <= 0).any():
        raise AssemblyError(f"breaks must rise within the {len(ranges.order)} ordered records, without repeats")


@frozen(eq=False, kw_only=True)
class ExampleRanges:
    """Examples of the layout ``prompt BOS records EOS``, or with several sequences ``BOS records EOS``.

    Attributes:
        store: The tokenized records.
        order: Record numbers, in training order; integers.
        starts: Where in ``order`` each example begins; int64 ``[examples]``.
        stops: Where it ends, exclusive; int64 ``[examples]``.
        prompt_ids: Ids of the prompt and its special tokens; not trained on.
        bos_id: Begins the records; trained on, as are the records and EOS.
        eos_id: Ends the records.
        pad_id: Fills a batch up on the right.
        breaks: Where in ``order`` another sequence begins, ascending; int64. A break inside an example ends
            one of its sequences and begins the next. None if each example is one sequence.
        ends: Where in ``order`` groups end, exclusive, ascending; int64. The EOS of an example that ends
            elsewhere is not trained on, since its group goes on. None trains on every EOS.

    Raises:
        AssemblyError: A range or a break lies outside ``order``.
    """

    store: TokenStore
    order: Rows
    starts: Ints
    stops: Ints = field(validator=_check_ranges)
    prompt_ids: tuple[int, ...]
    bos_id: int
    eos_id: int
    pad_id: int
    breaks: Ints | None = field(default=None, validator=_check_breaks)
    ends: Ints | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def prefix(self) -> tuple[int, ...]:
        """Ids before the first record; the same that an engine gets at generation."""
        return (*self.prompt_ids, self.bos_id)

    @property
    def num_records(self) -> Ints:
        """Records of each example; int64 ``[examples]``."""
        return self.stops - self.starts

    @property
    def num_sequences(self) -> Ints:
        """Sequences ``BOS records EOS`` of each example; int64 ``[examples]``."""
        first, last = self._breaks_within(self.starts, self.stops)
        return last - first + 1

    @property
    def lengths(self) -> Ints:
        """Tokens of each example, prompt and special tokens included; int64 ``[examples]``."""
        around, uniform = len(self.prompt_ids) + 2 * self.num_sequences, self.store.uniform_length
        if uniform is not None:
            return self.num_records * uniform + around
        ends = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.store.lengths[self.order])])
        records: Ints = ends[self.stops] - ends[self.starts]
        return records + around

    @property
    def longest_sequence(self) -> int:
        """Tokens of the records of the longest sequence, BOS and EOS left out; 0 without examples."""
        if self.breaks is None:
            return int(self.lengths.max(initial=len(self.prompt_ids) + 2)) - len(self.prompt_ids) - 2
        rows = self.order[range_indices(self.starts, self.stops - self.starts)]
        records, _ = self._sequences(self.starts, self.stops)
        return int(range_sums(self.store.lengths[rows], records).max(initial=0))

    def record_ends(self, index: int) -> Ints:
        """Where the records of one example end in it, in tokens, exclusive; int64 ``[records]``.

        Args:
            index: The example's number.
        """
        start, stop = int(self.starts[index]), int(self.stops[index])
        breaks = np.empty(0, dtype=np.int64) if self.breaks is None else self.breaks
        before = np.searchsorted(breaks, np.arange(start, stop), side="right") - np.searchsorted(breaks, start, "right")
        # Each sequence that begins after the first has an end and a beginning before it.
        ends: Ints = len(self.prefix) + np.cumsum(self.store.lengths[self.order[start:stop]]) + 2 * before
        return ends

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
        rows = self.order[range_indices(starts, stops - starts)]
        records, sequences = self._sequences(starts, stops)
        batch = self._lay_out(self.store.gather(rows), range_sums(self.store.lengths[rows], records), sequences)
        if self.ends is not None:
            goes_on = np.flatnonzero(~np.isin(stops, self.ends))
            batch["labels"][goes_on, batch["attention_mask"][goes_on].sum(axis=1) - 1] = IGNORED
        return batch

    def _breaks_within(self, starts: Ints, stops: Ints) -> tuple[Ints, Ints]:
        """The breaks inside each range: the number of the first, and of the one after the last."""
        if self.breaks is None:
            none = np.zeros(len(starts), dtype=np.int64)
            return none, none
        first = np.searchsorted(self.breaks, starts, side="right")
        return first, np.maximum(first, np.searchsorted(self.breaks, stops, side="left"))

    def _sequences(self, starts: Ints, stops: Ints) -> tuple[Ints, Ints]:
        """Records of each sequence of some ranges, and sequences of each range."""
        first, last = self._breaks_within(starts, stops)
        inside = last - first
        if self.breaks is None or not inside.any():
            return stops - starts, inside + 1
        ends = np.cumsum(inside + 1)
        begins = np.empty(int(ends[-1]), dtype=np.int64)
        follows = np.ones(len(begins), dtype=bool)
        follows[ends - inside - 1] = False
        begins[~follows] = starts
        begins[follows] = self.breaks[range_indices(first, inside)]
        bounds = np.append(begins[1:], 0)
        bounds[ends - 1] = stops
        return bounds - begins, inside + 1

    def _lay_out(self, body: Ids, sizes: Ints, sequences: Ints) -> dict[str, Ints]:
        """Write batch rows around the records' ids.

        ``sizes`` are their tokens by sequence, ``sequences`` how many of those each row has.
        """
        first = len(self.prompt_ids)
        totals = range_sums(sizes + 2, sequences)
        rows = np.repeat(np.arange(len(sequences)), sequences)
        ends = first - 1 + np.cumsum(sizes + 2) - (np.cumsum(totals) - totals)[rows]
        columns = np.arange(first + int(totals.max(initial=0)))
        used = columns < first + totals[:, None]
        trained = used & (columns >= first)
        ids = np.full(used.shape, self.pad_id, dtype=np.int64)
        ids[:, :first] = self.prompt_ids
        written = trained.copy()
        for columns, token in ((ends - sizes - 1, self.bos_id), (ends, self.eos_id)):
            ids[rows, columns] = token
            written[rows, columns] = False
        ids[written] = body
        return {
            "input_ids": ids,
            "attention_mask": used.astype(np.int64),
            "labels": np.where(trained, ids, IGNORED),
        }
