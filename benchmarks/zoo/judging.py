"""The verdict on a synthetic table: which invariants do not hold, and which of those were told."""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

import pandas as pd
from attrs import evolve, field, frozen

from benchmarks.zoo import invariants
from benchmarks.zoo.invariants import Fault
from benchmarks.zoo.kinds import (
    Kind,
    counts_rows,
    kind_of,
    marks_of,
    names_identifiers,
    numbers_of,
    numbers_rows,
    read_numbers,
)

_OUTLINE = "in outline only"
_FEWEST = 20
"""Fewer values than this say nothing of a distribution."""


class Verdict(enum.StrEnum):
    """How a table came back.

    ``RIGHT``: every invariant holds. ``TOLD``: some do not, and the run said so of each. ``REFUSED``: the run
    ended with a typed error. ``SILENT``: an invariant does not hold, and nothing was said. ``CRASHED``: the run
    ended with an exception that is none of its own, or the process did. ``TIMEOUT``: it did not end in time.
    """

    RIGHT = enum.auto()
    TOLD = enum.auto()
    REFUSED = enum.auto()
    SILENT = enum.auto()
    CRASHED = enum.auto()
    TIMEOUT = enum.auto()


@frozen(kw_only=True)
class Told:
    """What a run said of what it changed.

    Attributes:
        changed: The share of rows that it says were changed, by column.
        notes: Its notes and warnings.
        keys: The columns whose values it makes anew.
        short: Whether it said that there are fewer rows than were asked for.
        invented: The columns in which it says that it puts invented labels for rare ones.
    """

    changed: Mapping[str, float] = field(factory=dict)
    notes: tuple[str, ...] = ()
    keys: Collection[str] = ()
    short: bool = False
    invented: Collection[str] = ()

    @property
    def in_outline(self) -> bool:
        """Whether it said that there was no time for more than an outline."""
        return any(_OUTLINE in note for note in self.notes)

    def covers(self, fault: Fault) -> bool:
        """Whether what was said explains a fault: the share of rows that was named is as large."""
        if fault.invariant == "rows":
            return self.short
        if fault.column in self.keys and fault.invariant in invariants.OF_QUANTITY:
            # A note names the column, says that it is not learned, and how it would be.
            return True
        if self.in_outline and fault.invariant in invariants.OF_OUTLINE:
            return True
        share = max([self.changed.get(fault.column, 0.0), *(share_noted(fault.column, note) for note in self.notes)])
        return share > 0 and share >= fault.share - invariants.SHARE_TOLERANCE


def share_noted(column: str, note: str) -> float:
    """The share of rows that a note gives for a column: the percentage after its name, 0 where there is none."""
    found = re.search(rf"(?<!\w){re.escape(column)}(?!\w)[^%]{{0,80}}?([0-9.]+)\s?%", note) if column else None
    return float(found[1]) / 100 if found else 0.0


def faults(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    rows: int,
    *,
    keys: Collection[str] = (),
    invented: Collection[str] = (),
    dtypes: bool = True,
) -> Iterator[Fault]:
    """All invariants that do not hold.

    Args:
        real: The table that was learned.
        synthetic: The rows that were made.
        rows: How many were asked for.
        keys: Columns whose values are made anew.
        invented: Columns in which invented labels stand for rare ones.
        dtypes: Whether both tables have dtypes of their own, not those of the values in a file.
    """
    if list(real.columns) != list(synthetic.columns):
        yield Fault("columns", "", f"{list(real.columns)} became {list(synthetic.columns)}")
        return
    if len(synthetic) != rows:
        yield Fault("rows", "", f"{len(synthetic):,} rows in place of {rows:,}", 1 - len(synthetic) / rows)
    if not len(synthetic):
        return
    for place, name in enumerate(real.columns):
        one, two = real[name], synthetic[name]
        wrong = list(_type_faults(name, one, two, dtypes))
        yield from wrong
        if not wrong:
            number = place == 0 and name == "" and numbers_rows(one)
            if number:
                yield from _row_number_faults(name, one, two)
            else:
                yield from column_faults(name, one, two, name in keys, name in invented)


