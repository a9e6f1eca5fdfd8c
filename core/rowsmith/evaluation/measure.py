"""Results of an evaluation: measures, and findings that name what is wrong."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

__all__ = ["Direction", "Evaluated", "EvaluationKind", "Finding", "Measure", "Severity"]


class Direction(enum.StrEnum):
    """Which values of a measure are better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Severity(enum.StrEnum):
    """Weight of a finding; warnings fail a strict run."""

    NOTE = "note"
    WARNING = "warning"


class EvaluationKind(enum.StrEnum):
    """Question that an evaluation answers."""

    FIDELITY = "fidelity"
    UTILITY = "utility"
    SEQUENCES = "sequences"
    PRIVACY = "privacy"
    MODEL = "model"


def _check_range(instance: Measure, attribute: Any, value: tuple[float, float]) -> None:
    low, high = value
    if not low < high:
        raise ValueError(f"measure {instance.name!r}: its range {value} is empty")


@frozen(kw_only=True)
class Measure:
    """One number about a synthetic table.

    Attributes:
        name: Words in lower case joined by '-', such as ``column-shapes``.
        value: The number; None where it could not be computed, which ``reason`` explains.
        direction: Which values are better.
        range: Its lowest and highest possible value; either may be infinite.
        best: The value of a perfect table, if that is no end of the range: half for a classifier that can only guess.
        interval: A 95 % confidence interval; None where none is known.
        ceiling: The same measure of real held-out rows in place of the synthetic ones; None without holdout.
        sizes: Rows that were used, by part: ``real``, ``synthetic``, ``holdout``.
        sampled: Whether that is fewer rows, columns or pairs than there are.
        columns: The columns that it is about; empty for the whole table.
        applies: Whether a table of this shape can have a value: of a single column there are no pairs.
        reason: Why there is no value, or what it leaves out.
        parts: The measures that it combines, such as one for each column.
    """

    name: str
    value: float | None
    direction: Direction = Direction.HIGHER
    range: tuple[float, float] = field(default=(0.0, 1.0), validator=_check_range)
    best: float | None = None
    interval: tuple[float, float] | None = None
    ceiling: float | None = None
    sizes: Mapping[str, int] = field(factory=dict)
    sampled: bool = False
    columns: tuple[str, ...] = ()
    applies: bool = True
    reason: str = ""
    parts: tuple[Measure, ...] = ()

    def better_than(self, other: float) -> bool:
        """Whether the value is better than a number; False without a value or a direction."""
        if self.value is None or self.direction is Direction.NEITHER:
            return False
        return self.value > other if self.direction is Direction.HIGHER else self.value < other


@frozen(kw_only=True)
class Finding:
    """Something about a synthetic table that a user should know.

    Attributes:
        defect: What it is, in words joined by '-', such as ``tails-cut``.
        message: A sentence with figures that names columns but no value of a small group of rows.
        severity: Whether it is a defect beyond its threshold.
        columns: The columns that it is about.
        share: The share of rows that it concerns; 0 where that has no meaning.
        excess: How many times its threshold it is; findings are listed by it, largest first.
    """

    defect: str
    message: str
    severity: Severity = Severity.WARNING
    columns: tuple[str, ...] = ()
    share: float = 0.0
    excess: float = 1.0


@frozen(kw_only=True)
class Evaluated:
    """Outcome of one evaluation.

    Attributes:
        measures: Its measures; the first one represents the evaluation in summaries.
        findings: What is wrong.
        details: Further values for the report, such as matrices; JSON values.
    """

    measures: tuple[Measure, ...]
    findings: tuple[Finding, ...] = ()
    details: Mapping[str, Any] = field(factory=dict)
