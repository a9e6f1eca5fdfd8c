"""The ``keys`` transform: columns that only distinguish rows are generated, not modelled.

A column is a key when the schema or the option ``columns`` says so, or when at least 99 % of its values that are not
null are different (option ``unique_share``), and

* its integers are numbers that were handed out, not measured (see ``keys.integers``), and the column is not named like
  a quantity (``price``, ``year``, ``n_rooms``); or it is named like a key (``id``, ``order_id``, ``userId``, ``uuid``,
  ``invoice_number``);
* its texts are codes (no white space, at most 64 characters, most with a digit, or all of one length);

in at least 20 rows; or when it comes as UUIDs that do not repeat enough to be categories. Decimals, date-times,
durations, booleans, categories of a fixed set and sentences never are, nor are the columns by which the run groups
and orders its rows.

New keys count on where the old ones are numbered; other whole numbers are distributed as the old ones are (see
``keys.spread``), and texts follow the old ones' pattern. They are distinct over the whole generation, and none is a
training key. Nulls come back at their share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.context import BuildContext
from rowsmith.errors import ParameterError
from rowsmith.randomness.draws import Draws
from rowsmith.table.columns import distinct, from_codes
from rowsmith.table.frames.decoding import is_uuid_typed
from rowsmith.table.schema import ColumnSchema, ColumnType, Marked, Role, TableSchema
from rowsmith.table.types.marks import fits_marked
from rowsmith.transforms import FittedTransform, Transform, schema_from_state, schema_state
from rowsmith_plugins.transforms.common.counting import Counted, count_shared, count_values, row_groups
from rowsmith_plugins.transforms.common.layout import expanded, grouping, in_schema_order
from rowsmith_plugins.transforms.keys.integers import (
    Numbers,
    go_with,
    is_spread_evenly,
    levels_of,
    names_of,
    never_collides,
)
from rowsmith_plugins.transforms.keys.makers import KeyMaker, fit_maker, maker_from_state
from rowsmith_plugins.transforms.options import KeysOptions

__all__ = ["FittedKeys", "KeyColumn", "KeysTransform", "build", "key_notes"]

Ints = npt.NDArray[np.int64]

_TEXTS = (ColumnType.TEXT, ColumnType.CATEGORICAL)
_MOST_COMPARED = 100
"""Columns that one is compared with, so that wide tables do not take minutes."""
_MOST_NAMED = 10


@frozen
class KeyColumn:
    """A column of keys.

    Attributes:
        name: The column.
        nulls: The share of nulls.
        maker: Makes the new keys.
        repeated: The share of rows whose value an earlier row has, which new keys do not repeat.
    """

    name: str
    nulls: float
    maker: KeyMaker
    repeated: float = 0.0


@frozen
class FittedKeys(FittedTransform):
    """Knows how the keys of each key column are made.

    Attributes:
        schema_before: The table with keys.
        keys: The key columns.
        schema_after: The table without them.
    """

    schema_before: TableSchema
    keys: tuple[KeyColumn, ...]
    schema_after: TableSchema = field(init=False)

    @schema_after.default
    def _without_keys(self) -> TableSchema:
        return expanded(self.schema_before, {key.name: () for key in self.keys})

    @property
    def regenerated_columns(self) -> frozenset[str]:
        """The key columns."""
        return frozenset(key.name for key in self.keys)

    def apply(self, columns: pa.Table) -> pa.Table:
        """Drop the keys."""
        return columns.drop_columns([key.name for key in self.keys])

    def invert(self, columns: pa.Table, draws: Draws, carry: dict[str, Any]) -> pa.Table:
        """Make new keys."""
        arrays = {key.name: _made(key, draws, carry.setdefault(key.name, {})) for key in self.keys}
        return in_schema_order(columns, self.schema_before, arrays)

    def state(self) -> dict[str, Any]:
        """The schema and the patterns."""
        keys = [
            {"name": key.name, "nulls": key.nulls, "maker": key.maker.state(), "repeated": key.repeated}
            for key in self.keys
        ]
        return {"schema": schema_state(self.schema_before), "keys": keys}

    def inventory(self) -> list[str]:
        """A line for each key column."""
        return [f"column {key.name!r}: {key.maker.describe()}" for key in self.keys]

    def keeping_clear(self, columns: pa.Table) -> FittedKeys:
        """Make no key that any row of the table has."""
        clear = (evolve(key, maker=key.maker.avoiding(distinct(columns, key.name)[0])) for key in self.keys)
        return evolve(self, keys=tuple(clear))

    def notes(self) -> list[str]:
        """Which columns are keys, and those whose values repeat in training and no more in what is made."""
        repeated = [
            f"column {key.name!r}: {key.repeated:.1%} of its rows repeat the key of another; new keys are distinct"
            for key in self.keys
            if key.repeated
        ]
        pairs = [(key.name, key.maker.caveat()) for key in self.keys]
        caveats = [f"column {name!r}: {caveat}" for name, caveat in pairs if caveat is not None]
        return [*key_notes("keys", [key.name for key in self.keys]), *repeated, *caveats]


@frozen
class KeysTransform(Transform):
    """Finds key columns.

    Attributes:
        options: Which columns are keys.
        seed: What the filter of training keys is salted with, at least 0.
        groups: The columns that group the run's rows.
    """

    options: KeysOptions = field(factory=KeysOptions)
    seed: int = 0
    groups: tuple[str, ...] = ()

    def fit(self, columns: pa.Table, schema: TableSchema) -> FittedKeys:
        """Find the key columns and their patterns.

        Raises:
            ParameterError: A column that is to be a key does not exist or cannot be one.
        """
        for name in self.options.columns:
            if name not in schema.names:
                raise ParameterError(
                    f"transform 'keys': the option `columns` names {name!r}, which the table does not have"
                )
        keys, groups = [], row_groups(columns, schema, self.groups)
        for column in schema:
            counted = count_shared(columns, column.name, groups)
            if counted.values and self._is_key(column, counted, columns, schema):
                keys.append(self._key(column, counted))
        return FittedKeys(schema, tuple(keys))

    def restore(self, state: Mapping[str, Any]) -> FittedKeys:
        """Make the fitted transform from its state."""
        keys = [
            KeyColumn(key["name"], float(key["nulls"]), maker_from_state(key["maker"]), float(key.get("repeated", 0)))
            for key in state["keys"]
        ]
        return FittedKeys(schema_from_state(state["schema"]), tuple(keys))

    def _is_key(self, column: ColumnSchema, counted: Counted, columns: pa.Table, schema: TableSchema) -> bool:
        if column.name in self.options.columns or column.role is Role.KEY:
            _check_forced(column)
            return True
        # Durations and times of day are measured, however many of them differ.
        if column.timing is not None or column.storage.categories is not None or column.storage.unit:
            return False
        if column.name in self.options.exclude:
            return False
        if is_uuid_typed(column):
            return column.type is ColumnType.TEXT or int(counted.counts.max()) < self.options.k
        if column.marked is not None:
            # Marks such as NA make no codes of what are numbers.
            if column.marked.type is not ColumnType.INTEGER:
                return False
            counted = _without_marks(counted, column.marked)
        if counted.rows < self.options.min_rows:
            return False
        if len(counted.values) < self.options.unique_share * counted.rows:
            return False
        if column.type is ColumnType.INTEGER or column.marked is not None:
            return _is_integer_key(column.name, counted, columns, schema)
        return column.type in _TEXTS and self._is_text_key(counted)

    def _is_text_key(self, counted: Counted) -> bool:
        codes = [v for v in counted.values if v and len(v) <= self.options.max_length and not _has_space(v)]
        if len(codes) < 0.99 * len(counted.values):
            return False
        digits = sum(any(char.isdigit() for char in code) for code in codes)
        return digits >= 0.9 * len(codes) or len({len(code) for code in codes}) == 1

    def _key(self, column: ColumnSchema, counted: Counted) -> KeyColumn:
        nulls = 1 - counted.rows / len(counted.codes)
        maker = fit_maker(column, counted.values, self.options.k, self.seed, _groups_of(counted))
        return KeyColumn(column.name, nulls, maker, 1 - len(counted.values) / counted.rows)


def build(context: BuildContext, options: KeysOptions | None) -> KeysTransform:
    """Build the transform from its options; the run's group and order columns are no keys."""
    options = options or KeysOptions()
    order = (context.config.data.order_training_examples_by, context.config.time_series.timestamp_column)
    exclude = (*options.exclude, *grouping(context), *(name for name in order if name))
    seed = context.seeds.integer("transforms.keys")
    return KeysTransform(evolve(options, exclude=exclude), seed, context.config.data.group_columns)


