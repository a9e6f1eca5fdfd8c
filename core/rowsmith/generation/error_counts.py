"""How often each error of a batch came up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from rowsmith.generation.processors import TRUNCATED

__all__ = ["ErrorCounts"]

_WORDS = {
    "type": "Value of the wrong type",
    "enum": "Value that the column does not have",
    "const": "Value that the column does not have",
    "required": "Missing field",
    "additionalProperties": "Unknown field",
    "minimum": "Number below the column's smallest",
    "maximum": "Number above the column's largest",
    "minLength": "Text too short",
    "maxLength": "Text too long",
    "pattern": "Text of the wrong form",
    "groupby": "Broken group",
    "TimeSeries": "Broken time series",
    TRUNCATED: "Record cut off at the end of the completion",
}
_KEPT_MESSAGES = 100
_SUMMARIZED = 5

Error = tuple[str, str]
"""A detailed message, which may quote cell text, and a category, which never does."""


class ErrorCounts:
    """Errors and how often each came up.

    Args:
        counts: Errors to begin with.
    """

    def __init__(self, counts: Iterable[tuple[Error, int]] = ()) -> None:
        self._counts: Counter[Error] = Counter(dict(counts))

    def add(self, errors: Iterable[Error]) -> None:
        """Count more errors."""
        self._counts.update(errors)

    def items(self) -> list[tuple[Error, int]]:
        """Every error and its count."""
        return list(self._counts.items())

    def statistics(self, detailed: bool) -> pd.DataFrame:
        """Column ``Percentage`` of all errors, by message, most frequent first.

        Args:
            detailed: Whether to name errors by their full message and not by their category.
        """
        counts: Counter[str] = Counter()
        for (message, summary), count in self._counts.items():
            counts[message if detailed else _WORDS.get(summary, summary)] += count
        total = sum(counts.values())
        shares = {message: 100.0 * count / total for message, count in counts.most_common()}
        index = pd.Index(list(shares), name="Error", dtype=object)
        return pd.DataFrame({"Percentage": list(shares.values())}, index=index, dtype=float)

    def summary(self) -> str:
        """The most frequent categories and their shares in one line; ``no errors`` when there are none."""
        shares = self.statistics(detailed=False)["Percentage"].head(_SUMMARIZED)
        return "; ".join(f"{message} {share:.0f} %" for message, share in shares.items()) or "no errors"

    def shorten(self) -> None:
        """Keep the most frequent messages; the others become their category."""
        common = self._counts.most_common(_KEPT_MESSAGES)
        others = self._counts - Counter(dict(common))
        self._counts = Counter(dict(common))
        for (_, summary), count in others.items():
            self._counts[summary, summary] += count
