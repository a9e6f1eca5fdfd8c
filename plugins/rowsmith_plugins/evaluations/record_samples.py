"""Samples of tables as records: independent rows, or groups that are arranged as they were for training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from attrs import frozen

from rowsmith.config import RunConfig
from rowsmith.errors import EvaluationError
from rowsmith.model import Bundle
from rowsmith.randomness.seeds import Seeds
from rowsmith.sequences import Arranged, arrange, prepare_series
from rowsmith.table.table import Table
from rowsmith_plugins.evaluations.record_lines import RecordLine, check_columns, group_lines, record_lines

__all__ = ["ROWS_PER_UNIT", "Sample", "Source", "chance_of", "is_grouped"]

ROWS_PER_UNIT = 20
"""The most rows of a sample of whole groups, for each of the rows that the options allow."""
_PARTS = 10
"""Records of at least so many groups are sampled, if there are as many."""


@frozen(eq=False)
class Sample:
    """Rows of a table as records.

    Attributes:
        units: The independent records, or those of each group; not empty.
        lost: Number of rows, or groups, that no record of the model can hold.
        table: The table that ``RecordLine.row`` counts in.
    """

    units: tuple[tuple[RecordLine, ...], ...]
    lost: int
    table: Table

    @property
    def lines(self) -> list[RecordLine]:
        """All records, unit by unit."""
        return [line for unit in self.units for line in unit]

    @property
    def sizes(self) -> list[int]:
        """Number of records of each unit."""
        return [len(unit) for unit in self.units]


@frozen(eq=False)
class Source:
    """A table that samples are drawn from.

    Attributes:
        bundle: The trained model.
        table: The table; of groups, arranged.
        arranged: Its groups; None for independent rows.
    """

    bundle: Bundle
    table: Table
    arranged: Arranged | None = None

    @classmethod
    def of(cls, bundle: Bundle, table: Table, config: RunConfig | None) -> Source:
        """A table as the model learned its kind.

        Args:
            bundle: The trained model.
            table: Rows with the columns of the table it was trained on.
            config: The configuration of the training, which says which rows form a group and what orders them.

        Raises:
            EvaluationError: The model writes groups, and the configuration names none; or the columns are others.
        """
        if not is_grouped(bundle):
            return cls(bundle, table)
        if config is None or not config.grouped:
            raise EvaluationError(
                "the model writes groups of records, and no configuration says which rows form a group; evaluate its "
                "run directory, whose plan has the configuration"
            )
        check_columns(bundle, table)
        if config.time_series.is_timeseries:
            prepared = prepare_series(table, config)
            table, config = prepared.table, prepared.config
        arranged = arrange(table, config)
        return cls(bundle, arranged.table, arranged)

    @property
    def count(self) -> int:
        """Number of independent rows, or of groups."""
        return len(self.table) if self.arranged is None else self.arranged.num_groups

    def units(self, most: int, chance: np.random.Generator) -> Sample:
        """Independent rows, or whole groups, drawn without repetition.

        Args:
            most: The most rows or groups; of groups also no more than so many rows twenty times over, except the first.
            chance: Draws them.
        """
        if self.arranged is None:
            return self._rows(most, chance)
        sizes = np.bincount(self.arranged.groups)
        order = chance.permutation(len(sizes)) if len(sizes) > 1 else np.zeros(1, dtype=np.int64)
        few = np.cumsum(sizes[order]) <= most * ROWS_PER_UNIT
        few[:1] = True
        return self._groups(order[few][:most])

    def records(self, most: int, chance: np.random.Generator) -> Sample:
        """Independent rows, or consecutive records of groups drawn without repetition.

        Args:
            most: The most records. No group has more than a tenth of them, or its share where groups are fewer.
            chance: Draws them.
        """
        if self.arranged is None:
            return self._rows(most, chance)
        sizes = np.bincount(self.arranged.groups)
        share = math.ceil(most / min(len(sizes), _PARTS))
        order = chance.permutation(len(sizes))
        before = np.cumsum(np.minimum(sizes[order], share)) - np.minimum(sizes[order], share)
        sample = self._groups(order[before < most])
        units, left = [], most
        for unit in sample.units:
            count = min(len(unit), share, left)
            start = int(chance.integers(len(unit) - count + 1))
            units.append(unit[start : start + count])
            left -= count
        return Sample(tuple(unit for unit in units if unit), sample.lost, sample.table)

    def _rows(self, most: int, chance: np.random.Generator) -> Sample:
        table = self.table
        if len(table) > most:
            table = table.take(np.sort(chance.choice(len(table), most, replace=False)))
        lines, lost = record_lines(self.bundle, table)
        return Sample(tuple((line,) for line in lines), lost, table)

    def _groups(self, chosen: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.int64]]) -> Sample:
        assert self.arranged is not None
        taken = self.arranged.take(np.flatnonzero(np.isin(self.arranged.groups, chosen)))
        units, lost = group_lines(self.bundle, taken)
        return Sample(tuple(units), lost, taken.table)


def is_grouped(bundle: Bundle) -> bool:
    """Whether the model writes groups of records, or series."""
    return bundle.model_schema.step is not None or bundle.series is not None


def chance_of(seed: int, stage: str) -> np.random.Generator:
    """The generator that draws a sample."""
    return Seeds(seed).generator(f"evaluation.{stage}")