def key_notes(transform: str, names: Sequence[str]) -> list[str]:
    """A line that says which columns are taken for keys, and how to have it otherwise; none without such columns.

    Args:
        transform: The transform that takes them so.
        names: The columns.
    """
    if not names:
        return []
    listed = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return [
        f"taken as keys, generated and not learned: {listed}{more}; list what is no key in the `exclude` option of "
        f"transform {transform!r}"
    ]


def _made(key: KeyColumn, draws: Draws, carry: dict[str, Any]) -> pa.DictionaryArray:
    missing = draws.uniform(f"keys.{key.name}.null") < key.nulls
    codes = np.where(missing, -1, np.cumsum(~missing) - 1)
    return from_codes(key.maker.make(draws.take(~missing), carry, key.name), codes)


def _groups_of(counted: Counted) -> Ints | None:
    """The group of a row that has each key; None where rows are not grouped."""
    if counted.groups is None:
        return None
    groups = np.zeros(len(counted.values) + 1, dtype=np.int64)
    groups[counted.codes] = counted.groups
    return groups[:-1]


def _check_forced(column: ColumnSchema) -> None:
    if column.type not in (*_TEXTS, ColumnType.INTEGER):
        raise ParameterError(
            f"column {column.name!r} cannot be a key: it holds {column.type.value} values, and new keys can only be "
            "made for integers and text; give the column another type"
        )
    if column.storage.categories is not None:
        raise ParameterError(
            f"column {column.name!r} cannot be a key: it holds a fixed set of categories, and new keys would be none "
            "of them; turn it into text in the DataFrame"
        )


