"""Which whole numbers only distinguish rows, and which are quantities though no two rows have the same.

Quantities collide, identifiers do not. Of numbers drawn at random from any smooth distribution about half as many
pairs are equal as lie one apart; so where many lie close to each other and none are equal, they were handed out.
That is a column of keys, whatever its spacing: counted on, in blocks, with gaps. Two kinds of columns that are no
keys never repeat either: years, and ranks, which go from 1 to the number of rows, are in no order and go with
other columns.

Numbers far apart do not collide, so they are keys only where nothing says that they measure anything: they spread
evenly over their range, as chance spreads them, which quantities of a hundred rows hardly ever do; none is negative;
and they go neither with another column nor with the row before.

A name may decide for either side: ``order_id`` is a key, and ``salary`` is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from attrs import frozen

from rowsmith.table.schema import ColumnSchema, ColumnType
from rowsmith.table.types.datetimes import parse_datetimes
from rowsmith.table.types.spelling import parse_numbers
from rowsmith_plugins.transforms.common.counting import Counted

__all__ = ["Names", "Numbers", "go_with", "is_spread_evenly", "levels_of", "names_of", "never_collides"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_KEY_WORDS = frozenset({"id", "uuid", "guid", "key", "pk", "identifier"})
_LAST_WORDS = frozenset({"no", "nr", "num", "number", "index", "idx"})
_KEY_ENDINGS = (
    "userid",
    "customerid",
    "orderid",
    "rowid",
    "recordid",
    "passengerid",
    "patientid",
    "employeeid",
    "productid",
    "transactionid",
    "accountid",
    "clientid",
    "memberid",
    "personid",
    "studentid",
    "caseid",
    "itemid",
    "invoiceid",
    "sessionid",
)
_COUNTED = frozenset({"n", "no", "nr", "num", "number"})
"""Words that make what follows them a count: ``n_rooms``, ``number of visits``."""
_MEASURE = re.compile(
    "(age|amount|area|average|balance|budget|capacity|cost|count|date|day|deposit|depth|dist|distance|duration|earning"
    "|elevation|expenditure|expense|fare|fee|freq|frequency|gdp|height|hour|income|km|latitude|length|loan|longitude"
    "|mean|median|mile|minute|month|pay|payment|percent|period|pop|population|position|price|profit|qty|quantity|rank"
    "|ranking|rate|ratio|revenue|salary|sale|score|season|second|share|size|spend|step|sum|t|temperature|time|timestamp"
    "|total|value|volume|vote|wage|wealth|week|weight|width|year)s?"
)
_YEARS = (1500, 2100)

_REACH = 8
"""How far apart, in steps, two numbers may lie to count as close."""
_CERTAIN = 5.0
"""So many pairs must be expected to collide where none does: by chance that happens once in 150 columns."""
_COLLIDING = 0.1
"""The share of the pairs expected that may be equal nevertheless, such as rows entered twice."""
_RANKED = 0.8
_FEWEST = 100
_EVEN = (0.35, 1.95)
"""Between which the Kolmogorov-Smirnov statistic, times the root of the rows, lies for 999 of 1,000 even draws."""
_DEVIATIONS = 7.0
"""Standard deviations above what chance gives; many columns are looked at."""
_RANK_DEVIATIONS = 5.0
"""The same for numbers that could be ranks, which are likely to go with other columns."""
_CORRELATION = 4.0
"""The same for the correlation of a row with the one before it."""
_LEVELS = 5
_LARGE = 5


@frozen
class Names:
    """What a column's name says.

    Attributes:
        key: That it holds keys.
        measure: That it holds quantities.
    """

    key: bool
    measure: bool


def names_of(name: str) -> Names:
    """What the words of a column's name say of it; a key is said first."""
    words = [word.lower() for word in _WORDS.findall(name)]
    several = len(words) > 1
    key = (
        # A first column without a name distinguishes the rows.
        not name
        or bool(_KEY_WORDS.intersection(words))
        or (several and words[-1] in _LAST_WORDS)
        or name.lower().endswith(_KEY_ENDINGS)
    )
    counted = several and words[0] in _COUNTED
    return Names(key, counted or any(_MEASURE.fullmatch(word) for word in words))


