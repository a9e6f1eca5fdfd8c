"""What a column holds, told from the real table alone, without asking what it was taken for by the learner."""

from __future__ import annotations

import enum
import re

import numpy as np
import pandas as pd

FEW_ROWS = 5
"""A value that fewer rows have is rare: by the rule of protection it is not learned."""

_MARKED = 0.9
_FEW_NUMBERS = 20
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
_IDENTIFIER_WORDS = frozenset(
    {"case", "code", "id", "ids", "index", "key", "no", "nr", "num", "number", "rownames", "subject", "uuid"}
)
_IDENTIFIER = re.compile(r"(p|s|h|hh|sch|stud|study|subj|pers|firm|cust)id|(id|doc|case|ref)no|[a-z]+code")
"""What is written in one word: ``pid``, ``schid``, ``idno``, ``docno``, ``zipcode``."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Kind(enum.Enum):
    """What a column holds."""

    EMPTY = "nothing"
    LABELS = "labels"
    NUMBERS = "numbers"
    TEXT = "text"


def kind_of(real: pd.Series) -> Kind:
    """What a real column holds; moments are numbers, as are columns with a few marks among numbers."""
    known = real.dropna()
    if known.empty:
        return Kind.EMPTY
    if pd.api.types.is_bool_dtype(known.infer_objects()) or known.nunique() <= 2:
        return Kind.LABELS
    if numbers_of(real, real) is not None:
        return Kind.NUMBERS
    counts = known.astype(str).value_counts()
    return Kind.LABELS if counts[counts >= FEW_ROWS].sum() >= len(known) / 2 else Kind.TEXT


def numbers_of(real: pd.Series, column: pd.Series) -> pd.Series | None:
    """The numbers of a column, missing where there is none; None where the real column holds no numbers.

    Args:
        real: The real column.
        column: The real or the synthetic one.
    """
    known = real.dropna()
    if pd.api.types.is_bool_dtype(known.infer_objects()):
        return None
    if pd.api.types.is_numeric_dtype(real):
        return _finite(column)
    texts = known.astype(str)
    read = read_numbers(texts)
    if read.notna().mean() >= _MARKED and read.nunique() >= _FEW_NUMBERS:
        return _finite(column.astype(object).where(column.isna(), column.astype(str)))
    if _are_moments(real, texts):
        found = pd.to_datetime(column, errors="coerce", utc=True)
        seconds = (found - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
        return seconds.astype(float)
    return None


def marks_of(column: pd.Series) -> pd.Series:
    """The labels that stand among the numbers of a column, missing where there is a number or nothing."""
    texts = column.astype(object).where(column.isna(), column.astype(str))
    return texts.where(read_numbers(texts).isna())


def read_numbers(column: pd.Series) -> pd.Series:
    """The number that each value is, NaN for what is none.

    ``pandas.to_numeric`` ends the process at some texts that a bad model writes.
    """
    if pd.api.types.is_numeric_dtype(column):
        return column.astype(float)
    known = {text: float(text) if _NUMBER.fullmatch(text) else np.nan for text in column.dropna().astype(str).unique()}
    return column.map(lambda value: known.get(str(value), np.nan), na_action="ignore").astype(float)


def names_identifiers(name: str) -> bool:
    """Whether a column is called like one of identifiers: by a word of theirs, or two written in one."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return not _IDENTIFIER_WORDS.isdisjoint(words) or any(map(_IDENTIFIER.fullmatch, words))


def counts_rows(real: pd.Series) -> bool:
    """Whether a column holds whole numbers that fill at least half of their range, each once."""
    numbers = _finite(real)
    return numbers_rows(real) and bool(numbers.max() - numbers.min() < 2 * len(numbers))


def numbers_rows(real: pd.Series) -> bool:
    """Whether a column holds whole numbers, another one in each row."""
    numbers = _finite(real)
    return bool(len(real)) and bool(numbers.notna().all() and (numbers % 1 == 0).all() and numbers.is_unique)


def _finite(column: pd.Series) -> pd.Series:
    numbers = read_numbers(column)
    return numbers.where(np.isfinite(numbers))


def _are_moments(real: pd.Series, texts: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(real):
        return True
    if not texts.str.match(_DATE).all():
        return False
    try:
        pd.to_datetime(texts)
    except (ValueError, OverflowError):
        return False
    return True