def _is_integer_key(name: str, counted: Counted, columns: pa.Table, schema: TableSchema) -> bool:
    names = names_of(name)
    if names.key or names.measure:
        return names.key
    numbers = Numbers.of(counted.values, counted.codes)
    if numbers.could_be_years:
        return False
    if never_collides(numbers):
        return not (numbers.ranked and go_with(numbers, _others(columns, schema, name, counted.codes)))
    return is_spread_evenly(numbers) and not go_with(numbers, _others(columns, schema, name, counted.codes))


def _others(columns: pa.Table, schema: TableSchema, name: str, codes: npt.NDArray[np.int32]) -> Iterator[Ints]:
    """The levels of the columns beside one, in the rows where that has a value."""
    beside = sorted(schema.names, key=lambda other: abs(schema.names.index(other) - schema.names.index(name)))
    for other in beside[1 : _MOST_COMPARED + 1]:
        yield levels_of(schema[other], count_values(columns, other))[codes >= 0]


def _without_marks(counted: Counted, marked: Marked) -> Counted:
    """The numbers of a column with marks among them; the rows of marks count as null."""
    numbers = fits_marked(pa.array(counted.values, pa.string()), marked)
    indices = np.append(np.where(numbers, np.cumsum(numbers) - 1, -1), -1).astype(np.int32)
    values = [counted.values[index] for index in np.flatnonzero(numbers).tolist()]
    return Counted(values, indices[counted.codes], counted.counts[numbers])


def _has_space(text: str) -> bool:
    return any(char.isspace() for char in text)