@frozen(eq=False)
class Numbers:
    """A column of whole numbers.

    Attributes:
        values: Its distinct numbers, ascending.
        counts: The rows of each.
        rows: The index among ``values`` of each row that has one, in the table's order.
    """

    values: Ints
    counts: Ints
    rows: Ints

    @classmethod
    def of(cls, values: Iterable[str], codes: npt.NDArray[np.int32]) -> Numbers:
        """The numbers of a spelled column.

        Args:
            values: Distinct spelled numbers, of at most 63 bits.
            codes: The index of each row's number, -1 for null.
        """
        numbers = np.array([int(value) for value in values], dtype=np.int64)
        order = np.argsort(numbers, kind="stable")
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order))
        rows = ranks[codes[codes >= 0]]
        return cls(numbers[order], np.bincount(rows, minlength=len(order)).astype(np.int64), rows)

    @property
    def steps(self) -> npt.NDArray[np.uint64]:
        """How far each value is from the least, in common steps."""
        # The difference of two numbers of 63 bits takes 64.
        above = self.values.astype(np.uint64) - self.values[:1].astype(np.uint64)
        return np.asarray(above // max(np.uint64(1), np.gcd.reduce(above)), dtype=np.uint64)

    @property
    def rising(self) -> float:
        """The share of rows above the one before them; 1 or 0 for a table in their order."""
        return float((np.diff(self.rows) > 0).mean()) if len(self.rows) > 1 else 1.0

    @property
    def in_order(self) -> bool:
        """Whether nearly all rows are in the order of their numbers."""
        return not 0.05 < self.rising < 0.95

    @property
    def could_be_years(self) -> bool:
        """Whether all numbers are years of the last centuries."""
        return bool(self.values[0] >= _YEARS[0] and self.values[-1] <= _YEARS[1])

    @property
    def ranked(self) -> bool:
        """Whether they could rank the rows: they fill their range from 0 or 1 on, in no order."""
        filled = len(self.values) >= _RANKED * (float(self.values[-1]) - float(self.values[0]) + 1)
        return filled and bool(0 <= self.values[0] <= len(self.values) // 10 + 1) and not self.in_order


def never_collides(numbers: Numbers) -> bool:
    """Whether the numbers are so close that some would be equal, had chance drawn them, and none are."""
    steps = np.repeat(numbers.steps, numbers.counts)
    after = np.searchsorted(steps, steps, side="right")
    close = np.searchsorted(steps, steps + np.minimum(np.uint64(_REACH), ~steps), side="right") - after
    expected = float(close.sum()) / (2 * _REACH)
    equal = float((numbers.counts * (numbers.counts - 1) // 2).sum())
    return expected >= _CERTAIN and equal <= _COLLIDING * expected


def is_spread_evenly(numbers: Numbers) -> bool:
    """Whether many numbers, none negative, lie in their range as even draws do, and go with no row before them."""
    size = len(numbers.values)
    if size < _FEWEST or numbers.values[0] < 0:
        return False
    steps = numbers.steps
    positions = steps.astype(np.float64) / float(steps[-1])
    gap = float(np.abs(positions - np.arange(size) / (size - 1)).max()) * size**0.5
    return _EVEN[0] <= gap <= _EVEN[1] and (numbers.in_order or not _follow_each_other(numbers.rows))


def levels_of(column: ColumnSchema, counted: Counted) -> Ints:
    """A column cut into few levels: numbers and date-times by size, others by their commonest values.

    Args:
        column: The column.
        counted: Its values.

    Returns:
        The level of each row, from 0; nulls have one of their own.
    """
    if column.type in (ColumnType.INTEGER, ColumnType.DECIMAL):
        order = np.argsort(parse_numbers(counted.values), kind="stable")
    elif column.type is ColumnType.DATETIME and column.datetime_format is not None:
        order = np.argsort(parse_datetimes(counted.values, column.datetime_format), kind="stable")
    else:
        order = np.argsort(-counted.counts, kind="stable")
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order)).clip(max=_LEVELS)
        return np.append(ranks, _LEVELS + 1)[counted.codes]
    levels = np.empty(len(order), dtype=np.int64)
    below = np.cumsum(counted.counts[order]) - counted.counts[order]
    levels[order] = below * _LEVELS // max(1, counted.rows)
    return np.append(levels, _LEVELS + 1)[counted.codes]


def go_with(numbers: Numbers, others: Iterable[Ints]) -> bool:
    """Whether the numbers go with another column, more than chance makes them.

    Args:
        numbers: The numbers.
        others: For other columns, the level of each row that has a number: from 0, few of them.
    """
    certain = _RANK_DEVIATIONS if numbers.ranked else _DEVIATIONS
    scaled = (numbers.rows - numbers.rows.mean()) / max(float(numbers.rows.std()), 1e-9)
    for levels in others:
        rows = np.bincount(levels)
        totals = np.bincount(levels, weights=scaled)
        large = rows >= _LARGE
        groups = int(large.sum())
        if groups > 1:
            excess = float((totals[large] ** 2 / rows[large]).sum()) - groups
            if excess > certain * (2 * groups) ** 0.5:
                return True
    return False


def _follow_each_other(rows: Ints) -> bool:
    centred = rows - rows.mean()
    spread = float((centred**2).sum())
    return spread > 0 and abs(float((centred[1:] * centred[:-1]).sum())) / spread > _CORRELATION / len(rows) ** 0.5