def column_faults(
    name: str, real: pd.Series, synthetic: pd.Series, key: bool = False, invented: bool = False
) -> Iterator[Fault]:
    """The invariants of one column that do not hold.

    Args:
        name: The column.
        real: Its real values.
        synthetic: Its synthetic values.
        key: Whether it is said to be a key.
        invented: Whether invented labels are said to stand for rare ones.
    """
    yield from invariants.nulls(name, real, synthetic)
    known = float(real.notna().mean())
    for fault in _value_faults(name, real, synthetic, key, invented):
        yield evolve(fault, share=fault.share * known)


def _value_faults(name: str, real: pd.Series, synthetic: pd.Series, key: bool, invented: bool) -> Iterator[Fault]:
    """Faults of what is not missing, with shares of it."""
    one, two = real.dropna(), synthetic.dropna()
    if not len(one) or not len(two):
        return
    if key:
        yield from invariants.keys(name, one, two)
        # Measures that differ in every row are no identifiers: their distribution matters to whoever uses them.
        if names_identifiers(name) or counts_rows(one) or not pd.api.types.is_numeric_dtype(real):
            return
    wrong = list(invariants.constant(name, one, two))
    yield from wrong
    if wrong:
        return
    kind = kind_of(real)
    if invented and kind in (Kind.LABELS, Kind.TEXT):
        yield from invariants.invented(name, one, two)
    elif kind is Kind.NUMBERS:
        yield from _number_faults(name, real, synthetic)
    elif kind is Kind.LABELS:
        yield from invariants.labels(name, one, two)
    elif kind is Kind.TEXT:
        yield from invariants.text(name, one, two)


def verdict(found: Iterable[Fault], told: Told) -> tuple[Verdict, list[Fault], list[Fault]]:
    """The verdict on a table that came back, the faults that were not told, and those that were."""
    silent, explained = [], []
    for fault in found:
        (explained if told.covers(fault) else silent).append(fault)
    return (Verdict.SILENT if silent else Verdict.TOLD if explained else Verdict.RIGHT), silent, explained


def _row_number_faults(name: str, real: pd.Series, synthetic: pd.Series) -> Iterator[Fault]:
    yield from invariants.row_numbers(name, real, synthetic)


def _number_faults(name: str, real: pd.Series, synthetic: pd.Series) -> Iterator[Fault]:
    found = [numbers_of(real, each) for each in (real, synthetic)]
    assert found[0] is not None and found[1] is not None
    if not pd.api.types.is_numeric_dtype(real):
        yield from _mark_faults(name, real, synthetic)
    one, two = (each.dropna().to_numpy(dtype=float) for each in found)
    if min(len(one), len(two)) < _FEWEST:
        return
    for invariant in (invariants.shape, invariants.spread, invariants.ends, invariants.digits):
        yield from invariant(name, one, two)


def _mark_faults(name: str, real: pd.Series, synthetic: pd.Series) -> Iterator[Fault]:
    """Of labels among numbers; moments have none."""
    if read_numbers(real.dropna()).isna().mean() > 0.5:
        return
    one, two = (marks_of(each).where(each.notna(), None) for each in (real, synthetic))
    known = [each.fillna("a number")[source.notna()] for each, source in ((one, real), (two, synthetic))]
    yield from invariants.labels(name, *known)


def _type_faults(name: str, real: pd.Series, synthetic: pd.Series, dtypes: bool) -> Iterator[Fault]:
    if dtypes and real.dtype != synthetic.dtype:
        yield Fault("dtypes", name, f"{real.dtype} became {synthetic.dtype}")
    elif not dtypes and pd.api.types.is_numeric_dtype(real) and real.notna().any():
        strange = synthetic.dropna()[read_numbers(synthetic.dropna()).isna()]
        if len(strange):
            share = len(strange) / len(synthetic)
            yield Fault("dtypes", name, f"{strange.iloc[0]!r} among numbers, {share:.1%} of rows", share)
