"""Long examples cut into windows, where there is no time to learn them whole.

A window holds whole records. It begins with the last token of the record before, so that a model reads it as the middle
of a sequence that it is; only the first window of an example has its beginning and only the last one its end.
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
        examples: Of which example each window is; int64 ``[windows]``.
        starts: Its first token; int64 ``[windows]``.
        stops: Where it ends, exclusive; int64 ``[windows]``.
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
        places = np.arange(self.lengths[chosen].max(initial=0))
        within = places < self.lengths[chosen, None]
        at = np.where(within, self.starts[chosen, None] + places, 0)
        ids, labels = (whole[name][inverse[:, None], at] for name in ("input_ids", "labels"))
        return {"input_ids": np.where(within, ids, 0), "labels": np.where(within, labels, IGNORED)}


def shortest_window(examples: Examples) -> int | None:
    """The fewest tokens that a window may have; None where examples cannot be cut."""
    if not isinstance(examples, ExampleRanges) or examples.num_records.max(initial=0) < 2:
        return None
    return 2 * int(examples.store.lengths[examples.order].max()) + len(examples.prefix) + 1


def windows_of(examples: Examples, most: int) -> Examples:
    """Examples with the longer ones cut.

    Args:
        examples: Examples of which it is known where records end.
        most: The most tokens of a window, but for one of a single record; at least ``shortest_window``.
    """
    lengths = examples.lengths
    long_ones = np.flatnonzero(lengths > most)
    if not isinstance(examples, ExampleRanges) or not len(long_ones):
        return examples
    whole = np.flatnonzero(lengths <= most)
    parts: list[tuple[Any, Any, Any]] = [(whole, np.zeros(len(whole), dtype=np.int64), lengths[whole])]
    for example in long_ones:
        cuts = _cuts(examples.record_ends(int(example)), int(lengths[example]), most)
        parts.append((np.full(len(cuts), example), np.append(0, cuts[:-1] - 1), cuts))
    return ExampleWindows(examples, *(np.concatenate(each).astype(np.int64) for each in zip(*parts, strict=True)))


def _cuts(ends: Ints, length: int, most: int) -> Ints:
    """Where windows of about the same length end; the last one at the end of the example."""
    cuts, start = [], 0
    while length - start > most:
        # Of the windows that are left each has the same share; neighbours have one token in common.
        windows = -(-(length - start - 1) // (most - 1))
        share = start + 1 + -(-(length - start - 1) // windows)
        after = int(np.searchsorted(ends, share))
        fits = after < len(ends) and ends[after] <= start + most
        at = after if fits else after - 1
        # A record that is longer than a window has one of its own.
        start = int(ends[max(at, int(np.searchsorted(ends, start + 1, side="right")))]) - 1
        cuts.append(start + 1)
    return np.array([*cuts, length], dtype=np.int64)
