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
from rowsmith_plugins.transforms.relations.number_finder import find_coded_numbers

__all__ = ["FINDERS", "KINDS", "Finder"]

Finder = Callable[
    [pa.Table, TableSchema, Sequence[Coding], RelationsOptions, int, npt.NDArray[np.int64] | None], Sequence[Coding]
]
"""Finds the encodings of one kind, given the table, its schema, the encodings so far, the options, k, and the number
of each row's group (None if rows are not grouped)."""

KINDS: Mapping[str, type[Any]] = {"number": CodedNumber}
"""The classes of encodings by the name under which each is saved."""

FINDERS: Sequence[Finder] = (find_coded_numbers,)
"""In this order: what an earlier one encodes is not encoded again."""
