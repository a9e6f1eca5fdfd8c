"""Groups of records that belong together: the target of a job, and how whole groups are counted."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.generation.processors import ParsedResponse

__all__ = ["Target", "group_sizes", "num_failed_groups", "owners", "sizes_without"]

Ints = npt.NDArray[np.int64]


@frozen(kw_only=True)
class Target:
    """What a job is to make.

    Attributes:
        num_records: Valid records wanted; None for no such target.
        num_groups: Valid groups wanted, whatever their records; None for no such target.
        grouped: Whether the result has whole groups.
    """

    num_records: int | None = None
    num_groups: int | None = None
    grouped: bool = False

    @property
    def wanted(self) -> int | None:
        """How many groups, or records where no number of groups is wanted; None for any number."""
        return self.num_records if self.num_groups is None else self.num_groups

    def made(self, num_records: int, num_groups: int) -> int:
        """How much of what is wanted there is."""
        return num_records if self.num_groups is None else num_groups

    def met(self, num_records: int, num_groups: int) -> bool:
        """Whether something is wanted and there is as much."""
        return self.wanted is not None and self.made(num_records, num_groups) >= self.wanted

    def rows_within(self, sizes: Ints, most: int | None) -> int | None:
        """How many of a job's rows are its result.

        Args:
            sizes: Rows of each group, in order: int64[groups].
            most: The most rows; None for all. A group that reaches it is not cut.

        Returns:
            A number of rows from the first; None for all of them.
        """
        if not self.grouped:
            return most
        bounds = np.append(0, np.cumsum(sizes))
        groups = len(sizes) if most is None else int(np.searchsorted(bounds, most))
        return int(bounds[min(groups, len(sizes) if self.num_groups is None else self.num_groups, len(sizes))])


def group_sizes(response: ParsedResponse) -> list[int]:
    """Records of each valid group; all of them are one group where the processor reports none."""
    count = len(response.valid_records)
    return ([count] if count else []) if response.group_sizes is None else response.group_sizes


def num_failed_groups(response: ParsedResponse) -> int:
    """Groups that failed; a completion without a valid record is one where the processor reports none."""
    return int(not response.valid_records) if response.group_sizes is None else response.num_invalid_groups


def owners(sizes: Ints, records: Collection[int]) -> Ints:
    """The group of each of some records.

    Args:
        sizes: Records of each group, in order: int64[groups].
        records: Their positions among all records.
    """
    return np.searchsorted(np.cumsum(sizes), np.array(list(records), dtype=np.int64), side="right")


def sizes_without(sizes: Ints, rejected: Collection[int]) -> Ints:
    """What is left of groups, those that have lost every record left out: int64[groups].

    Args:
        sizes: Records of each group, in order: int64[groups].
        rejected: Positions of the rejected records among all records.
    """
    left = sizes - np.bincount(owners(sizes, rejected), minlength=len(sizes))
    return left[left > 0]
