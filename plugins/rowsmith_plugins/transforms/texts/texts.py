"""The ``texts`` transform: free text is limited to values, characters and shapes of enough rows.

A character that fewer than k rows of a column have is replaced by its plain form (``e`` for ``é`` and ``E``), the most
frequent character of its kind, or nothing: the first of these that enough rows have. A value with no characters
left is replaced by that of another row. If nine tenths of the values look alike (see ``table.types.text_shapes``),
so is a value of a shape that fewer than k rows have. Tables below 500 rows have a smaller k, down to 2.

If values of at least k rows make up a tenth of the rows, ``<column>`` becomes a column of labels: such a value
(``=London``), or ``~`` for all others, which are spelled in ``<column>.text``. A model then does not have to spell
frequent values.

Rows are drawn by (seed, row number, column): ``apply`` is a pure function of the table it is given.
Inversion: labels and texts are joined; a text that is missing beside ``~`` becomes a frequent value, as often as
each occurred. Characters and shapes need no inversion: decoding is constrained to those seen in training. A word for a
missing value, such as ``NA``, is replaced by another text of its shape where no training row has one.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

import cattrs
import numpy as np
import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import codes_of, compact, from_codes
from rowsmith.table.schema import ColumnSchema, ColumnType, TableSchema
from rowsmith.table.types.encoded import spelled_unique
from rowsmith.table.types.marks import is_null_word
from rowsmith.table.types.text_shapes import characters_of, frequent_shapes, shape_of
from rowsmith.transforms import Transform, schema_from_state
from rowsmith.transforms.changed_values import compared
from rowsmith_plugins.transforms.common.counting import Counted, count_shared, record_groups
from rowsmith_plugins.transforms.common.layout import grouping, unique_name
from rowsmith_plugins.transforms.common.protection import TEXT_LABELS_COVER
from rowsmith_plugins.transforms.options import TextsOptions
from rowsmith_plugins.transforms.texts.split_columns import FittedSplit

__all__ = ["FittedTexts", "TextColumn", "TextsTransform", "build"]

_LEAST_K = 2
_ROWS_PER_K = 100
_ALIKE = 0.9
_MOST_LABELS = 1_000
_TRIES = 8
_OTHER = "~"


@frozen(kw_only=True)
class TextColumn:
    """The fitted encoding of one column.

    Attributes:
        name: The column.
        characters: The characters that enough rows have, the most frequent first.
        shapes: The shapes that enough rows have; none for text of any shape.
        rest: The column of texts that are not labels; None if no value is a label.
        frequent: The values that are labels.
        rows: The rows of each.
        spelled: The share of the column's values that are no labels, where some are.
        null_words: Whether one of the values that are spelled is a word for a missing value, such as ``NA``; otherwise
            none is generated.
    """

    name: str
    characters: str
    shapes: tuple[str, ...]
    rest: str | None = None
    frequent: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    spelled: float = 0.0
    null_words: bool = True

    def columns_after(self, column: ColumnSchema) -> tuple[ColumnSchema, ...]:
        """The column, or the columns of labels and of other texts."""
        if self.rest is None:
            return (column,)
        labels = ColumnSchema(name=self.name, type=ColumnType.CATEGORICAL, nullable=column.nullable)
        return labels, ColumnSchema(name=self.rest, type=ColumnType.TEXT, nullable=True)

    def split(self, counted: Counted, seed: int) -> dict[str, pa.DictionaryArray]:
        """The column in its characters and shapes, as labels and other texts."""
        texts = self.apply(counted, seed)
        if self.rest is None:
            return {self.name: texts}
        indices = {value: index for index, value in enumerate(self.frequent, 1)}
        codes = texts.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        labels = np.array([*(indices.get(value, 0) for value in texts.dictionary.to_pylist()), -1])[codes]
        rest = compact(from_codes(texts.dictionary.to_pylist(), np.where(labels == 0, codes, -1)))
        return {self.name: from_codes(self._labels(), labels), self.rest: rest}

    def join(self, columns: Mapping[str, Counted], nullable: bool, draws: Draws) -> pa.DictionaryArray:
        """Labels and other texts as one column."""
        labels = columns[self.name]
        if self.rest is None:
            labels = self._without_null_words(labels, draws)
            return compact(spelled_unique(labels.values, labels.codes))
        rest = self._without_null_words(columns[self.rest], draws)
        known = {label: index for index, label in enumerate(self._labels())}
        kinds = np.array([*(known.get(label, 0) for label in labels.values), -1 if nullable else 0])[labels.codes]
        codes = np.where(kinds > 0, kinds - 1, len(self.frequent) + rest.codes)
        lost = np.flatnonzero((kinds == 0) & (rest.codes < 0))
        bounds = np.cumsum(self.rows)
        drawn = draws.take(lost).uniform(f"texts.{self.name}.lost") * bounds[-1]
        codes[lost] = np.searchsorted(bounds, drawn, side="right")
        texts = [*self.frequent, *rest.values]
        return compact(spelled_unique(texts, np.where(kinds < 0, -1, codes).astype(np.int32)))

    def _without_null_words(self, spelled: Counted, draws: Draws) -> Counted:
        """The same texts, those that read as missing values replaced by others of the same shape."""
        words = [] if self.null_words else [is_null_word(value) for value in spelled.values]
        rows = np.flatnonzero(np.append(words, False)[spelled.codes]) if any(words) else np.array([], dtype=np.int64)
        if not rows.size:
            return spelled
        codes, texts = spelled.codes.copy(), list(spelled.values)
        for row in rows.tolist():
            codes[row] = len(texts)
            texts.append(self._like(spelled.values[spelled.codes[row]], draws.take(np.array([row]))))
        return Counted(texts, codes, np.bincount(codes[codes >= 0], minlength=len(texts)))

    def _like(self, word: str, draws: Draws) -> str:
        """A text of the same shape as a word that is not such a word."""
        for attempt in range(_TRIES):
            at, text = float(draws.uniform(f"texts.{self.name}.word.{attempt}")[0]), ""
            for symbol in shape_of(word):
                characters = characters_of(symbol, self.characters) or symbol
                position, at = divmod(at * len(characters), 1)
                text += characters[int(position)]
            if not is_null_word(text):
                return text
        return self._typical_text()

    def _labels(self) -> list[str]:
        return [_OTHER, *(f"={value}" for value in self.frequent)]

    def apply(self, counted: Counted, seed: int) -> pa.DictionaryArray:
        """The column in its characters and shapes."""
        table = _Replacements(self.characters)
        texts = [value.translate(table) for value in counted.values]
        codes = counted.codes.astype(np.int64)
        fits = np.array([self._fits(value, text) for value, text in zip(counted.values, texts, strict=True)] + [True])
        if not fits.all():
            rare = np.flatnonzero(~fits[codes])
            others = codes[fits[codes] & (codes >= 0)]
            if rare.size and not others.size:
                texts.append(self._typical_text())
                others = np.array([len(texts) - 1])
            drawn = Draws(seed, rare).uniform(f"texts.{self.name}") * len(others)
            codes[rare] = others[drawn.astype(np.int64)]
        return compact(spelled_unique(texts, codes.astype(np.int32)))

    def describe(self) -> str:
        """Describe what it holds of the training data."""
        shapes = f" and {len(self.shapes)} shapes" if self.shapes else ""
        values = f", {len(self.frequent)} frequent values and how often each occurs" if self.frequent else ""
        return f"{len(self.characters)} characters{shapes}{values}"

    def _fits(self, value: str, text: str) -> bool:
        """Whether the cleaned text of a value is not empty, has one of the shapes, and may be generated."""
        allowed = self.null_words or not is_null_word(text) or text in self.frequent
        return allowed and (bool(text) or not value) and (not self.shapes or shape_of(text) in self.shapes)

    def _typical_text(self) -> str:
        """A text of the first shape, if there is one, and the most frequent characters."""
        if not self.shapes:
            return next((char for char in self.characters if char.isalnum()), self.characters[0])
        return "".join(characters_of(symbol, self.characters)[0] for symbol in self.shapes[0])


class _Replacements(dict[int, str]):
    """A translation of rare characters to frequent ones."""

    def __init__(self, characters: str) -> None:
        super().__init__({ord(char): char for char in characters})
        self._characters, self._known = characters, frozenset(characters)

    def __missing__(self, code: int) -> str:
        char = chr(code)
        forms = ((each, each.lower(), each.upper()) for each in unicodedata.normalize("NFKD", char))
        plain = "".join(next((form for form in each if form in self._known), "") for each in forms)
        kind = next((each for each in self._characters if _kind(each) == _kind(char)), "") if _kind(char) else ""
        self[code] = plain or kind
        return self[code]


@frozen
class FittedTexts(FittedSplit[TextColumn]):
    """The fitted ``texts`` transform."""

    def shares_changed(self, columns: pa.Table, applied: pa.Table) -> Mapping[str, float]:
        """The share of rows with other characters, or another value, by column."""
        return compared(columns, self.invert(applied, Draws(0, np.arange(columns.num_rows)), {}))

    def notes(self) -> list[str]:
        """In which columns some values are labels, and all others are spelled as new text."""
        mixed = [f"{column.name} ({column.spelled:.1%} of its values)" for column in self.columns if column.spelled]
        if not mixed:
            return []
        return [f"values that too few rows have to be labels are spelled as new text: {', '.join(mixed)}"]


@frozen
class TextsTransform(Transform):
    """Finds the values, characters and shapes of free text.

    Attributes:
        options: Which columns, and what is rare.
        seed: Seed of the draws for rare shapes, at least 0.
    """

    options: TextsOptions = field(factory=TextsOptions)
    seed: int = 0

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedTexts:
        """Count characters and shapes of each text column."""
        taken, found, groups = set(schema.names), [], record_groups(columns, schema)
        for column in schema:
            if column.type is ColumnType.TEXT and column.name not in self.options.exclude:
                counted = count_shared(columns, column.name, groups)
                fitted = _fitted(column.name, counted, self.options.k)
                found += [] if fitted is None else [_labelled(fitted, counted, self.seed, self.options.k, taken)]
        return FittedTexts(schema, self.seed, tuple(found))

    def restore(self, state: Mapping[str, Any]) -> FittedTexts:
        """Restore the fitted transform from its state."""
        columns = cattrs.structure(state["columns"], tuple[TextColumn, ...])
        return FittedTexts(schema_from_state(state["schema"]), int(state["seed"]), columns)


def build(context: BuildContext, options: TextsOptions | None) -> TextsTransform:
    """Build the transform from its options and the run's seed; columns that name groups are excluded."""
    options = options or TextsOptions()
    options = evolve(options, exclude=(*options.exclude, *grouping(context)))
    return TextsTransform(options, context.seeds.integer("transforms.texts"))


