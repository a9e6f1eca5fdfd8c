"""Windows of long examples, for budgets too short to train on whole ones.

A window holds whole records. It begins with the last token of the record before, so that the model sees it as the
middle of a sequence; only the first window of an example has its start, and only the last one its end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.assembly.ranges import IGNORED, ExampleRanges
from rowsmith_backends.training.examples import Examples

__all__ = ["ExampleWindows", "shortest_window", "windows_of"]

Ints = npt.NDArray[np.int64]


@frozen(eq=False)
class ExampleWindows:
    """Windows of other examples.

    Attributes:
        source: The examples.
        examples: Index of the example of each window; int64 ``[windows]``.
        starts: First token of each window; int64 ``[windows]``.
        stops: End of each window, exclusive; int64 ``[windows]``.
    """

    source: Examples
    examples: Ints
    starts: Ints
    stops: Ints

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def lengths(self) -> Ints:
        """Tokens of each window."""
        return self.stops - self.starts

    def batch(self, indices: Ints) -> dict[str, Ints]:
        """As ``Examples.batch``."""
        chosen = np.asarray(indices, dtype=np.int64)
        wanted, inverse = np.unique(self.examples[chosen], return_inverse=True)
        whole = self.source.batch(wanted)
        offsets = np.arange(self.lengths[chosen].max(initial=0))
        within = offsets < self.lengths[chosen, None]
        indices = np.where(within, self.starts[chosen, None] + offsets, 0)
        ids, labels = (whole[name][inverse[:, None], indices] for name in ("input_ids", "labels"))
        return {"input_ids": np.where(within, ids, 0), "labels": np.where(within, labels, IGNORED)}


def shortest_window(examples: Examples) -> int | None:
    """The fewest tokens that a window may have; None if examples cannot be split."""
    if not isinstance(examples, ExampleRanges) or examples.num_records.max(initial=0) < 2:
        return None
    return 2 * int(examples.store.lengths[examples.order].max()) + len(examples.prefix) + 1


def windows_of(examples: Examples, max_tokens: int) -> Examples:
    """Split long examples into windows.

    Args:
        examples: Examples with known ends of records.
        max_tokens: The most tokens of a window, unless it is a single record; at least ``shortest_window``.
    """
    lengths = examples.lengths
    long_examples = np.flatnonzero(lengths > max_tokens)
    if not isinstance(examples, ExampleRanges) or not len(long_examples):
        return examples
    whole = np.flatnonzero(lengths <= max_tokens)
    parts: list[tuple[Any, Any, Any]] = [(whole, np.zeros(len(whole), dtype=np.int64), lengths[whole])]
    for example in long_examples:
        cuts = _cuts(examples.record_ends(int(example)), int(lengths[example]), max_tokens)
        parts.append((np.full(len(cuts), example), np.append(0, cuts[:-1] - 1), cuts))
    return ExampleWindows(examples, *(np.concatenate(each).astype(np.int64) for each in zip(*parts, strict=True)))


def _cuts(ends: Ints, length: int, max_tokens: int) -> Ints:
    """Ends of windows of about equal length; the last one is the end of the example."""
    cuts, start = [], 0
    while length - start > max_tokens:
        # The remaining windows get equal shares; adjacent ones have one token in common.
        windows = -(-(length - start - 1) // (max_tokens - 1))
        target = start + 1 + -(-(length - start - 1) // windows)
        next_end = int(np.searchsorted(ends, target))
        fits = next_end < len(ends) and ends[next_end] <= start + max_tokens
        last = next_end if fits else next_end - 1
        # A record longer than a window gets one of its own.
        start = int(ends[max(last, int(np.searchsorted(ends, start + 1, side="right")))]) - 1
        cuts.append(start + 1)
    return np.array([*cuts, length], dtype=np.int64)
