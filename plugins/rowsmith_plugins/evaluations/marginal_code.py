"""Code lengths of values by the marginal of their column: what is known without looking at other columns.

A value seen c times among n, of a column with K - 1 distinct values, costs ``-log2((c + 1/2) / (n + K/2))``
(Krichevsky and Trofimov, 1981, with one symbol for all unseen values). An unseen value costs that of the symbol, and
its text by the frequencies of characters. Numbers of an open column are coded by 32 quantile bins and their position
in the bin, to the precision of the column.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from attrs import frozen

from rowsmith.table.schema import JsonKind, ModelColumn

__all__ = ["MarginalCode"]

_BINS = 32
_END = ""


@frozen(eq=False)
class MarginalCode:
    """The marginal of one column of the training table.

    Attributes:
        counts: Rows by JSON text of the value.
        rows: Rows in all.
        characters: Occurrences of characters in all values, and of their ends.
        edges: Rising edges of the quantile bins of an open number column; empty for others.
        precision: Distance of neighbouring numbers.
    """

    counts: Counter[str]
    rows: int
    characters: Counter[str]
    edges: tuple[float, ...] = ()
    precision: float = 1.0

    @classmethod
    def of(cls, column: ModelColumn, values: Sequence[str]) -> MarginalCode:
        """Learn a marginal.

        Args:
            column: The column.
            values: The JSON text of its value in each training record.
        """
        counts = Counter(values)
        characters = Counter(character for value in values for character in [*value, _END])
        if column.closed or column.kind is not JsonKind.NUMBER:
            return cls(counts, len(values), characters)
        numbers = np.array([float(json.loads(value)) for value in values if value != "null"])
        scale = 0 if column.integral else column.scale
        precision = 10.0 ** -(scale if scale is not None else 6)
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, _BINS + 1))) if len(numbers) else np.zeros(0)
        return cls(counts, len(values), characters, tuple(edges.tolist()), precision)

    @property
    def mode(self) -> str:
        """The JSON text of the most frequent value."""
        return self.counts.most_common(1)[0][0]

    def bits(self, value: str, *, own: bool = False) -> float:
        """Code length of a value.

        Args:
            value: Its JSON text.
            own: Whether it is one of those that the marginal was learned from; it is coded as if it were not.
        """
        if self.edges and value != "null":
            return min(self._number_bits(float(json.loads(value))), self._listed_bits(value, own))
        return self._listed_bits(value, own)

    def _listed_bits(self, value: str, own: bool) -> float:
        count, rows, distinct = self.counts[value], self.rows, len(self.counts)
        if own and count:
            count, rows, distinct = count - 1, rows - 1, distinct - (count == 1)
        known = -math.log2((count + 0.5) / (rows + (distinct + 1) / 2))
        return known if count else known + self._text_bits(value)

    def _text_bits(self, value: str) -> float:
        total, kinds = sum(self.characters.values()), len(self.characters) + 1
        return sum(-math.log2((self.characters[character] + 0.5) / (total + kinds / 2)) for character in [*value, _END])

    def _number_bits(self, number: float) -> float:
        low, high = self.edges[0], self.edges[-1]
        bins = max(1, len(self.edges) - 1)
        if not low <= number <= high:
            return math.log2(2 * (self.rows + 1)) + math.log2(max(1.0, abs(number) / self.precision))
        index = min(int(np.searchsorted(self.edges, number, side="right")) - 1, bins - 1)
        width = self.edges[min(index + 1, len(self.edges) - 1)] - self.edges[index]
        return math.log2(bins) + math.log2(max(1.0, width / self.precision))
