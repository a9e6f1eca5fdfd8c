"""Fitting of trend and seasons over time, by cross-validation.

The parts of a curve are selected by cross-validation: time is cut into periods, and each is predicted from all
others. A part is added only if it clearly improves that, so noise of a few rows adds no wave.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from attrs import evolve, field, frozen

from rowsmith_plugins.transforms.seasonal.curve import CALENDAR, Curve, Season, basis, trend_columns

__all__ = ["FEWEST_ROWS", "Fit", "fit_curve"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST_ROWS = 60
_MOST_ROWS = 20_000
"""Rows used to find the parts of a curve."""
_FOLDS = 20
_KNOTS = (2, 3, 4, 6, 8, 11)
_HARMONICS = (1, 2, 3, 4, 6, 8, 12, 18, 24)
_GROWING = (1, 2, 3)
_ROWS_A_COEFFICIENT = 10
_FEWEST_CYCLES = 2.0
_BETTER = 0.01
"""Share by which a part must reduce the error, times the root of the number of columns that it adds."""
_BETTER_CYCLE, _BETTER_PERIOD = 0.05, 0.3
"""Additional share for each new cycle, of the calendar and of any other length: a wave of some length fits almost
any random walk."""
_LEAST_EXPLAINED = 0.25
_ROUNDS = 12
_PERIOD = "period"


@frozen(eq=False)
class Fit:
    """A curve and its goodness of fit.

    Attributes:
        curve: The curve.
        explained: Share of the variance within groups that it explains in held-out periods.
    """

    curve: Curve
    explained: float


@frozen
class _Parts:
    """Parts of a curve: number of knots, and of waves and growing waves of each cycle."""

    knots: int = 0
    waves: Mapping[str, int] = field(factory=dict)
    growing: Mapping[str, int] = field(factory=dict)


def fit_curve(seconds: Floats, values: Floats, groups: Ints, *, calendar: bool, k: int) -> Fit | None:
    """The trend and seasons that groups of rows share, each with its own mean.

    Args:
        seconds: The time of each row, ascending within each group.
        values: Its value.
        groups: The number of its group.
        calendar: Whether times are dates, so years, weeks and days are candidates.
        k: The least number of rows for a coefficient.

    Returns:
        The curve; None if it explains less than a quarter of the variance.
    """
    rows = _sample(len(seconds))
    times, heights, owners = seconds[rows], values[rows], _renumbered(groups[rows])
    origin, length = float(times.min()), float(times.max() - times.min())
    if len(rows) < FEWEST_ROWS or length <= 0:
        return None
    step = _step(seconds, groups)
    cycles = dict(_cycles(length, step, calendar))
    found = _period(seconds, values, groups, step)
    if found is not None and all(abs(found / each - 1) > 0.05 for each in cycles.values()):
        cycles[_PERIOD] = found
    search = _Search(times, heights, owners, origin, length, cycles, step, max(k, _ROWS_A_COEFFICIENT))
    parts = search.best()
    explained = search.explained(parts)
    if explained < _LEAST_EXPLAINED:
        return None
    knots, seasons = search.knots(parts.knots), search.seasons(parts)
    columns = basis(times, origin, length, knots, seasons)
    solution = np.linalg.lstsq(_within(columns, owners), _within(heights[:, None], owners)[:, 0], rcond=None)[0]
    means = columns.mean(axis=0)
    slope = _slope(knots, np.asarray(solution, dtype=np.float64))
    return Fit(Curve(origin, length, knots, seasons, tuple(solution.tolist()), tuple(means.tolist()), slope), explained)


def _slope(knots: tuple[float, ...], solution: Floats) -> float:
    """Rise of a trend from end to end, by its least-squares line."""
    if not knots:
        return 0.0
    scaled = np.linspace(0, 1, 201)
    return float(np.polyfit(scaled, trend_columns(scaled, knots) @ solution[: len(knots) - 1], 1)[0])


class _Search:
    """Scores curves by cross-validation, from the products of all columns within each period."""

    def __init__(
        self,
        times: Floats,
        heights: Floats,
        owners: Ints,
        origin: float,
        length: float,
        cycles: Mapping[str, float],
        step: float,
        rows_a_coefficient: int,
    ) -> None:
        self._times, self._cycles, self._step = times, cycles, step
        self._most = len(times) // rows_a_coefficient
        scaled = (times - origin) / length
        self._scaled = scaled
        self._column_slices: dict[tuple[str, int], slice] = {}
        columns: list[Floats] = []

        def add(name: str, count: int, block: Floats) -> None:
            start = sum(each.shape[1] for each in columns)
            columns.append(block)
            self._column_slices[name, count] = slice(start, start + block.shape[1])

        for count in _KNOTS:
            # Columns of a spline are strongly correlated, so they are made orthogonal.
            add("trend", count, np.linalg.qr(_within(trend_columns(scaled, self.knots(count)), owners))[0])
        for name, seconds in cycles.items():
            most = self._most_harmonics(seconds)
            season = Season(name, seconds, most, min(most, _GROWING[-1]))
            block = season.columns(times, scaled)
            add(name, 0, _within(block[:, : 2 * most], owners))
            add(f"{name} growing", 0, _within(block[:, 2 * most :], owners))
        whole = np.hstack(columns)
        target = _within(heights[:, None], owners)[:, 0]
        order = np.argsort(times, kind="stable")
        stretch = np.empty(len(times), dtype=np.int64)
        stretch[order] = np.arange(len(times)) * _FOLDS // len(times)
        parts = [stretch == number for number in range(_FOLDS)]
        self._products = np.stack([whole[part].T @ whole[part] for part in parts])
        self._with_target = np.stack([whole[part].T @ target[part] for part in parts])
        self._squares = np.array([float(target[part] @ target[part]) for part in parts])

    def knots(self, count: int) -> tuple[float, ...]:
        """Knots that divide the rows evenly."""
        return tuple(np.quantile(self._scaled, np.linspace(0, 1, count)).tolist()) if count else ()

    def seasons(self, parts: _Parts) -> tuple[Season, ...]:
        """The seasons of a curve."""
        return tuple(
            Season(name, self._cycles[name], waves, parts.growing.get(name, 0))
            for name, waves in parts.waves.items()
            if waves
        )

    def best(self) -> _Parts:
        """The curve that explains held-out periods best: parts are added as long as they improve it."""
        parts = _Parts()
        error = self._error(parts)
        for _ in range(_ROUNDS):
            scored = [(self._error(other), self._width(other), other) for other in self._variants(parts)]
            worth = [
                (error - found - error * _required_gain(parts, other, width - self._width(parts)), other, found)
                for found, width, other in scored
            ]
            gain, other, found = max(worth, key=lambda each: each[0], default=(0.0, parts, error))
            if gain <= 0:
                break
            parts, error = other, found
        return parts

    def explained(self, parts: _Parts) -> float:
        """Share of the variance of held-out periods that a curve explains."""
        total = float(self._squares.sum())
        return 1 - self._error(parts) / total if total > 0 else 0.0

    def _variants(self, parts: _Parts) -> Iterator[_Parts]:
        """Curves that differ in one part."""
        found = [evolve(parts, knots=count) for count in (0, *_KNOTS)]
        for name, seconds in self._cycles.items():
            most = self._most_harmonics(seconds)
            counts = sorted({0, *(count for count in _HARMONICS if count <= most)})
            grown = parts.growing.get(name, 0)
            for waves in counts:
                growing = {**parts.growing, name: min(grown, waves)}
                found.append(evolve(parts, waves={**parts.waves, name: waves}, growing=growing))
            for count in (0, *_GROWING):
                if count <= parts.waves.get(name, 0):
                    found.append(evolve(parts, growing={**parts.growing, name: count}))
        return (other for other in found if self._width(other) <= self._most and other != parts)

    def _most_harmonics(self, seconds: float) -> int:
        return max(1, min(_HARMONICS[-1], int(seconds / self._step / 2 + 1e-6)))

    def _columns(self, parts: _Parts) -> Ints:
        chosen = [self._column_indices("trend", parts.knots, None)] if parts.knots else []
        for name, waves in parts.waves.items():
            chosen.append(self._column_indices(name, 0, 2 * waves))
            chosen.append(self._column_indices(f"{name} growing", 0, 2 * parts.growing.get(name, 0)))
        return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)

    def _column_indices(self, name: str, count: int, width: int | None) -> Ints:
        found = self._column_slices[name, count]
        return np.arange(found.start, found.stop if width is None else min(found.stop, found.start + width))

    def _width(self, parts: _Parts) -> int:
        return len(self._columns(parts))

    def _error(self, parts: _Parts) -> float:
        """Squared error over all periods, each predicted from the others."""
        chosen = self._columns(parts)
        if not len(chosen):
            return float(self._squares.sum())
        products = self._products[:, chosen[:, None], chosen]
        targets = self._with_target[:, chosen]
        training = products.sum(axis=0) - products
        ridge = 1e-9 * np.trace(products.sum(axis=0)) / len(chosen) * np.eye(len(chosen))
        weights = np.linalg.solve(training + ridge, (targets.sum(axis=0) - targets)[..., None])[..., 0]
        fitted = np.einsum("si,sij,sj->s", weights, products, weights)
        return float((self._squares - 2 * (weights * targets).sum(axis=1) + fitted).sum())


def _required_gain(parts: _Parts, other: _Parts, more: int) -> float:
    """Share by which a curve with ``more`` additional columns must reduce the error."""
    fresh = [name for name, waves in other.waves.items() if waves and not parts.waves.get(name, 0)]
    cycles = sum(_BETTER_PERIOD if name == _PERIOD else _BETTER_CYCLE for name in fresh)
    return cycles + _BETTER * math.sqrt(max(1, more))


def _sample(count: int) -> Ints:
    """All rows, or a random sample of many: a regular sample would hide cycles."""
    if count <= _MOST_ROWS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, _MOST_ROWS, replace=False))


def _renumbered(groups: Ints) -> Ints:
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _within(columns: Floats, groups: Ints) -> Floats:
    """Columns minus the mean of each group."""
    counts = np.bincount(groups).astype(np.float64)
    means = np.stack([np.bincount(groups, weights=column) / counts for column in columns.T], axis=1)
    return np.asarray(columns - means[groups])


def _step(seconds: Floats, groups: Ints) -> float:
    """The usual step from row to row of a group, in seconds."""
    steps = np.diff(seconds)[np.diff(groups) == 0]
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else np.inf


def _cycles(length: float, step: float, calendar: bool) -> Iterator[tuple[str, float]]:
    """Calendar cycles that the data covers often enough, and finely enough."""
    for name, seconds in CALENDAR.items() if calendar else ():
        if length >= _FEWEST_CYCLES * seconds and step * 2 <= seconds * 1.0001:
            yield name, seconds


def _period(seconds: Floats, values: Floats, groups: Ints, step: float) -> float | None:
    """The length of the strongest cycle in the longest group, in seconds; None without one."""
    sizes = np.bincount(groups)
    rows = groups == sizes.argmax()
    times, heights = seconds[rows], values[rows]
    if len(times) < FEWEST_ROWS or not np.isfinite(step):
        return None
    count = min(int((times[-1] - times[0]) / step) + 1, 1 << 20)
    even = np.interp(times[0] + step * np.arange(count), times, heights)
    scaled = np.linspace(0, 1, count)
    smooth = trend_columns(scaled, tuple(np.linspace(0, 1, _KNOTS[-2]).tolist()))
    smooth = np.hstack([np.ones((count, 1)), smooth])
    left = even - smooth @ np.linalg.lstsq(smooth, even, rcond=None)[0]
    # Padding with zeros gives frequencies in between; cycles longer than a fifth of the time are part of the trend.
    power = np.abs(np.fft.rfft(left * np.hanning(count), 8 * count)) ** 2
    first, last = 8 * 5, 8 * count // 3
    if last <= first:
        return None
    peak = first + int(power[first:last].argmax())
    return float(8 * count / peak * step) if first < peak < last - 1 else None
