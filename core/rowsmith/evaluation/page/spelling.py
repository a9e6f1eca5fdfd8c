"""Numbers as the page writes them."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["spell_number", "spell_share"]


def spell_number(number: float, moment: bool = False) -> str:
    """Write a number with three significant digits, or seconds since 1970 as a date.

    Args:
        number: The number.
        moment: Whether it counts seconds since 1970.
    """
    if moment:
        return str(np.datetime64(int(number), "s"))[:10]
    if not math.isfinite(number):
        return "unknown"
    if number == 0:
        return "0"
    if 1e-3 <= abs(number) < 1e6:
        digits = max(0, 2 - math.floor(math.log10(abs(number))))
        rounded = f"{number:,.{digits}f}"
        return rounded.rstrip("0").rstrip(".") if "." in rounded else rounded
    return f"{number:.3g}"


def spell_share(share: float) -> str:
    """Write a share as a percentage."""
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share:.0%}" if share in (0.0, 1.0) else f"{share:.1%}"
