"""The marginals of all columns of a record, apart for the first record of a group, which holds other values."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from rowsmith.table.schema import ModelColumn
from rowsmith_plugins.evaluations.marginal_code import MarginalCode
from rowsmith_plugins.evaluations.record_lines import RecordLine

__all__ = ["Marginals"]


@frozen(eq=False)
class Marginals:
    """The marginal of each column of the training table.

    Attributes:
        first: Those of independent records, and of the first records of groups.
        later: Those of the other records of groups: there, columns of the whole group are null.
    """

    first: tuple[MarginalCode, ...]
    later: tuple[MarginalCode, ...]

    @classmethod
    def of(cls, columns: Sequence[ModelColumn], lines: Sequence[RecordLine]) -> Marginals:
        """Learn them.

        Args:
            columns: The columns of a record.
            lines: Records of the training table, at least one.
        """
        parts = ([line for line in lines if not line.position], [line for line in lines if line.position])
        # Where all sampled records are of one kind, the other kind is coded by the same values.
        first, later = (
            tuple(
                MarginalCode.of(column, [line.value(index) for line in part or lines])
                for index, column in enumerate(columns)
            )
            for part in parts
        )
        return cls(first, later)

    def at(self, line: RecordLine) -> tuple[MarginalCode, ...]:
        """The marginals of records like one."""
        return self.later if line.position else self.first

    def bits(self, line: RecordLine, start: int = 0, *, own: bool = False) -> float:
        """Code length of a record.

        Args:
            line: The record.
            start: The first column that counts.
            own: Whether the marginals were learned from it too; it is coded as if they were not.
        """
        codes = enumerate(self.at(line))
        return sum(code.bits(line.value(index), own=own) for index, code in codes if index >= start)
