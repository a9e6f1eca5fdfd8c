"""How well the candidates of conditioned completions served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from attrs import define

from rowsmith.generation.requests import CompletionBlock

__all__ = ["CandidateTally"]

_SCARCE = 2.0


@define
class CandidateTally:
    """Effective numbers of candidates, summed over completions.

    Attributes:
        completions: Completions that were drawn under a condition.
        effective: Sum of their effective numbers of candidates.
        scarce: Completions with fewer than two.
        without: Completions of which no candidate could meet the condition.
    """

    completions: int = 0
    effective: float = 0.0
    scarce: int = 0
    without: int = 0

    @property
    def mean(self) -> float:
        """The mean effective number of candidates; 0 without completions."""
        return self.effective / self.completions if self.completions else 0.0

    def counted(self, blocks: Iterable[CompletionBlock]) -> Iterator[CompletionBlock]:
        """The same blocks, each counted as it passes."""
        for block in blocks:
            if block.candidates is not None:
                self.completions += len(block)
                self.effective += float(block.candidates.sum())
                self.scarce += int(np.count_nonzero(block.candidates < _SCARCE))
                self.without += int(np.count_nonzero(block.candidates == 0))
            yield block

    def describe(self, drawn: int) -> str:
        """The effective numbers in words.

        Args:
            drawn: Candidates of each completion.
        """
        return f"{self.mean:.1f} effective of {drawn} candidates a row"

    def warning(self, drawn: int) -> str | None:
        """What to do where candidates were scarce; None where there were enough."""
        if self.completions == 0 or self.scarce < self.completions / 2:
            return None
        return (
            f"the conditions are rare: {self.scarce / self.completions:.0%} of the rows had fewer than two effective "
            f"candidates of {drawn}, so they follow the model only roughly; raise generation.candidates"
        )
