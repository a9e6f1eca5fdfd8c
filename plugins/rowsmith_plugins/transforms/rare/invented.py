"""Invented labels that replace the rare ones of a column: as many, as frequent, and with the same look."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

import numpy as np

from rowsmith.table.frames.decoding import takes
from rowsmith.table.schema import ColumnSchema
from rowsmith.table.types.marks import is_null_word
from rowsmith_plugins.transforms.common.counting import Counted
from rowsmith_plugins.transforms.rare.label_makers import STAGES, LabelStatistics, Mask, maker_of

__all__ = ["invent_more", "invent_rare"]

_TRIES = 20
_MOST_FAILED = 10
_MOST_LONGER = 4
"""By so many characters or words a label may be longer than its template."""
_NOTICEABLY_RARE = 0.1
"""Above this share of rows, rare labels are invented: replacing them would raise the shares of the others too much."""
_MANY_LABELS = 30
"""Among this many labels at least two are not words for a missing value."""

Invented = tuple[tuple[str, ...], tuple[int, ...]]


def invent_rare(column: ColumnSchema, counted: Counted, k: int, seed: int) -> Invented:
    """Invent labels for the rare ones of a column if replacing these by frequent ones would change too much.

    Only shapes, characters and words of at least k rows are used, from that many rare labels or from at least one label
    that is not rare, and from enough groups; and only lengths that as many rows reach (k is smaller in tables below 500
    rows, down to 2). Each is as frequent as in the rare labels. If those allow
    no new labels, characters of the other labels are used, and then others of the same kinds.

    Args:
        column: The column. Unused categories of a fixed set are the ones that were invented for it.
        counted: Its values.
        k: A label with fewer rows, or too few groups, is rare.
        seed: Seed of the draws.

    Returns:
        Distinct labels that the column can hold, different from its own and not read as missing values, and their
        frequencies. Empty if fewer than 2k rows hold a rare label, if these are at most a tenth of the
        rows and there are two other labels, or if no character is frequent enough.
    """
    rare = ~counted.shared(k)
    rows = int(counted.counts[rare].sum())
    # A word for a missing value must not replace other labels.
    others = sum(not is_null_word(counted.values[index]) for index in np.flatnonzero(~rare)[:_MANY_LABELS].tolist())
    if rows < 2 * k or (rows <= _NOTICEABLY_RARE * counted.rows and others > 1):
        return (), ()
    weights = tuple(sorted(counted.counts[rare].tolist(), reverse=True))
    if column.storage.categories is not None:
        known = set(counted.values)
        names = tuple(each for each in column.storage.categories if each not in known)[: len(weights)]
    else:
        names = _new_labels(column, counted, rare, k, seed, ())
    return names, weights[: len(names)]


def invent_more(column: ColumnSchema, counted: Counted, k: int, seed: int, names: Sequence[str]) -> tuple[str, ...]:
    """As many other labels as are rare, in case that some names are real ones of rows that are not trained on.

    Args:
        column: The column; no fixed set of categories.
        counted: Its values.
        k: A label with fewer rows, or too few groups, is rare.
        seed: Seed of the draws.
        names: The invented labels.
    """
    return _new_labels(column, counted, ~counted.shared(k), k, seed, names)


def _new_labels(
    column: ColumnSchema, counted: Counted, rare: Mask, k: int, seed: int, names: Sequence[str]
) -> tuple[str, ...]:
    weights = sorted(counted.counts[rare].tolist(), reverse=True)
    look, known = LabelStatistics(counted, rare, k), {*counted.values, *names}
    return tuple(_made_labels(look, weights, known, seed, lambda name: takes(column, name)))


def _made_labels(
    look: LabelStatistics, weights: Sequence[int], known: set[str], seed: int, fits: Callable[[str], bool]
) -> Iterator[str]:
    """A new label for each weight, or as many as are found.

    Templates are stratified: each label has that of its part of all rows, so that even few labels are together as long
    as the rare ones. Where a template is used up, labels become longer: if there were fewer labels, each
    would be more frequent than a rare one.
    """
    random, taken, failed = np.random.default_rng(seed), set(known), 0
    maker = maker_of(look, random)
    if maker is None:
        return
    longer: dict[Any, Any] = {}
    for template in _stratified(maker.templates, weights, random):
        for _ in range(_MOST_LONGER):
            while template in longer:
                template = longer[template]
            names = (maker.spell(random, template, attempt // _TRIES) for attempt in range(STAGES * _TRIES))
            name = next((name for name in names if _is_new(name, taken) and fits(name)), None)
            if name is not None:
                taken.add(name)
                yield name
                break
            longer[template] = maker.longer(template)
        else:
            failed += 1
            if failed == _MOST_FAILED:  # Hardly any new labels are possible.
                return


def _stratified(templates: Sequence[Any], weights: Sequence[int], random: np.random.Generator) -> list[Any]:
    """A template for each weight, so that all together are as frequent as among the templates."""
    order = random.permutation(len(weights))
    parts = np.array(weights, dtype=np.float64)[order]
    at = np.empty(len(weights), dtype=np.int64)
    at[order] = ((np.cumsum(parts) - parts / 2) / parts.sum() * len(templates)).astype(np.int64)
    return [templates[index] for index in at.tolist()]


def _is_new(name: str, taken: Container[str]) -> bool:
    return bool(name.strip()) and name not in taken and not is_null_word(name)