def _fitted(name: str, counted: Counted, k: int) -> TextColumn | None:
    """Fit a column; None if no character is frequent enough."""
    k = min(k, max(_LEAST_K, counted.rows // _ROWS_PER_K))
    rows = Counter[str]()
    for value, count in zip(counted.values, counted.counts.tolist(), strict=True):
        for char in set(value):
            rows[char] += count
    frequent = sorted((char for char, count in rows.items() if count >= k), key=lambda char: (-rows[char], char))
    if not frequent:
        return None
    plain = TextColumn(name=name, characters="".join(frequent), shapes=())
    table = _Replacements(plain.characters)
    texts = [value.translate(table) for value in counted.values]
    return evolve(plain, shapes=frequent_shapes(texts, counted.counts, k=k, share=_ALIKE) or ())


def _labelled(column: TextColumn, counted: Counted, seed: int, k: int, taken: set[str]) -> TextColumn:
    """Encode frequent values as labels, if they make up enough of the rows."""
    texts = column.apply(counted, seed)
    codes = texts.indices.drop_null().to_numpy()
    rows = np.bincount(codes, minlength=len(texts.dictionary))
    held = Counted(texts.dictionary.to_pylist(), codes_of(texts), rows, counted.groups)
    frequent = np.flatnonzero(held.shared(k))
    covered = int(rows[frequent].sum())
    words = np.array([is_null_word(value) for value in held.values], dtype=bool)
    column = evolve(column, null_words=bool(words.any()))
    if covered < TEXT_LABELS_COVER * counted.rows or counted.rows - covered < k or len(frequent) > _MOST_LABELS:
        return column
    frequent = frequent[np.argsort(-rows[frequent], kind="stable")]
    values = texts.dictionary.to_pylist()
    return evolve(
        column,
        rest=unique_name(f"{column.name}.text", taken),
        frequent=tuple(values[index] for index in frequent.tolist()),
        rows=tuple(rows[frequent].tolist()),
        spelled=1 - covered / counted.rows,
        null_words=bool(np.delete(words, frequent).any()),
    )


def _kind(char: str) -> str:
    if char.isdigit():
        return "9"
    if char.isalpha():
        return "A" if char.isupper() else "a"
    return ""
