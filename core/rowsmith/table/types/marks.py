"""Marked columns: numbers or date-times with a few texts among them, such as ``NA``, ``?`` or ``<5``.

Such a column stays text to its user. The type of most values needs at least half of the non-null rows, in one style;
other values are *marks* if at least five rows have them or if they are words for a missing value, and slips
otherwise. A column of more than ten marks, or in
which slips are more than one row in fifty, is text and nothing else; so are codes with leading zeros.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve, frozen

from rowsmith.table.columns import codes_of, count_codes
from rowsmith.table.schema import ColumnType, Marked
from rowsmith.table.types.datetimes import candidates, format_fit
from rowsmith.table.types.number_shapes import JSON_NUMBER, decimal_fit, integer_fit, most_digits
from rowsmith.table.types.spelling import spell_numbers
from rowsmith.table.types.whole_dates import find_whole_dates

__all__ = ["MARK_ROWS", "find_marked", "fits_marked", "is_null_word", "respelled", "slips_note"]

MARK_ROWS = 5
"""A text among numbers is a mark if at least this many rows have it."""

_FEWEST = 5
_MOST_MARKS = 10
_SLIPS = 0.02
_LOOSE_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_CODE = r"^[+-]?0[0-9]"
_NULL_WORDS = (
    *("", "na", "n/a", "n.a.", "n.a", "#n/a", "<na>", "nan", "nat", "null", "none", "nil", "missing"),
    *("not available", "?", "??", "-", "--", "---", ".", "..", "..."),
)
_NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL)
_MOST_EXAMPLES = 3
_TRIED_FORMATS = 5

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


@frozen
class _Style:
    """A type, its further schema fields, and a mask of the values that it writes."""

    type: ColumnType
    fields: dict[str, Any]
    fits: Mask


def is_null_word(text: str) -> bool:
    """Whether a text is a common word for a missing value."""
    return text.strip().lower() in _NULL_WORDS


def _null_words(values: pa.StringArray) -> Mask:
    words = pc.utf8_lower(pc.utf8_trim_whitespace(values))
    return np.array(pc.is_in(words, value_set=pa.array(_NULL_WORDS)).to_numpy(zero_copy_only=False), dtype=bool)


def find_marked(
    name: str, array: pa.DictionaryArray, allowed: Collection[ColumnType], *, labels: bool = False
) -> Marked | None:
    """Detect a column of numbers or date-times with a few marks among them.

    Args:
        name: The column's name.
        array: The spelled column, with no values that do not occur.
        allowed: The types that its values may have.
        labels: Whether it could be a column of labels, so that only words for a missing value may be marks.

    Returns:
        Type, style and marks; None if the column is plain text.
    """
    values = array.dictionary
    counts = count_codes(codes_of(array), len(values))
    words = _null_words(values)
    known = np.where(words, 0, counts)
    numbers = ColumnType.INTEGER in allowed
    style = (_number_style(values, known) if numbers or ColumnType.DATETIME in allowed else None) or (
        _datetime_style(values, known) if ColumnType.DATETIME in allowed else None
    )
    if style is None:
        return None
    if style.type is ColumnType.INTEGER:
        format_ = find_whole_dates(name, values.filter(pa.array(style.fits)))
        if format_ is not None:
            style = _Style(ColumnType.DATETIME, {"datetime_format": format_}, style.fits)
    marked = Marked(type=style.type, **style.fields)
    other = np.flatnonzero(~style.fits)
    texts, rows = values.take(pa.array(other)).to_pylist(), counts[other]
    read = respelled(texts, marked)
    missing = set(values.filter(pa.array(words)).to_pylist())
    strange = [(text, int(count)) for text, count, number in zip(texts, rows, read, strict=True) if number is None]
    slips = [(text, count) for text, count in strange if text not in missing]
    # Labels are written back unchanged, numbers of another style are not.
    if labels and (slips or any(number is not None for number in read)):
        return None
    frequent = {text for text, count in slips if count >= MARK_ROWS}
    rare = sum(count for text, count in slips if text not in frequent)
    if len(frequent) > _MOST_MARKS or rare > max(2.0, _SLIPS * int(known.sum())):
        return None
    marks = [pair for pair in strange if pair[0] in frequent or pair[0] in missing]
    # Strings with a slip only stay text: the user may intend it.
    if not numbers and not marks:
        return None
    return evolve(marked, marks=tuple(text for text, _ in sorted(marks, key=lambda pair: (-pair[1], pair[0]))))


def _number_style(values: pa.StringArray, counts: Counts) -> _Style | None:
    """The style of the numbers among some texts; None if they are too few, or codes."""
    numbers = _matches(values, JSON_NUMBER)
    rows = int(counts[numbers].sum())
    if rows < max(_FEWEST, counts.sum() / 2):
        return None
    if counts[_matches(values, _CODE)].sum() > max(1.0, counts.sum() / 100):
        return None
    indices = np.flatnonzero(numbers)
    subset, weights = values.take(pa.array(indices)), counts[indices]
    styles: list[tuple[ColumnType, dict[str, Any], Mask]] = [(ColumnType.INTEGER, {}, integer_fit(subset))]
    loose = values.filter(pa.array(_matches(values, _LOOSE_NUMBER)))
    styles += [
        (ColumnType.DECIMAL, fields, decimal_fit(subset, fields))
        for fields in _decimal_styles(subset, weights, most_digits(loose))
    ]
    texts = values.to_pylist()

    def rows_written(type_: ColumnType, fields: dict[str, Any], fits: Mask) -> tuple[int, int]:
        """The rows whose number the style can write without rounding it, and those that are written so."""
        fitting = set(indices[fits].tolist())
        other = [index for index in range(len(texts)) if index not in fitting]
        read = respelled([texts[index] for index in other], Marked(type=type_, **fields))
        exact = sum(int(counts[index]) for index, number in zip(other, read, strict=True) if number is not None)
        return exact + int(weights[fits].sum()), int(weights[fits].sum())

    type_, fields, fits = max(styles, key=lambda each: rows_written(*each))
    if weights[fits].sum() < max(_FEWEST, counts.sum() / 2):
        return None
    found = np.zeros(len(values), dtype=bool)
    found[indices[fits]] = True
    return _Style(type_, fields, found)


def _decimal_styles(values: pa.StringArray, counts: Counts, most: int) -> list[dict[str, Any]]:
    """Ways to write decimals: with the digits that most of them have, and as short as each can be."""
    parts = pc.extract_regex(values, r"\.(?P<digits>[0-9]+)$")
    lengths = pc.fill_null(pc.utf8_length(pc.struct_field(parts, "digits")), 0).to_numpy(zero_copy_only=False)
    rows = Counter[int]()
    for length in np.unique(lengths).tolist():
        rows[int(length)] = int(counts[lengths == length].sum())
    digits = max(rows, key=lambda length: rows[length])
    styles: list[dict[str, Any]] = [{"scale": digits, "max_scale": digits, "whole_point": True}] if digits else []
    return [*styles, *({"scale": None, "max_scale": most, "whole_point": point} for point in (True, False))]


def _datetime_style(values: pa.StringArray, counts: Counts) -> _Style | None:
    """The format of the date-times among some texts; None if they are too few."""
    best: _Style | None = None
    for index in np.argsort(-counts, kind="stable")[:_TRIED_FORMATS].tolist():
        for format_ in candidates(values[index].as_py()):
            fits = format_fit(values, format_)
            if best is None or counts[fits].sum() > counts[best.fits].sum():
                best = _Style(ColumnType.DATETIME, {"datetime_format": format_}, fits)
    rows = 0 if best is None else int(counts[best.fits].sum())
    return None if rows < max(_FEWEST, counts.sum() / 2) else best


def fits_marked(values: pa.StringArray, marked: Marked) -> Mask:
    """Mask of the texts that are values of the main type, in its style."""
    if marked.type is ColumnType.DATETIME:
        return format_fit(values, marked.datetime_format or "")
    if marked.type is ColumnType.INTEGER:
        return integer_fit(values)
    return decimal_fit(values, {name: getattr(marked, name) for name in ("scale", "max_scale", "whole_point")})


def respelled(texts: Sequence[str], marked: Marked) -> list[str | None]:
    """Rewrite numbers of another style in the style of the column; None for a text that is not such a number.

    A number that the style would round stays None, so that nothing is lost.
    """
    found: list[str | None] = [None] * len(texts)
    if marked.type not in _NUMERIC or not texts:
        return found
    loose = np.flatnonzero(_matches(pa.array(texts, pa.string()), _LOOSE_NUMBER)).tolist()
    numbers = [(index, float(texts[index])) for index in loose]
    finite = [(index, number) for index, number in numbers if np.isfinite(number)]
    spelled = spell_numbers([number for _, number in finite], marked.column(""))
    if spelled:
        fits = fits_marked(pa.array(spelled, pa.string()), marked).tolist()
        for (index, number), text, fit in zip(finite, spelled, fits, strict=True):
            found[index] = text if fit and float(text) == number else None
    return found


def slips_note(name: str, array: pa.DictionaryArray, marked: Marked) -> str | None:
    """Note on values that are neither of the main type nor marks; None if there are none.

    Args:
        name: The column.
        array: The spelled column.
        marked: The main type and the marks.
    """
    values, codes = array.dictionary, codes_of(array)
    other = np.flatnonzero(~fits_marked(values, marked)).tolist()
    slips = [index for index in other if values[index].as_py() not in marked.marks]
    rows = np.flatnonzero(np.isin(codes, slips))
    if not rows.size:
        return None
    examples = [
        f"row {row + 1}: {_shown(values[int(codes[row])].as_py(), marked)}" for row in rows[:_MOST_EXAMPLES].tolist()
    ]
    more = f"; and {rows.size - _MOST_EXAMPLES:,} more" if rows.size > _MOST_EXAMPLES else ""
    share = f"{rows.size:,} of {len(codes):,} rows, {rows.size / len(codes):.2%}"
    return (
        f"column {name!r}, {'; '.join(examples)}{more} ({share}); "
        "to learn the column as text instead, give it the type text in data.types"
    )


def _shown(text: str, marked: Marked) -> str:
    """How a text is treated; without the text itself, which is private and would be logged."""
    shown = f"a text of {len(text):,} characters"
    (number,) = respelled([text], marked)
    if number is not None:
        return f"{shown} is read in the style of the others"
    kind = {ColumnType.DATETIME: "date-time", ColumnType.INTEGER: "integer"}.get(marked.type, "number")
    return f"{shown} is not a {kind} like the others, and is treated as rare: another value is drawn for it"


def _matches(values: pa.StringArray, pattern: str) -> Mask:
    return np.array(pc.match_substring_regex(values, pattern).to_numpy(zero_copy_only=False), dtype=bool)
