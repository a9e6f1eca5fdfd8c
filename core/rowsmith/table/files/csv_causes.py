"""Diagnosis of malformed delimited text: a preamble, no header, a delimiter at every line end."""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import pyarrow as pa
from attrs import frozen

__all__ = ["DELIMITERS", "header_notes", "is_number", "preamble_lines", "ragged_cause"]

DELIMITERS = (",", ";", "\t", "|")

_LOOKED_AT = 1 << 16
_MOST_RECORDS = 50
_MOST_VALUES = 1_000
_STEADY = 0.9
_NAMED = 3
_LEAST = 2


@frozen
class _Records:
    """The first records of a text.

    Attributes:
        fields: The fields of each that is not blank.
        lines: The lines that are over when each ends.
    """

    fields: Sequence[Sequence[str]]
    lines: Sequence[int]

    @property
    def width(self) -> int:
        """The number of fields that most of the later records have."""
        counts = Counter(map(len, self.fields[len(self.fields) // 2 :]))
        return counts.most_common(1)[0][0] if counts else 0

    @property
    def begins(self) -> int:
        """The first record of that width from which nearly all are; the number of records where that is none."""
        same = [len(record) == self.width for record in self.fields]
        for index, fits in enumerate(same):
            if fits and sum(same[index:]) >= _STEADY * len(same[index:]):
                return index
        return len(same)


def ragged_cause(head: bytes) -> str:
    """The likely cause of records of different numbers of fields, and what to do.

    Args:
        head: The first bytes of the text.

    Returns:
        Half a sentence; empty if unknown.
    """
    found = _read(head)
    if found is None:
        return ""
    width, begins, fields = found.width, found.begins, found.fields
    instead = f"read the rows without it with data.skip_rows: {found.lines[0]} and data.header: false"
    if begins == 1 and len(fields[0]) == width - 1 > 0:
        if all(record[-1] == "" for record in fields[1:] if len(record) == width):
            return f"every row ends with a delimiter, and the header does not: put one behind the header, or {instead}"
        return (
            "every row has a field more than the header, as where row names have no name of their own: put a "
            "delimiter before the first name (R: write.csv, or col.names = NA); if the first line is not the header, "
            f"set data.skip_rows: {found.lines[0]}"
        )
    if begins == 1 and len(fields[0]) == width + 1 and fields[0][-1] == "":
        return f"the header ends with a delimiter, and the rows do not: take it away, or {instead}"
    return _preamble(found)


def preamble_lines(head: bytes) -> int:
    """Guess the number of lines before the table.

    Args:
        head: The first bytes of the text.
    """
    found = _read(head)
    if found is None or not 0 < found.begins < len(found.fields) - 1:
        return 0
    # A header that alone has one field more or less than the rows is a mistake in the header.
    slip = found.begins == 1 and 0 < abs(len(found.fields[0]) - found.width) < _LEAST and len(found.fields[0]) > 1
    return 0 if slip else found.lines[found.begins - 1]


def header_notes(columns: Mapping[str, pa.DictionaryArray], head: bytes) -> Iterator[str]:
    """Notes on a first line that is probably no header, for a table that could be read.

    Args:
        columns: The spelled columns by name.
        head: The first bytes of the text.
    """
    numeric = [name for name, array in columns.items() if _holds_numbers(array)]
    if numeric and all(map(is_number, numeric)):
        named = ", ".join(map(repr, numeric[:_NAMED])) + (", …" if len(numeric) > _NAMED else "")
        yield (
            f"the first line is taken for names, and columns of numbers have numbers for names ({named}): if it is a "
            "row of values, set data.header: false"
        )
    found = _read(head) if len(columns) == 1 else None
    if found is not None and found.begins and (cause := _preamble(found)):
        yield f"the table is read as a single column, but {cause}"


def is_number(text: str) -> bool:
    """Whether a text is a finite number."""
    with suppress(ValueError):
        return abs(float(text)) < float("inf") and "_" not in text
    return False


def _holds_numbers(array: pa.DictionaryArray) -> bool:
    values = array.dictionary.slice(0, _MOST_VALUES).to_pylist()
    return bool(values) and all(map(is_number, values))


def _preamble(found: _Records) -> str:
    if not 0 < found.begins < len(found.fields) - 1:
        return ""
    lines = found.lines[found.begins - 1]
    what, them = (f"the first {lines} lines have", "them") if lines > 1 else ("the first line has", "it")
    return (
        f"{what} another number of fields than the rest: if the table begins after {them}, set data.skip_rows: {lines}"
    )


def _read(head: bytes) -> _Records | None:
    """The first records, cut at the delimiter that gives most of them the same number of fields."""
    text = head[:_LOOKED_AT].decode(errors="replace").removeprefix("\ufeff")
    if len(head) >= _LOOKED_AT:
        text = text.rpartition("\n")[0]
    found = [_cut(text, delimiter) for delimiter in DELIMITERS]
    parted = [each for each in found if each.width > 1]
    return max(parted, key=lambda each: (len(each.fields) - each.begins, each.width), default=None)


def _cut(text: str, delimiter: str) -> _Records:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    fields, lines = [], []
    with suppress(csv.Error):
        for record in itertools.islice(reader, _MOST_RECORDS):
            if record:
                fields.append(record)
                lines.append(reader.line_num)
    return _Records(fields, lines)
