"""Coordinates of charts: arrays in, SVG path data and shapes out.

Charts are drawn in units of their ``viewBox``; x goes right and y goes down, as in SVG.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["area_path", "line_path", "scaled", "step_path"]

Floats = npt.NDArray[np.float64]


def scaled(values: Floats, low: float, high: float, start: float, stop: float) -> Floats:
    """Map values from one range to another; a range without width maps to its middle.

    Args:
        values: Any shape.
        low: The value that becomes ``start``.
        high: The value that becomes ``stop``.
        start: A coordinate.
        stop: Another one.
    """
    if not high > low:
        return np.full_like(values, (start + stop) / 2)
    # Halved first, so that the distance of the ends of the doubles is finite.
    return np.asarray(start + (values / 2 - low / 2) / (high / 2 - low / 2) * (stop - start), dtype=np.float64)


def step_path(heights: Floats, tallest: float, width: float, height: float) -> str:
    """The outline of a histogram of equally wide bins, standing on the lower edge.

    Args:
        heights: The height of each bin.
        tallest: The height that fills the chart.
        width: Width of the chart.
        height: Height of the chart.
    """
    x = np.repeat(np.linspace(0, width, len(heights) + 1), 2)
    y = np.concatenate([[height], np.repeat(scaled(heights, 0, tallest, height, 0), 2), [height]])
    return _joined(x, y) + "Z"


def line_path(x: Floats, y: Floats) -> str:
    """A line through points; it is broken at points whose y is NaN."""
    parts, start = list[str](), 0
    broken = np.flatnonzero(~np.isfinite(y)).tolist()
    for stop in [*broken, len(y)]:
        if stop - start > 1:
            parts.append(_joined(x[start:stop], y[start:stop]))
        start = stop + 1
    return " ".join(parts)


def area_path(x: Floats, low: Floats, high: Floats) -> str:
    """The area between two lines; points where either is NaN are left out."""
    known = np.isfinite(low) & np.isfinite(high)
    if known.sum() < 2:
        return ""
    across = np.concatenate([x[known], x[known][::-1]])
    return _joined(across, np.concatenate([high[known], low[known][::-1]])) + "Z"


def _joined(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> str:
    points = [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)]
    return "M" + "L".join(points)
