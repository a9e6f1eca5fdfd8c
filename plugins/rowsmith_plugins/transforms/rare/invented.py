"""Labels that are invented in place of those that few rows have: as many, as frequent, and of the same look."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from rowsmith.table.frames.decoding import takes
from rowsmith.table.schema import ColumnSchema
from rowsmith.table.types.marks import is_null_word
from rowsmith.table.types.text_shapes import characters_of, shape_of
from rowsmith_plugins.transforms.common.counting import Counted

__all__ = ["invent", "invent_rare"]

_LEAST_K = 2
_ROWS_PER_K = 100
_ALIKE = 0.5
_TRIES = 20
_MOSTLY_RARE = 0.75
"""Beyond this share of rows, rare labels are not drawn again among the others."""
_TOLD_APART = 30
"""Among so many labels at least two are no words for a missing value."""
_KINDS = "Aa9"
_ALL = {"A": string.ascii_uppercase, "a": string.ascii_lowercase, "9": string.digits}


def invent_rare(column: ColumnSchema, counted: Counted, k: int, seed: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Invent labels for the rare ones of a column, where drawing them again among the others would change too much.

    Args:
        column: The column. Of a fixed set of categories, those that no row has are what was invented for it.
        counted: Its values.
        k: What fewer rows, or too few groups, have is rare.
        seed: What the draws depend on.

    Returns:
        Distinct labels that the column can hold, none of its own, and how often each is drawn. None where fewer than
        2k rows hold a rare one, or these are no more than three quarters of the rows and there are two others.
    """
    shared = counted.shared(k)
    rare = np.flatnonzero(~shared)
    rows = int(counted.counts[rare].sum())
    # A word for a missing value is no label to draw among.
    others = sum(not is_null_word(counted.values[place]) for place in np.flatnonzero(shared)[:_TOLD_APART].tolist())
    if rows < 2 * k or (rows <= _MOSTLY_RARE * counted.rows and others > 1):
        return (), ()
    counts = counted.counts[rare].tolist()
    if column.storage.categories is not None:
        known = set(counted.values)
        names = tuple(each for each in column.storage.categories if each not in known)[: len(counts)]
        return names, tuple(sorted(counts, reverse=True)[: len(names)])
    names, weights = invent([counted.values[place] for place in rare.tolist()], counts, k, seed)
    names = tuple(name for name in names if name not in counted.values and takes(column, name))
    return names, weights[: len(names)]


def invent(values: Sequence[str], counts: Sequence[int], k: int, seed: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Invent a label for each of some labels.

    Only shapes and lengths that k rows have are used (fewer in tables below 500 rows, down to 2), and characters that
    as many have, each as often as it occurs; or others of the same kinds, where those spell nothing new.

    Args:
        values: The labels, each of few rows.
        counts: The rows of each.
        k: The fewest rows of what is used.
        seed: What the draws depend on.

    Returns:
        Distinct labels, none of ``values`` and none that is read as a missing value, and the rows of each: at most as
        many, and none where no character is frequent enough.
    """
    rows = sum(counts)
    least = min(k, max(_LEAST_K, rows // _ROWS_PER_K))
    characters = Counter[str]()
    for value, count in zip(values, counts, strict=True):
        characters.update({char: count for char in set(value)})
    alphabet = "".join(sorted(char for char, count in characters.items() if count >= least))
    templates = _templates(values, counts, least, alphabet)
    wide = "".join(_ALL[kind] for kind in _KINDS if characters_of(kind, alphabet))
    random, taken, found = np.random.default_rng(seed), set(values), list[str]()
    for _ in counts if templates and alphabet else ():
        for attempt in range(2 * _TRIES):
            template = _chosen(random, templates)
            # Where all that can be spelled with the characters seen is taken, others of their kinds are as good.
            letters = alphabet if attempt < _TRIES else wide
            name = "".join(_character(random, place, letters, characters) for place in template)
            if name.strip() and name not in taken and not is_null_word(name):
                taken.add(name)
                found.append(name)
                break
    return tuple(found), tuple(sorted(counts, reverse=True)[: len(found)])


def _templates(values: Sequence[str], counts: Sequence[int], least: int, alphabet: str) -> Counter[str]:
    """Shapes that enough rows have, if they cover half; else words of the usual lengths."""
    shapes = Counter[str]()
    for value, count in zip(values, counts, strict=True):
        shapes[shape_of(value)] += count
    kept = Counter({shape: count for shape, count in shapes.items() if count >= least and _fits(shape, alphabet)})
    if kept.total() >= _ALIKE * sum(counts):
        return kept
    kinds = [kind for kind in _KINDS if characters_of(kind, alphabet)]
    if not kinds:
        return Counter()
    lengths = np.sort(np.repeat([len(value) for value in values], counts))
    lengths = lengths[least - 1 : max(least, len(lengths) - least + 1)]
    rest = "a" if "a" in kinds else kinds[0]
    return Counter((kinds[0] + rest * (length - 1))[:length] for length in lengths.tolist())


def _fits(shape: str, alphabet: str) -> bool:
    return all(characters_of(place, alphabet) for place in shape)


def _character(random: np.random.Generator, place: str, alphabet: str, rows: Counter[str]) -> str:
    choices = characters_of(place, alphabet)
    return _chosen(random, Counter({char: rows[char] or 1 for char in choices}))


def _chosen(random: np.random.Generator, weights: Counter[str]) -> str:
    bounds = np.cumsum(list(weights.values()))
    return list(weights)[int(np.searchsorted(bounds, random.random() * bounds[-1], side="right"))]
