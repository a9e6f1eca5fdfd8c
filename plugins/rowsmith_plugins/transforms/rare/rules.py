"""Rules for the rare values of one column: a guard maps each value to one that may be learned.

A guard is a pure function of a column: applied twice it changes nothing more. Rare categories are drawn
by row position, so the same table always gives the same result.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Mapping
from typing import Any, ClassVar

import cattrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import asdict, evolve, frozen

from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import compact, from_codes
from rowsmith.table.types.datetimes import parse_datetimes
from rowsmith.table.types.encoded import spelled_unique
from rowsmith.table.types.spelling import parse_numbers
from rowsmith_plugins.transforms.common.counting import Counted, nearest

__all__ = [
    "AllNull",
    "DatetimeRange",
    "FrequentCategories",
    "FrequentNumbers",
    "Guard",
    "InventedCategories",
    "NumberRange",
    "guard_from_state",
]

Order = npt.NDArray[np.int64]


@frozen
class Guard(ABC):
    """Maps each value of a column to one that may be learned; frozen, made of JSON values."""

    kind: ClassVar[str]

    @abstractmethod
    def apply(self, counted: Counted, seed: int, name: str) -> pa.DictionaryArray:
        """Map the values of a column.

        Args:
            counted: The column's values and codes.
            seed: Seed of draws, besides the row's index and ``name``.
            name: The column's name.
        """

    @abstractmethod
    def describe(self) -> str:
        """What it holds of the training data, for display."""

    def state(self) -> dict[str, Any]:
        """The guard as JSON values."""
        return {"kind": self.kind, **asdict(self)}


@frozen
class AllNull(Guard):
    """Replaces all values of a column with too few values by null."""

    kind: ClassVar[str] = "blank"

    def apply(self, counted: Counted, seed: int, name: str) -> pa.DictionaryArray:
        """Null in every row."""
        return from_codes([], np.full(len(counted.codes), -1))

    def describe(self) -> str:
        """Nothing."""
        return "nothing of its few values"


@frozen
class FrequentCategories(Guard):
    """Retains frequent categories; every other one is replaced by a drawn category, row by row.

    Attributes:
        kept: The retained categories; the name is saved in bundles.
        choices: Categories that replace others.
        weights: Frequency of each choice, as whole numbers.
    """

    kind: ClassVar[str] = "categories"
    kept: tuple[str, ...]
    choices: tuple[str, ...]
    weights: tuple[int, ...]

    def apply(self, counted: Counted, seed: int, name: str) -> pa.DictionaryArray:
        """Draw a choice for each row whose category is not retained."""
        indices = {value: index for index, value in enumerate(self.kept)}
        renumbered = np.array([*(indices.get(value, -2) for value in counted.values), -1], dtype=np.int32)
        codes = renumbered[counted.codes]
        rare = np.flatnonzero(codes == -2)
        if rare.size:
            bounds = np.cumsum(self.weights)
            drawn = Draws(seed, rare).uniform(f"protect-rare.{name}") * bounds[-1]
            chosen = np.searchsorted(bounds, drawn, side="right").clip(0, len(bounds) - 1)
            codes[rare] = np.array([indices[choice] for choice in self.choices], dtype=np.int32)[chosen]
        return from_codes(self.kept, codes)

    def describe(self) -> str:
        """Number of retained categories."""
        return f"{len(self.kept)} categories and how often each occurs"


@frozen
class InventedCategories(Guard):
    """Retains frequent categories; every other one becomes a label, which inversion replaces by invented categories.

    Attributes:
        kept: The retained categories; the name is saved in bundles.
        label: The label, different from all of them.
        names: The invented categories.
        weights: Frequency of each, as whole numbers.
        spare: Others, for those that turn out to be real ones.
    """

    kind: ClassVar[str] = "invented"
    kept: tuple[str, ...]
    label: str
    names: tuple[str, ...]
    weights: tuple[int, ...]
    spare: tuple[str, ...] = ()

    def apply(self, counted: Counted, seed: int, name: str) -> pa.DictionaryArray:
        """Replace categories that are not retained by the label."""
        indices = {value: index for index, value in enumerate(self.kept)}
        renumbered = [*(indices.get(value, len(self.kept)) for value in counted.values), -1]
        return from_codes([*self.kept, self.label], np.array(renumbered, dtype=np.int32)[counted.codes])

    def invert(self, counted: Counted, draws: Draws, name: str) -> pa.DictionaryArray:
        """Draw an invented category for each label."""
        values = [*counted.values, *self.names]
        codes = counted.codes.astype(np.int64)
        rows = np.flatnonzero(np.array([*(value == self.label for value in counted.values), False])[codes])
        bounds = np.cumsum(self.weights)
        drawn = draws.take(rows).uniform(f"protect-rare.{name}.invented") * bounds[-1]
        codes[rows] = len(counted.values) + np.searchsorted(bounds, drawn, side="right").clip(0, len(bounds) - 1)
        return compact(spelled_unique(values, codes.astype(np.int32)))

    def avoiding(self, values: Container[str]) -> InventedCategories:
        """Invent none of these, but spare ones; if that leaves no category, the label replaces all."""
        spare = [name for name in self.spare if name not in values]
        replaced = (name if name not in values else spare.pop() if spare else None for name in self.names)
        left = [(name, weight) for name, weight in zip(replaced, self.weights, strict=True) if name is not None]
        names, weights = zip(*(left or [(self.label, 1)]), strict=True)
        return evolve(self, names=names, weights=weights, spare=())

    def describe(self) -> str:
        """Number of retained and of invented categories."""
        return f"{len(self.kept)} categories, and how often each of {len(self.names)} others occurs"


@frozen
class FrequentNumbers(Guard):
    """Retains frequent numbers; every other one becomes the nearest of them.

    Attributes:
        kept: Spelled numbers, ascending; the name is saved in bundles.
    """

    kind: ClassVar[str] = "numbers"
    kept: tuple[str, ...]

    def apply(self, counted: Counted, seed: int, name: str) -> pa.DictionaryArray:
        """Move each number to the nearest retained one."""
        indices = {value: index for index, value in enumerate(self.kept)}
        found = nearest(parse_numbers(counted.values), parse_numbers(list(self.kept)))
        renumbered = [indices.get(value, int(near)) for value, near in zip(counted.values, found, strict=True)]
        return from_codes(self.kept, np.array([*renumbered, -1], dtype=np.int32)[counted.codes])

    def describe(self) -> str:
        """Number of retained numbers."""
        return f"{len(self.kept)} numbers"


@frozen
class NumberRange(Guard):
    """Clips numbers.

    Attributes:
        low: The spelled number that lower ones become.
        high: The spelled number that higher ones become.
    """

    kind: ClassVar[str] = "range"
    low: str
    high: str

    def apply(self, counted: Counted, seed: int, name: str) -> pa.DictionaryArray:
        """Move numbers outside the range to its ends."""
        numbers = parse_numbers(counted.values)
        low, high = parse_numbers([self.low, self.high])
        return _clip(counted, numbers < low, numbers > high, self.low, self.high)

    def describe(self) -> str:
        """The range."""
        return f"range from {self.low} to {self.high}"


@frozen
class DatetimeRange(Guard):
    """Clips dates and times, by whole seconds.

    Attributes:
        low: The spelled date-time that earlier ones become.
        high: The spelled date-time that later ones become.
        format: Format of the column.
    """

    kind: ClassVar[str] = "moments"
    low: str
    high: str
    format: str

    def apply(self, counted: Counted, seed: int, name: str) -> pa.DictionaryArray:
        """Move date-times outside the range to its ends."""
        moments = parse_datetimes(counted.values, self.format).astype("datetime64[s]")
        low, high = parse_datetimes([self.low, self.high], self.format).astype("datetime64[s]")
        return _clip(counted, moments < low, moments > high, self.low, self.high)

    def describe(self) -> str:
        """The range."""
        return f"range from {self.low} to {self.high}"


_KINDS: dict[str, type[Guard]] = {
    guard.kind: guard
    for guard in (AllNull, FrequentCategories, InventedCategories, FrequentNumbers, NumberRange, DatetimeRange)
}


def guard_from_state(state: Mapping[str, Any]) -> Guard:
    """Restore a guard from its ``state()``."""
    return cattrs.structure({key: value for key, value in state.items() if key != "kind"}, _KINDS[state["kind"]])


def _clip(
    counted: Counted, below: npt.NDArray[np.bool_], above: npt.NDArray[np.bool_], low: str, high: str
) -> pa.DictionaryArray:
    inside = np.flatnonzero(~below & ~above)
    values = [counted.values[index] for index in inside]
    indices = {value: index for index, value in enumerate(values)}
    for end in (low, high):
        if indices.setdefault(end, len(values)) == len(values):
            values.append(end)
    renumbered = np.full(len(counted.values) + 1, -1, dtype=np.int32)
    renumbered[inside] = np.arange(len(inside))
    renumbered[:-1][below] = indices[low]
    renumbered[:-1][above] = indices[high]
    return from_codes(values, renumbered[counted.codes])
