"""Labels that are invented in place of those that few rows have: as many, as frequent, and of the same look."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.table.frames.decoding import takes
from rowsmith.table.schema import ColumnSchema
from rowsmith.table.types.marks import is_null_word
from rowsmith.table.types.text_shapes import characters_of, shape_of
from rowsmith.transforms.holders import groups_needed
from rowsmith_plugins.transforms.common.counting import Counted

__all__ = ["invent_rare"]

_LEAST_K = 2
_ROWS_PER_K = 100
_ALIKE = 0.9
_TRIES = 20
_STAGES = 4
_MOST_FAILED = 10
_NOTICEABLY_RARE = 0.1
"""Beyond this share of rows, rare labels are not drawn again among the others, whose shares would grow by as much."""
_TOLD_APART = 30
"""Among so many labels at least two are no words for a missing value."""
_LONG = 40
"""Labels of more characters are sentences, which are made of words."""
_FEWEST_WORDS = 10
_KINDS = "Aa9"
_ALL = {"A": string.ascii_uppercase, "a": string.ascii_lowercase, "9": string.digits}

Mask = npt.NDArray[np.bool_]
Invented = tuple[tuple[str, ...], tuple[int, ...]]


def invent_rare(column: ColumnSchema, counted: Counted, k: int, seed: int) -> Invented:
    """Invent labels for the rare ones of a column, where drawing them again among the others would change too much.

    Only shapes, characters and words are used that k rows of the column have, in as many rare labels or in one that is
    none, and enough groups of them; and only lengths that as many rows reach (k is smaller in tables below 500 rows,
    down to 2). Each is as frequent as in the rare labels. Where those spell
    nothing new, characters of the other labels will do, and then others of the same kinds.

    Args:
        column: The column. Of a fixed set of categories, those that no row has are what was invented for it.
        counted: Its values.
        k: What fewer rows, or too few groups, have is rare.
        seed: What the draws depend on.

    Returns:
        Distinct labels that the column can hold, none of its own and none that is read as a missing value, and how
        often each is drawn. None where fewer than 2k rows hold a rare one, or these are no more than a tenth of the
        rows and there are two others, or no character is frequent enough.
    """
    rare = ~counted.shared(k)
    rows = int(counted.counts[rare].sum())
    # A word for a missing value is no label to draw among.
    others = sum(not is_null_word(counted.values[place]) for place in np.flatnonzero(~rare)[:_TOLD_APART].tolist())
    if rows < 2 * k or (rows <= _NOTICEABLY_RARE * counted.rows and others > 1):
        return (), ()
    weights = tuple(sorted(counted.counts[rare].tolist(), reverse=True))
    known = set(counted.values)
    if column.storage.categories is not None:
        names = tuple(each for each in column.storage.categories if each not in known)[: len(weights)]
    else:
        names = tuple(_invent(_Look(counted, rare, k), known, seed, lambda name: takes(column, name)))
    return names, weights[: len(names)]


@frozen
class _Look:
    """What rare labels look like, as far as enough rows of the column do.

    Attributes:
        counted: All labels.
        rare: Which of them are rare.
        k: The fewest rows of anything, in tables of 500 rows or more.
    """

    counted: Counted
    rare: Mask
    k: int

    @property
    def least(self) -> int:
        """The fewest rows of what is used."""
        return min(self.k, max(_LEAST_K, self.counted.rows // _ROWS_PER_K))

    def frequent(self, parts_of: Callable[[str], Iterable[str]]) -> tuple[Counter[str], Counter[str]]:
        """The parts that enough rows of the column have: those of rare labels, by their rows, and those of all."""
        holders: dict[str, list[int]] = {}
        for place, value in enumerate(self.counted.values):
            for part in set(parts_of(value)):
                holders.setdefault(part, []).append(place)
        everywhere = Counter(
            {
                part: int(self.counted.counts[places].sum())
                for part, places in sorted(holders.items())
                if self._enough(places)
            }
        )
        rows = self.counted.counts * self.rare
        among_rare = {part: int(rows[holders[part]].sum()) for part in everywhere}
        return Counter({part: count for part, count in among_rare.items() if count}), everywhere

    def lengths(self, size_of: Callable[[str], int], shapes: Container[str] = ()) -> list[int]:
        """The sizes of rare labels of other shapes, one a row, between the least and the greatest that enough have."""
        values, counts = self.counted.values, self.counted.counts
        rare = np.flatnonzero(self.rare)
        places = rare[[shape_of(values[place]) not in shapes for place in rare.tolist()]]
        sizes = np.array([size_of(values[place]) for place in places.tolist()], dtype=np.int64)
        found = np.sort(np.repeat(sizes, counts[places]))
        return [int(size) for size in found[self.least - 1 : max(self.least, len(found) - self.least + 1)]]

    def _enough(self, places: list[int]) -> bool:
        counted = self.counted
        if int(counted.counts[places].sum()) < self.least:
            return False
        if len(places) < self.least and self.rare[places].all():
            return False  # A label would tell its own characters, however many rows it has.
        if counted.groups is None:
            return True
        having = np.append(np.isin(np.arange(len(counted.values)), places), False)[counted.codes]
        needed = groups_needed(int(counted.groups.max(initial=-1)) + 1, self.k)
        return len(np.unique(counted.groups[having])) >= needed


_Drawer = Callable[[np.random.Generator], str]
_Spell = Callable[[np.random.Generator, int], str]
"""Makes a label; the number says how far it may go from what rare labels are made of."""


def _invent(look: _Look, known: set[str], seed: int, fits: Callable[[str], bool]) -> Iterator[str]:
    """A new label for each rare one, as far as there are so many."""
    random, taken, failed = np.random.default_rng(seed), set(known), 0
    spell = _sentences(look) or _spelled(look)
    if spell is None:
        return
    for _ in range(int(look.rare.sum())):
        for attempt in range(_STAGES * _TRIES):
            name = spell(random, attempt // _TRIES)
            if name.strip() and name not in taken and not is_null_word(name) and fits(name):
                taken.add(name)
                yield name
                break
        else:
            failed += 1
            if failed == _MOST_FAILED:  # Hardly anything is left that could be spelled.
                return


def _sentences(look: _Look) -> _Spell | None:
    """Makes long labels of words that enough rows have; None where labels are short or share no words."""
    lengths = look.lengths(len)
    if not lengths or lengths[len(lengths) // 2] <= _LONG:
        return None
    words = look.frequent(str.split)[0]
    sizes = look.lengths(lambda value: len(value.split()))
    if len(words) < _FEWEST_WORDS or not sizes:
        return None
    word = _drawer(words)
    return lambda random, stage: " ".join(word(random) for _ in range(sizes[int(random.integers(len(sizes)))]))


def _spelled(look: _Look) -> _Spell | None:
    """Makes labels of shapes and characters that enough rows have; None where there are none."""
    characters, everywhere = look.frequent(set)
    alphabet = "".join(sorted(characters))
    templates = _templates(look, alphabet)
    if not alphabet or not templates:
        return None
    seen = look.frequent(lambda value: _characters_by_place(value) if shape_of(value) in templates else ())[0]
    kinds = "".join(_ALL[kind] for kind in _KINDS if characters_of(kind, alphabet))
    usual = _by_kind(alphabet, characters)
    wider = [_by_kind(letters, Counter()) for letters in ("".join(sorted(everywhere)), kinds)]
    own = {shape: _by_place(shape, seen, usual) for shape in templates}
    template = _drawer(templates)

    def spell(random: np.random.Generator, stage: int) -> str:
        shape = template(random)
        if stage == 0:
            return "".join(draw(random) for draw in own[shape])
        draws = (usual, *wider)[stage - 1]
        return "".join(draws[place](random) if place in draws else place for place in shape)

    return spell


def _characters_by_place(value: str) -> Iterator[str]:
    """Each character of a label with its place and the shape of the label."""
    shape = shape_of(value)
    return (f"{place} {char} {shape}" for place, char in enumerate(value))


def _by_place(shape: str, seen: Counter[str], usual: Mapping[str, _Drawer]) -> list[_Drawer]:
    """For each place of a shape what draws one of the characters that stand there, or else of its kind."""
    found = []
    for place, kind in enumerate(shape):
        rows = {char: seen[f"{place} {char} {shape}"] for char in _ALL.get(kind, kind)}
        there = Counter({char: count for char, count in rows.items() if count})
        found.append(_drawer(there) if there else usual.get(kind, _drawer(Counter({kind: 1}))))
    return found


def _by_kind(letters: str, rows: Counter[str]) -> dict[str, _Drawer]:
    """For each kind of character what draws one, by its rows if any is known to have some."""
    found = {kind: characters_of(kind, letters) for kind in _KINDS}
    return {kind: _drawer(Counter({char: rows[char] or 1 for char in chars})) for kind, chars in found.items() if chars}


def _templates(look: _Look, alphabet: str) -> Counter[str]:
    """Shapes that enough rows have; unless these are nearly all, words of the lengths of the others besides."""
    shapes, _ = look.frequent(lambda value: (shape_of(value),))
    kept = Counter({shape: rows for shape, rows in shapes.items() if _fits(shape, alphabet)})
    kinds = [kind for kind in _KINDS if characters_of(kind, alphabet)]
    if not kinds or kept.total() >= _ALIKE * int(look.counted.counts[look.rare].sum()):
        return kept
    rest = "a" if "a" in kinds else kinds[0]
    return kept + Counter((kinds[0] + rest * (length - 1))[:length] for length in look.lengths(len, kept))


def _fits(shape: str, alphabet: str) -> bool:
    """Whether there is a character for each place of a shape."""
    return all(characters_of(place, alphabet) if place in _ALL else place in alphabet for place in shape)


def _drawer(weights: Counter[str]) -> _Drawer:
    """Draws texts as often as their weights say."""
    texts, bounds = list(weights), np.cumsum(list(weights.values()))
    return lambda random: texts[int(np.searchsorted(bounds, random.random() * bounds[-1], side="right"))]
