"""New UUIDs: every digit is drawn, but for those that give the version and the variant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from rowsmith_plugins.transforms.keys.patterns import Layout

__all__ = ["uuid_layouts"]

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_HEX = "0123456789abcdef"
_VERSION, _VARIANT = 14, 19
# What a variant's first digit may be; which of them it is says nothing.
_VARIANTS = ("01234567", "89ab", "cd", "ef")


def uuid_layouts(values: Sequence[str]) -> tuple[Layout, ...]:
    """One layout for each version and variant of some UUIDs; none where a value is no UUID.

    Args:
        values: Distinct keys, in one case throughout.
    """
    folded = [value.lower() for value in values]
    upper = all(value == value.upper() for value in values)
    if not values or not (upper or folded == list(values)) or not all(map(_UUID.fullmatch, folded)):
        return ()
    kinds = Counter((value[_VERSION], _variant(value[_VARIANT])) for value in folded)
    return tuple(_layout(weight, version, variant, upper) for (version, variant), weight in kinds.most_common())


def _variant(digit: str) -> str:
    return next(variant for variant in _VARIANTS if digit in variant)


def _layout(weight: int, version: str, variant: str, upper: bool) -> Layout:
    fixed = {8: "-", 13: "-", 18: "-", 23: "-", _VERSION: version, _VARIANT: variant}
    alphabets = [fixed.get(position, _HEX) for position in range(36)]
    return Layout(weight, tuple(each.upper() if upper else each for each in alphabets))
