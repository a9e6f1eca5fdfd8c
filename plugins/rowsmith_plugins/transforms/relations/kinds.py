"""The kinds of relations: how each is found and restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rowsmith.table.schema import TableSchema
from rowsmith_plugins.transforms.options import RelationsOptions
from rowsmith_plugins.transforms.relations.coded_numbers import CodedNumber
from rowsmith_plugins.transforms.relations.coding import Coding
from rowsmith_plugins.transforms.relations.lookups import Listed
from rowsmith_plugins.transforms.relations.number_finder import find_coded_numbers
from rowsmith_plugins.transforms.relations.prefix_search import find_prefixed
from rowsmith_plugins.transforms.relations.prefixes import Prefixed
from rowsmith_plugins.transforms.relations.value_search import find_listed

__all__ = ["FINDERS", "KINDS", "Finder"]

Finder = Callable[
    [pa.Table, TableSchema, Sequence[Coding], RelationsOptions, int, npt.NDArray[np.int64] | None], Sequence[Coding]
]
"""Finds the encodings of one kind, given the table, its schema, the encodings so far, the options, k, and the number
of each row's group (None if rows are not grouped)."""

KINDS: Mapping[str, type[Any]] = {"number": CodedNumber, "listed": Listed, "prefixed": Prefixed}
"""The classes of encodings by the name under which each is saved."""

FINDERS: Sequence[Finder] = (find_coded_numbers, find_prefixed, find_listed)
"""In this order: what an earlier one encodes is not encoded again."""
