"""What makes new keys of one column."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from attrs import asdict, frozen

from rowsmith.randomness.draws import Draws

__all__ = ["KeyMaker"]


@frozen
class KeyMaker(ABC):
    """Makes new keys; frozen, made of JSON values."""

    kind: ClassVar[str]

    @abstractmethod
    def make(self, draws: Draws, carry: dict[str, Any], column: str) -> list[str]:
        """Make a key for each row.

        Args:
            draws: Random numbers, one stream per row.
            carry: What was made before, carried from batch to batch.
            column: The column's name.

        Raises:
            GenerationError: No key is left; the message names the column.
        """

    @abstractmethod
    def avoiding(self, values: Sequence[str]) -> KeyMaker:
        """The same, which makes none of these keys.

        Args:
            values: Distinct keys, those it was fitted on among them.
        """

    @abstractmethod
    def describe(self) -> str:
        """What it holds of the training data."""

    def caveat(self) -> str | None:
        """How new keys differ from those of the training table, half a sentence; None where they do not."""
        return None

    def state(self) -> dict[str, Any]:
        """The maker as JSON values."""
        return {"kind": self.kind, **asdict(self)}
