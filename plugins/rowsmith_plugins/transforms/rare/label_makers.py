"""What invented labels look like: the words, shapes, characters and lengths of rare labels that enough rows share."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.table.types.text_shapes import characters_of, shape_of
from rowsmith.transforms.holders import groups_needed
from rowsmith_plugins.transforms.common.counting import Counted

__all__ = ["LONGEST_SHORT_LABEL", "STAGES", "LabelMaker", "LabelStatistics", "maker_of"]

LONGEST_SHORT_LABEL = 40
"""Longer labels are sentences, which are made of words."""
STAGES = 4
"""In each stage of a template a label may have more characters than in the one before."""
_LEAST_K = 2
_ROWS_PER_K = 100
_ALIKE = 0.9
_TRIES = 20
_FEWEST_WORDS = 10
_PART = re.compile(r"\w+\W*|\W+")
_KINDS = "Aa9"
_CHARACTERS = {"A": string.ascii_uppercase, "a": string.ascii_lowercase, "9": string.digits}

P = TypeVar("P", str, tuple[bool, str])
Mask = npt.NDArray[np.bool_]
_Sampler = Callable[[np.random.Generator], str]


@frozen
class LabelStatistics:
    """The look of rare labels, as far as enough rows of the column share it.

    Attributes:
        counted: All labels of the column.
        rare: Mask of rare labels.
        k: The least number of rows of a part, in tables of 500 rows or more.
    """

    counted: Counted
    rare: Mask
    k: int

    @property
    def least(self) -> int:
        """The least number of rows of a part of labels."""
        return min(self.k, max(_LEAST_K, self.counted.rows // _ROWS_PER_K))

    def frequent(self, parts_of: Callable[[str], Iterable[P]]) -> tuple[Counter[P], Counter[P]]:
        """Parts with enough rows in the column, and their rows: in rare labels, and in all labels."""
        holders: dict[P, list[int]] = {}
        for index, value in enumerate(self.counted.values):
            for part in set(parts_of(value)):
                holders.setdefault(part, []).append(index)
        everywhere = Counter(
            {
                part: int(self.counted.counts[indices].sum())
                for part, indices in sorted(holders.items())
                if self._enough(indices)
            }
        )
        rows = self.counted.counts * self.rare
        among_rare = {part: int(rows[holders[part]].sum()) for part in everywhere}
        return Counter({part: count for part, count in among_rare.items() if count}), everywhere

    def lengths(self, size_of: Callable[[str], int], shapes: Container[str] = ()) -> list[int]:
        """Sizes of rare labels of other shapes, one per row, without the smallest and largest ones of too few rows."""
        values, counts = self.counted.values, self.counted.counts
        rare = np.flatnonzero(self.rare)
        indices = rare[[shape_of(values[index]) not in shapes for index in rare.tolist()]]
        sizes = np.array([size_of(values[index]) for index in indices.tolist()], dtype=np.int64)
        found = np.sort(np.repeat(sizes, counts[indices]))
        return [int(size) for size in found[self.least - 1 : max(self.least, len(found) - self.least + 1)]]

    def _enough(self, indices: list[int]) -> bool:
        counted = self.counted
        if int(counted.counts[indices].sum()) < self.least:
            return False
        if len(indices) < self.least and self.rare[indices].all():
            return False  # Too few rare labels have it: it would reveal them.
        if counted.groups is None:
            return True
        having = np.append(np.isin(np.arange(len(counted.values)), indices), False)[counted.codes]
        needed = groups_needed(int(counted.groups.max(initial=-1)) + 1, self.k)
        return len(np.unique(counted.groups[having])) >= needed


class LabelMaker(Protocol):
    """Makes labels of one template each; its templates are in proportion to the rows of the rare labels."""

    @property
    def templates(self) -> Sequence[Any]:
        """The templates, the shortest first."""

    def spell(self, random: np.random.Generator, template: Any, stage: int) -> str:
        """A label of a template; the stage widens the allowed characters."""

    def longer(self, template: Any) -> Any:
        """The template of labels that are one part longer."""


def maker_of(look: LabelStatistics, random: np.random.Generator) -> LabelMaker | None:
    """What makes labels of the same look; None where too few rows share anything.

    Args:
        look: The rare labels.
        random: Puts shapes together.
    """
    return _label_from_words(look) or _label_from_shapes(look, random)


def _label_from_words(look: LabelStatistics) -> LabelMaker | None:
    """Makes long labels from words of enough rows; None if labels are short or share no words."""
    lengths = look.lengths(len)
    if not lengths or lengths[len(lengths) // 2] <= LONGEST_SHORT_LABEL:
        return None
    words = look.frequent(str.split)[0]
    sizes = look.lengths(lambda value: len(value.split()))
    return None if len(words) < _FEWEST_WORDS or not sizes else _FromWords(sizes, _sampler(words))


@frozen
class _FromWords:
    """Makes labels from words.

    Attributes:
        templates: Numbers of words, ascending.
        word: Draws a word.
    """

    templates: Sequence[int]
    word: _Sampler

    def spell(self, random: np.random.Generator, template: int, stage: int) -> str:
        """So many words."""
        return " ".join(self.word(random) for _ in range(template))

    def longer(self, template: int) -> int:
        """One word more."""
        return template + 1


def _label_from_shapes(look: LabelStatistics, random: np.random.Generator) -> LabelMaker | None:
    """Makes labels from shapes and characters of enough rows; None if there are none."""
    characters, everywhere = look.frequent(set)
    alphabet = "".join(sorted(characters))
    templates = _templates(look, alphabet, random)
    if not alphabet or not templates:
        return None
    seen = look.frequent(lambda value: _characters_by_position(value) if shape_of(value) in templates else ())[0]
    kinds = "".join(_CHARACTERS[kind] for kind in _KINDS if characters_of(kind, alphabet))
    shapes = sorted(templates.elements(), key=lambda shape: (len(shape), shape))
    stages = [_by_kind(alphabet, characters), *(_by_kind(each, Counter()) for each in (sorted(everywhere), kinds))]
    return _FromShapes(shapes, seen, stages)


@frozen
class _FromShapes:
    """Makes labels from shapes.

    Attributes:
        templates: Shapes, the shortest first.
        seen: The rows of each character by position and shape.
        stages: For each stage after the first, which has the characters of each position, a sampler by kind.
    """

    templates: Sequence[str]
    seen: Counter[str]
    stages: Sequence[Mapping[str, _Sampler]]
    _own: dict[str, list[_Sampler]] = field(factory=dict, init=False)

    def spell(self, random: np.random.Generator, template: str, stage: int) -> str:
        """Characters of the kinds of a shape."""
        if stage == 0:
            if template not in self._own:
                self._own[template] = _by_position(template, self.seen, self.stages[0])
            return "".join(draw(random) for draw in self._own[template])
        draws = self.stages[stage - 1]
        return "".join(draws[kind](random) if kind in draws else kind for kind in template)

    def longer(self, template: str) -> str:
        """One more character of the last kind in it, or of any kind."""
        kinds = self.stages[-1]
        return template + next((kind for kind in reversed(template) if kind in kinds), next(iter(kinds), template))


def _characters_by_position(value: str) -> Iterator[str]:
    """Each character of a label with its position and the shape of the label."""
    shape = shape_of(value)
    return (f"{position} {char} {shape}" for position, char in enumerate(value))


def _by_position(shape: str, seen: Counter[str], usual: Mapping[str, _Sampler]) -> list[_Sampler]:
    """For each position of a shape, a sampler of the characters there, or else of its kind."""
    found = []
    for position, kind in enumerate(shape):
        rows = {char: seen[f"{position} {char} {shape}"] for char in _CHARACTERS.get(kind, kind)}
        there = Counter({char: count for char, count in rows.items() if count})
        found.append(_sampler(there) if there else usual.get(kind, _sampler(Counter({kind: 1}))))
    return found


def _by_kind(letters: Iterable[str], rows: Counter[str]) -> dict[str, _Sampler]:
    """For each kind of character, a sampler weighted by rows."""
    found = {kind: characters_of(kind, "".join(letters)) for kind in _KINDS}
    return {kind: _sampler(Counter({char: rows[char] or 1 for char in each})) for kind, each in found.items() if each}


def _templates(look: LabelStatistics, alphabet: str, random: np.random.Generator) -> Counter[str]:
    """Shapes of enough rows, and shapes with the lengths of the other labels unless these are few."""
    frequent, _ = look.frequent(lambda value: (shape_of(value),))
    shapes = Counter({shape: rows for shape, rows in frequent.items() if _fits(shape, alphabet)})
    kinds = [kind for kind in _KINDS if characters_of(kind, alphabet)]
    if not kinds or shapes.total() >= _ALIKE * int(look.counted.counts[look.rare].sum()):
        return shapes
    found, _ = look.frequent(_parts_with_order)
    parts = Counter({part: rows for part, rows in found.items() if _fits(part[1], alphabet)})
    inner, last = ([part for part in sorted(parts.elements()) if part[0] is ends] for ends in (False, True))
    rest = "a" if "a" in kinds else kinds[0]
    return shapes + Counter(
        _composed([part for _, part in inner], [part for _, part in last], length, random)
        or (kinds[0] + rest * (length - 1))[:length]
        for length in look.lengths(len, shapes)
    )


def _parts_with_order(value: str) -> set[tuple[bool, str]]:
    """The shapes of the words of a label, each with the marks after it, and whether it is the last."""
    parts = _PART.findall(value)
    return {(index == len(parts) - 1, shape_of(part)) for index, part in enumerate(parts)}


def _composed(inner: Sequence[str], last: Sequence[str], length: int, random: np.random.Generator) -> str:
    """A shape of some length, put together from those of words; empty if none is found."""
    for _ in range(_TRIES if last else 0):
        shape = last[int(random.integers(len(last)))]
        while inner and len(shape) < length:
            shape = inner[int(random.integers(len(inner)))] + shape
        if len(shape) == length:
            return shape
    return ""


def _fits(shape: str, alphabet: str) -> bool:
    """Whether there is a character for each position of a shape."""
    return all(characters_of(kind, alphabet) if kind in _CHARACTERS else kind in alphabet for kind in shape)


def _sampler(weights: Counter[str]) -> _Sampler:
    """Samples texts by their weights."""
    texts, bounds = list(weights), np.cumsum(list(weights.values()))
    return lambda random: texts[int(np.searchsorted(bounds, random.random() * bounds[-1], side="right"))]
