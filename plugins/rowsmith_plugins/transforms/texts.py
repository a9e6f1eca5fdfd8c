"""The ``texts`` transform: free text keeps the characters and shapes that enough rows have.

A character that fewer than k rows of a column have becomes its plain form (``é`` and ``E`` an ``e``), or the most
frequent character of its kind, or nothing, whichever is the first that enough rows have. Where nine tenths of the
values look alike (see ``rowsmith.text_shapes``), a value of a shape that fewer than k rows have becomes another
row's. Tables below 500 rows have a smaller k, down to 2.

Rows are drawn by (seed, row's place in the table, column): ``apply`` is a pure function of the table it is given,
and leaves a table of such texts as it is. There is nothing to undo: the model is held to the characters and
shapes that it was shown.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

import cattrs
import numpy as np
import pyarrow as pa
from attrs import asdict, evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.draws import Draws
from rowsmith.table.columns import compact
from rowsmith.table.encoded import spelled_unique
from rowsmith.table.schema import ColumnType, TableSchema
from rowsmith.text_shapes import characters_of, frequent_shapes, shape_of
from rowsmith.transforms import FittedTransform, Transform, schema_from_state, schema_state
from rowsmith_plugins.transforms.counting import Counted, count_values
from rowsmith_plugins.transforms.layout import grouping
from rowsmith_plugins.transforms.options import TextsOptions

__all__ = ["FittedTexts", "TextColumn", "TextsTransform", "build"]

_LEAST_K = 2
_ROWS_PER_K = 100
_ALIKE = 0.9


@frozen(kw_only=True)
class TextColumn:
    """What is known of one column.

    Attributes:
        name: The column.
        characters: The characters that enough rows have, the most frequent first.
        shapes: The shapes that enough rows have; none for text of any shape.
    """

    name: str
    characters: str
    shapes: tuple[str, ...]

    def apply(self, counted: Counted, seed: int) -> pa.DictionaryArray:
        """The column in its characters and shapes."""
        table = _Replacements(self.characters)
        texts = [value.translate(table) for value in counted.values]
        codes = counted.codes.astype(np.int64)
        if self.shapes:
            kept = set(self.shapes)
            fits = np.array([shape_of(text) in kept for text in texts] + [True])
            rare = np.flatnonzero(~fits[codes])
            others = codes[fits[codes] & (codes >= 0)]
            if rare.size and not others.size:
                texts.append(self._usual())
                others = np.array([len(texts) - 1])
            drawn = Draws(seed, rare).uniform(f"texts.{self.name}") * len(others)
            codes[rare] = others[drawn.astype(np.int64)]
        return compact(spelled_unique(texts, codes.astype(np.int32)))

    def describe(self) -> str:
        """What it holds of the training data."""
        shapes = f" and {len(self.shapes)} shapes" if self.shapes else ""
        return f"{len(self.characters)} characters{shapes}"

    def _usual(self) -> str:
        """A text of the first shape and the most frequent characters."""
        return "".join(characters_of(place, self.characters)[0] for place in self.shapes[0])


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
class FittedTexts(FittedTransform):
    """Knows the characters and shapes of each text column.

    Attributes:
        schema_before: The table.
        seed: What the draws for rare shapes depend on.
        columns: What is known of each text column.
    """

    schema_before: TableSchema
    seed: int
    columns: tuple[TextColumn, ...]

    @property
    def schema_after(self) -> TableSchema:  # type: ignore[override]
        """The same table: only values change."""
        return self.schema_before

    def apply(self, columns: pa.Table) -> pa.Table:
        """Replace rare characters, and values of rare shapes."""
        for each in self.columns:
            array = each.apply(count_values(columns, each.name), self.seed)
            columns = columns.set_column(columns.schema.get_field_index(each.name), each.name, array)
        return columns

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Give the table back as it is."""
        return columns

    def state(self) -> dict[str, Any]:
        """The schema, the seed, the characters and shapes."""
        columns = [asdict(each) for each in self.columns]
        return {"schema": schema_state(self.schema_before), "seed": self.seed, "columns": columns}

    def inventory(self) -> list[str]:
        """A line for each text column."""
        return [f"column {each.name!r}: {each.describe()}" for each in self.columns]


@frozen
class TextsTransform(Transform):
    """Finds the characters and shapes of free text.

    Attributes:
        options: Which columns, and what is rare.
        seed: What the draws for rare shapes depend on, at least 0.
    """

    options: TextsOptions = field(factory=TextsOptions)
    seed: int = 0

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedTexts:
        """Count characters and shapes of each text column."""
        found = []
        for column in schema:
            if column.type is ColumnType.TEXT and column.name not in self.options.exclude:
                fitted = _fitted(column.name, count_values(columns, column.name), self.options.k)
                found += [] if fitted is None else [fitted]
        return FittedTexts(schema, self.seed, tuple(found))

    def restore(self, state: Mapping[str, Any]) -> FittedTexts:
        """Make the fitted transform from its state."""
        columns = cattrs.structure(state["columns"], tuple[TextColumn, ...])
        return FittedTexts(schema_from_state(state["schema"]), int(state["seed"]), columns)


def build(context: BuildContext, options: TextsOptions | None) -> TextsTransform:
    """Build the transform from its options and the run's seed; the run's groups keep their names."""
    options = options or TextsOptions()
    options = evolve(options, exclude=(*options.exclude, *grouping(context)))
    return TextsTransform(options, context.seeds.integer("transforms.texts"))


def _fitted(name: str, counted: Counted, k: int) -> TextColumn | None:
    """What is known of a column; None where no character is frequent enough."""
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


def _kind(char: str) -> str:
    if char.isdigit():
        return "9"
    if char.isalpha():
        return "A" if char.isupper() else "a"
    return ""
