"""What new keys look like: layouts with an alphabet for every position, learned from enough rows.

A value's *skeleton* has ``9`` for a digit, ``a`` and ``A`` for letters, and all else as it is. Values
of one skeleton make a layout when at least k rows have it and such layouts cover nearly all rows.
Otherwise letters and digits count alike (as in hexadecimal), and if that does not help either, one
layout of the usual length is used for all.

A character that nearly all rows of a layout share at its position is retained there, as is a small set of
characters that at least k rows each have; elsewhere any character of the kinds seen will do.
"""

from __future__ import annotations

import string
from collections import Counter

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.randomness.draws import Draws

__all__ = [
    "Layout",
    "capacity",
    "choose_layouts",
    "draw_texts",
    "fit_layouts",
    "lengthened",
    "texts_of",
    "widened",
]

Characters = npt.NDArray[np.uint32]

_NEARLY_ALL = 0.99
_DIGITS, _LOWER, _UPPER = string.digits, string.ascii_lowercase, string.ascii_uppercase


@frozen
class Layout:
    """One shape of keys.

    Attributes:
        weight: The rows that have it.
        alphabets: The characters that each position may hold.
    """

    weight: int
    alphabets: tuple[str, ...]


class _Kinds(dict[int, str]):
    """A translation of characters to their kind; letters and digits alike when ``coarse``."""

    def __init__(self, coarse: bool) -> None:
        super().__init__()
        self.coarse = coarse

    def __missing__(self, code: int) -> str:
        kind = _kind(chr(code))
        self[code] = chr(code) if not kind else "x" if self.coarse else kind
        return self[code]


def fit_layouts(values: list[str], k: int) -> tuple[Layout, ...]:
    """Learn the layouts of keys.

    Args:
        values: Distinct keys, at least one, none empty.
        k: A layout or character is repeated when at least so many keys have it.
    """
    for coarse, share in ((False, 0.9), (True, 0.5)):
        groups: dict[str, list[str]] = {}
        kinds = _Kinds(coarse)
        for value in values:
            groups.setdefault(value.translate(kinds), []).append(value)
        frequent = [group for group in groups.values() if len(group) >= k]
        if sum(map(len, frequent)) >= share * len(values):
            return tuple(_layout(group, k) for group in frequent)
    return (_usual_layout(values),)


def widened(layouts: tuple[Layout, ...]) -> tuple[Layout, ...]:
    """The layouts with every character of a kind wherever one of it may be."""
    return tuple(
        Layout(layout.weight, tuple(_widened(position, alphabet) for position, alphabet in enumerate(layout.alphabets)))
        for layout in layouts
    )


def lengthened(layouts: tuple[Layout, ...], extra: int) -> tuple[Layout, ...]:
    """Widened layouts with more positions after their last letter or digit."""
    return tuple(_lengthened(layout, extra) for layout in widened(layouts))


def capacity(layouts: tuple[Layout, ...]) -> float:
    """How many different keys there are at most."""
    return float(sum(np.prod([float(len(alphabet)) for alphabet in layout.alphabets]) for layout in layouts))


def choose_layouts(layouts: tuple[Layout, ...], draws: Draws, label: str) -> npt.NDArray[np.int64]:
    """Draw the index of a layout for each row, by weight.

    Args:
        layouts: At least one.
        draws: Random numbers, one stream per row.
        label: What the draws are for.
    """
    bounds = np.cumsum([layout.weight for layout in layouts])
    which = np.searchsorted(bounds, draws.uniform(f"{label}.layout") * bounds[-1], side="right")
    return np.asarray(which.clip(0, len(layouts) - 1), dtype=np.int64)


def draw_texts(layout: Layout, draws: Draws, label: str) -> list[str]:
    """Draw a text of a layout for each row.

    Args:
        layout: The layout.
        draws: Random numbers, one stream per row.
        label: What the draws are for.
    """
    codes = np.zeros((len(draws), len(layout.alphabets)), dtype=np.int64)
    for position, alphabet in enumerate(layout.alphabets):
        if len(alphabet) > 1:
            codes[:, position] = draws.integers(f"{label}.{position}", len(alphabet))
    return texts_of(layout, codes)


