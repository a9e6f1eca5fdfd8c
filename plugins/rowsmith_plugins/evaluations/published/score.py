"""A score with its parts: a part of 0 counts as 0, and a missing part leaves no score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rowsmith.evaluation import Measure

__all__ = ["MOST_ROWS", "part", "weighted"]

MOST_ROWS = 5_000
"""Rows of each part that the published report looks at."""

_RANGE = (0.0, 10.0)


def part(name: str, value: float | None, ceiling: float | None = None, reason: str = "") -> Measure:
    """A part from 0 to 10."""
    return Measure(name=name, value=value, ceiling=ceiling, range=_RANGE, reason=reason)


def weighted(
    name: str, parts: Sequence[Measure], weights: Sequence[float], sizes: Mapping[str, int], *, sampled: bool
) -> Measure:
    """The weighted mean of parts from 0 to 10; without a value where one of them has none.

    The published code leaves out parts that are missing or 0, so that a worse table can have a better score.

    Args:
        name: The score.
        parts: Its parts.
        weights: The weight of each.
        sizes: Rows that were used.
        sampled: Whether there are more rows.
    """
    missing = next((each for each in parts if each.value is None), None)
    return Measure(
        name=name,
        value=_mean([each.value for each in parts], weights),
        ceiling=_mean([each.ceiling for each in parts], weights),
        range=_RANGE,
        sizes=sizes,
        sampled=sampled,
        reason="" if missing is None else f"{missing.name}: {missing.reason}",
        parts=tuple(parts),
    )


def _mean(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    mean = sum(value * weight for value, weight in zip(known, weights, strict=True)) / sum(weights)
    return min(mean, _RANGE[1])  # rounding
