"""Distances of distributions of synthetic and real groups, with interval and ceiling."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from rowsmith.evaluation import Direction, Measure, Part
from rowsmith_plugins.evaluations.sequences.jackknife import Estimate, cumulative, excess, jackknife

__all__ = ["compared", "cuts_of", "difference", "mean_measure", "total_variation"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CUTS = 21
_Z = 1.959964


def cuts_of(values: Floats) -> Floats:
    """Quantiles of real numbers, each once; the bin of a number is how many of them are below it."""
    known = values[np.isfinite(values)]
    return np.unique(np.quantile(known, np.linspace(0, 1, _CUTS), method="lower")) if len(known) else np.zeros(1)


def _shares(counts: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(counts / counts.sum(axis=-1, keepdims=True), dtype=np.float64)


def compared(
    name: str,
    counts: Mapping[Part, Floats],
    sizes: Mapping[str, int],
    *,
    ordered: bool,
    least: float,
    sampled: bool,
    columns: tuple[str, ...] = (),
) -> tuple[Measure, float]:
    """Compare counts of bins.

    Args:
        name: Of the measure.
        counts: Of each part, ``[blocks, bins]``.
        sizes: Rows or groups of each part.
        ordered: Whether bins are in order: then the distance is Kolmogorov's and Smirnov's, else total variation.
        least: A distance that matters.
        sampled: Whether rows were left out.
        columns: What the measure is about.

    Returns:
        1 less the distance; and how many times it is beyond what may be, as ``excess`` says it.
    """
    if any(not counts[part].sum() for part in (Part.REAL, Part.SYNTHETIC)):
        return _unknown(name, columns), 0.0
    real = counts[Part.REAL].sum(axis=0)
    apart = _greatest if ordered else total_variation
    value = jackknife(counts[Part.SYNTHETIC], lambda sums: 1 - apart(sums, real))
    other = jackknife(counts[Part.REAL], lambda sums: 1 - apart(counts[Part.SYNTHETIC].sum(axis=0), sums))
    error = float(np.hypot(value.error, other.error)[0])
    held = counts.get(Part.HOLDOUT)
    statistic = cumulative if ordered else _shares
    mine, theirs = (jackknife(counts[part], statistic) for part in (Part.SYNTHETIC, Part.REAL))
    beyond, _ = excess(mine, theirs, least)
    if not ordered:
        beyond = max(beyond, _beyond_noise(mine, theirs, 2 * least))
    measure = Measure(
        name=name,
        value=value.number,
        interval=(max(value.number - _Z * error, 0.0), min(value.number + _Z * error, 1.0))
        if np.isfinite(error)
        else None,
        ceiling=float(1 - apart(held.sum(axis=0), real)[0]) if held is not None and held.sum() else None,
        sizes=dict(sizes),
        sampled=sampled,
        columns=columns,
    )
    return measure, beyond


def difference(
    name: str,
    estimates: Mapping[Part, Estimate],
    sizes: Mapping[str, int],
    *,
    sampled: bool,
    columns: tuple[str, ...] = (),
    most: float = 1.0,
) -> Measure:
    """The difference of one number of synthetic and real groups, such as a share."""
    made, real = estimates[Part.SYNTHETIC], estimates[Part.REAL]
    apart, error = abs(made.number - real.number), float(np.hypot(made.error, real.error).reshape(-1)[0])
    if not np.isfinite(apart):
        return _unknown(name, columns)
    held = estimates.get(Part.HOLDOUT)
    return Measure(
        name=name,
        value=apart,
        direction=Direction.LOWER,
        range=(0.0, most),
        interval=(max(apart - _Z * error, 0.0), min(apart + _Z * error, most)) if np.isfinite(error) else None,
        ceiling=abs(held.number - real.number) if held is not None and np.isfinite(held.number) else None,
        sizes=dict(sizes),
        sampled=sampled,
        columns=columns,
    )


def mean_measure(name: str, parts: list[Measure], reason: str) -> Measure:
    """The mean of measures of columns, which are its parts."""
    known = [part for part in parts if part.value is not None]
    if not known:
        return Measure(name=name, value=None, applies=bool(parts), reason=reason)
    value = float(np.mean([part.value for part in known if part.value is not None]))
    # Columns depend on each other, so that errors do not shrink with their number.
    away = [
        (part.interval[0] - part.value, part.interval[1] - part.value)
        for part in known
        if part.interval is not None and part.value is not None
    ]
    ceilings = [part.ceiling for part in known if part.ceiling is not None]
    first = known[0]
    low, high = np.mean(away, axis=0).tolist() if away else (0.0, 0.0)
    return Measure(
        name=name,
        value=value,
        direction=first.direction,
        range=first.range,
        interval=(max(value + low, first.range[0]), min(value + high, first.range[1])) if away else None,
        ceiling=float(np.mean(ceilings)) if len(ceilings) == len(known) else None,
        sizes=first.sizes,
        sampled=any(part.sampled for part in known),
        parts=tuple(parts),
    )


def _greatest(made: Floats, real: Floats) -> Floats:
    return np.asarray(np.abs(cumulative(made) - cumulative(real)).max(axis=-1, keepdims=True), dtype=np.float64)


def total_variation(made: Floats, real: Floats) -> Floats:
    """Half the sum of the differences of shares."""
    return np.asarray(np.abs(_shares(made) - _shares(real)).sum(axis=-1, keepdims=True) / 2, dtype=np.float64)


def _beyond_noise(made: Estimate, real: Estimate, least: float) -> float:
    """The total variation beyond that of chance, ``sqrt(2/π)`` errors a bin, by what matters."""
    errors = np.hypot(made.error, real.error)
    if not np.isfinite(errors).all():
        return 0.0
    chance = np.sqrt(2 / np.pi) * float(errors.sum()) / 2
    return float((np.abs(made.value - real.value).sum() / 2 - 1.5 * chance) / least)


def _unknown(name: str, columns: tuple[str, ...]) -> Measure:
    return Measure(name=name, value=None, columns=columns, reason="no group has two rows with known values")