def texts_of(layout: Layout, codes: npt.NDArray[np.int64]) -> list[str]:
    """The texts that have these characters.

    Args:
        layout: The layout.
        codes: Which character of its alphabet each position has ``[rows, positions]``.
    """
    matrix = np.empty(codes.shape, dtype=np.uint32)
    for position, alphabet in enumerate(layout.alphabets):
        matrix[:, position] = _codes(alphabet)[codes[:, position]]
    texts: list[str] = matrix.view(f"U{codes.shape[1]}").ravel().tolist()
    return texts


def _codes(text: str) -> Characters:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _layout(group: list[str], k: int) -> Layout:
    matrix = _codes("".join(group)).reshape(len(group), -1)
    columns = [_counted(matrix[:, position]) for position in range(matrix.shape[1])]
    frequent = [_repeated(counts, len(group), k) for counts in columns]
    varying = {char for counts, chars in zip(columns, frequent, strict=True) if chars is None for char in counts}
    alphabets = [
        _alphabet(position, counts, varying, k) if chars is None else chars
        for position, (counts, chars) in enumerate(zip(columns, frequent, strict=True))
    ]
    return Layout(len(group), tuple(alphabets))


def _counted(column: Characters) -> dict[str, int]:
    codes, counts = np.unique(column, return_counts=True)
    return {chr(code): count for code, count in zip(codes.tolist(), counts.tolist(), strict=True)}


def _repeated(counts: dict[str, int], rows: int, k: int) -> str | None:
    """The characters that enough rows have, when they are nearly all; else None."""
    enough = {char: count for char, count in counts.items() if count >= k}
    if enough and sum(enough.values()) >= _NEARLY_ALL * rows:
        return "".join(sorted(enough))
    if len(counts) <= 4 and rows >= k * len(counts) and min(counts.values()) >= 2:
        return "".join(sorted(counts))
    return None


def _alphabet(position: int, counts: dict[str, int], varying: set[str], k: int) -> str:
    """All characters of the kinds that enough rows have at a position."""
    kinds = Counter[str]()
    for char, count in counts.items():
        kinds[_kind(char) or char] += count
    seen = [kind for kind, count in kinds.items() if count >= k] or [kinds.most_common(1)[0][0]]
    alphabet = "".join(_of_kind(kind, varying) for kind in sorted(seen))
    return _without_zero(position, alphabet) if "0" not in counts else alphabet


def _of_kind(kind: str, varying: set[str]) -> str:
    hexadecimal = any(char in _DIGITS for char in varying) and varying.isdisjoint(_LOWER[6:] + _UPPER[6:])
    letters = 6 if hexadecimal else 26
    return {"9": _DIGITS, "a": _LOWER[:letters], "A": _UPPER[:letters]}.get(kind, kind)


def _without_zero(position: int, alphabet: str) -> str:
    """A number that never starts with 0 does not start with it in new keys either."""
    return alphabet.replace("0", "") if position == 0 and len(alphabet) > 1 else alphabet


def _usual_layout(values: list[str]) -> Layout:
    length = sorted(map(len, values))[len(values) // 2]
    kinds = Counter(_kind(char) for value in values for char in value)
    enough = [kind for kind in "9aA" if kinds[kind] >= max(1, sum(kinds.values()) // 20)] or ["9"]
    alphabet = "".join(_of_kind(kind, set("".join(values))) for kind in enough)
    return Layout(len(values), (_without_zero(0, alphabet), *([alphabet] * (length - 1))))


def _widened(position: int, alphabet: str) -> str:
    kinds = sorted({_kind(char) for char in alphabet} - {""})
    wide = "".join({"9": _DIGITS, "a": _LOWER, "A": _UPPER}[kind] for kind in kinds)
    return (wide if "0" in alphabet else _without_zero(position, wide)) or alphabet


def _lengthened(layout: Layout, extra: int) -> Layout:
    solid = [position for position, alphabet in enumerate(layout.alphabets) if _kind(alphabet[0])]
    after = solid[-1] + 1 if solid else len(layout.alphabets)
    alphabet = _widened(1, layout.alphabets[after - 1]) if solid else _DIGITS
    full = _DIGITS if set(alphabet) <= set(_DIGITS) else alphabet
    return Layout(layout.weight, (*layout.alphabets[:after], *([full] * extra), *layout.alphabets[after:]))


def _kind(char: str) -> str:
    if char.isdigit():
        return "9"
    if char.isupper():
        return "A"
    return "a" if char.isalpha() else ""
