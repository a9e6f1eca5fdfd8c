"""A smooth trend and repeating seasons as one curve over time.

The trend is a natural cubic spline; beyond its outer knots it continues with its overall slope. A season is a sum
of sines and cosines of a cycle: a calendar year, week or day, or any number of seconds. Its amplitude may
grow or shrink steadily.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

__all__ = ["CALENDAR", "Curve", "Season", "trend_columns"]

Floats = npt.NDArray[np.float64]

CALENDAR = {"day": 86_400.0, "week": 604_800.0, "year": 31_556_952.0}
"""Cycles of the calendar and their length in seconds, a year is an average one."""

_BLOCK = 1 << 15
_FARTHEST = 1.0
"""How far the trend continues beyond its ends, as a share of its length; after that it is constant."""


@frozen
class Season:
    """A season: the harmonics of one cycle.

    Attributes:
        cycle: ``day``, ``week`` or ``year``; ``period`` for any other.
        seconds: The length of a cycle of the last kind.
        harmonics: Number of harmonics, each a sine and a cosine.
        growing: How many of them grow or shrink with time.
    """

    cycle: str
    seconds: float
    harmonics: int
    growing: int = 0

    @property
    def width(self) -> int:
        """Columns of its basis."""
        return 2 * (self.harmonics + self.growing)

    def columns(self, seconds: Floats, scaled: Floats) -> Floats:
        """Its basis.

        Args:
            seconds: Times since 1970, or in the seconds of the table.
            scaled: The same from 0 to 1 over the range of the curve.

        Returns:
            ``[rows, width]``.
        """
        angle = 2 * np.pi * self._phase(seconds)[:, None] * np.arange(1, self.harmonics + 1)
        waves = np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(len(seconds), -1)
        grown = waves[:, : 2 * self.growing] * (scaled[:, None] - 0.5)
        return np.hstack([waves, grown])

    def _phase(self, seconds: Floats) -> Floats:
        """Phase within the cycle, from 0 to 1."""
        if self.cycle != "year":
            length = CALENDAR.get(self.cycle, self.seconds)
            return np.asarray(seconds % length / length)
        days = np.floor(seconds / 86_400).astype(np.int64).astype("datetime64[D]")
        years = days.astype("datetime64[Y]")
        begins = (years, years + np.timedelta64(1, "Y"))
        first, after = (begin.astype("datetime64[D]").astype(np.int64) for begin in begins)
        return np.asarray((seconds / 86_400 - first) / (after - first))


@frozen
class Curve:
    """A trend and seasons.

    Attributes:
        origin: Its start, in seconds.
        length: Its length in seconds, above 0.
        knots: The knots of the trend, from 0 to 1 over its length; none for no trend.
        seasons: The seasons.
        coefficients: One for each column of the basis: those of the trend, then those of each season.
        means: The mean that is subtracted from each column.
        slope: Overall rise of the trend over its length, which continues beyond its ends.
    """

    origin: float
    length: float
    knots: tuple[float, ...]
    seasons: tuple[Season, ...]
    coefficients: tuple[float, ...] = field(repr=False)
    means: tuple[float, ...] = field(repr=False)
    slope: float = 0.0

    def at(self, seconds: Floats) -> Floats:
        """The value of the curve at some times; its mean over the training rows is 0."""
        parts = [self._at(seconds[start : start + _BLOCK]) for start in range(0, len(seconds), _BLOCK)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _at(self, seconds: Floats) -> Floats:
        columns = basis(seconds, self.origin, self.length, self.knots, self.seasons) - np.array(self.means)
        scaled = (seconds - self.origin) / self.length
        beyond = (scaled - scaled.clip(0, 1)).clip(-_FARTHEST, _FARTHEST)
        # Row by row, so that a row does not depend on the number of rows.
        heights: Floats = (columns * np.array(self.coefficients)).sum(axis=1) + self.slope * beyond
        return heights

    def describe(self) -> str:
        """Describe its parts."""
        trend = f"a trend of {len(self.knots)} knots" if self.knots else ""
        return " and ".join(
            part for part in (trend, *(f"{_name(each)} ({each.harmonics} waves)" for each in self.seasons)) if part
        )


def basis(
    seconds: Floats, origin: float, length: float, knots: tuple[float, ...], seasons: tuple[Season, ...]
) -> Floats:
    """The columns of a curve, ``[rows, columns]``; trend and growth are constant beyond its ends."""
    scaled = ((seconds - origin) / length).clip(0, 1)
    parts = [trend_columns(scaled, knots)] if knots else []
    parts += [season.columns(seconds, scaled) for season in seasons]
    return np.hstack(parts) if parts else np.zeros((len(seconds), 0))


def trend_columns(scaled: Floats, knots: tuple[float, ...]) -> Floats:
    """The basis of a natural cubic spline without its constant, ``[rows, knots - 1]``."""
    columns = [scaled]
    last, before = knots[-1], knots[-2]
    for knot in knots[:-2]:
        share = (last - knot) / (last - before)
        columns.append(_cube(scaled - knot) - share * _cube(scaled - before) + (share - 1) * _cube(scaled - last))
    return np.stack(columns, axis=1)


def _cube(values: Floats) -> Floats:
    cubes: Floats = np.maximum(values, 0.0) ** 3
    return cubes


def _name(season: Season) -> str:
    if season.cycle != "period":
        return f"the {season.cycle}"
    return f"a cycle of {season.seconds:,.6g} seconds"
