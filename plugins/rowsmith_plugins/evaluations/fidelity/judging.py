"""From a distance and what is allowed to a finding; what protection changed is allowed as a note."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from rowsmith.evaluation import EvaluationTables, Finding, Measure, Part, Severity

__all__ = ["alone", "compared_parts", "judged", "mean_of", "sizes_of"]

_SMALLEST = 1e-9


def judged(
    tables: EvaluationTables,
    defect: str,
    columns: tuple[str, ...],
    message: str,
    *,
    found: float,
    allowed: float,
    share: float = 0.0,
) -> Finding | None:
    """A finding where a distance is beyond what is allowed.

    Args:
        tables: What they say of protection: up to the share of rows that it changed, the finding is a note.
        defect: What it is, in words joined by '-'.
        columns: The columns that it is about.
        message: A sentence without its full stop.
        found: The distance, from 0 to 1.
        allowed: What chance and a model with little time may come to.
        share: The share of rows that it concerns.
    """
    if not found > allowed:
        return None
    changed = max((tables.changed.get(name, 0.0) for name in columns), default=0.0)
    expected = found <= allowed + changed
    return Finding(
        defect=defect,
        message=f"{message}; protection changed {changed:.1%} of the training rows here." if changed else f"{message}.",
        severity=Severity.NOTE if expected else Severity.WARNING,
        columns=columns,
        share=min(1.0, max(0.0, share)),
        excess=found / max(allowed, _SMALLEST),
    )


def alone(tables: EvaluationTables) -> EvaluationTables:
    """The tables without the columns that group rows, and without the time of a series.

    Those are regenerated, and evaluations of sequences compare them.
    """
    left_out = {*tables.group_by, *([tables.time_column] if tables.time_column else [])}
    return evolve(tables, columns=tuple(column for column in tables.columns if column.name not in left_out))


def sizes_of(tables: EvaluationTables) -> dict[str, int]:
    """Rows of each part as a measure reports them."""
    return {part.value: size for part, size in tables.sizes.items()}


def mean_of(
    name: str, parts: Iterable[Measure], tables: EvaluationTables, *, sampled: bool = False, reason: str = ""
) -> Measure:
    """The mean of measures of columns or relations.

    Its interval is the mean of theirs, as if they all erred together: too wide rather than too narrow.

    Args:
        name: The mean's name.
        parts: The measures.
        tables: Where the rows are from.
        sampled: Whether there are more columns, relations or rows than were compared.
        reason: Why there may be no value.

    Returns:
        The mean; without any part it does not apply to the table.
    """
    parts = tuple(parts)
    known = [part for part in parts if part.value is not None]
    if not known:
        reason = reason or "no column has the kind that it compares"
        sizes = sizes_of(tables)
        return Measure(name=name, value=None, sizes=sizes, sampled=sampled, applies=bool(parts), reason=reason)
    intervals = [part.interval for part in known if part.interval is not None]
    ceilings = [part.ceiling for part in known if part.ceiling is not None]
    return Measure(
        name=name,
        value=sum(part.value or 0.0 for part in known) / len(known),
        interval=tuple(sum(each[end] for each in intervals) / len(intervals) for end in (0, 1)) if intervals else None,  # type: ignore[arg-type]
        ceiling=sum(ceilings) / len(ceilings) if ceilings and tables.has_holdout else None,
        sizes=sizes_of(tables),
        sampled=sampled,
        parts=tuple(sorted(known, key=lambda part: part.value or 0.0)),
    )


def compared_parts(tables: EvaluationTables) -> tuple[Part, ...]:
    """The parts that are held against the real rows."""
    return (Part.SYNTHETIC, Part.HOLDOUT) if tables.has_holdout else (Part.SYNTHETIC,)
