"""Formulas that may give a column, found on a sample of rows.

All pairs of columns are compared at once with all others; what holds in enough of the sample is only a candidate, and
checked on more rows (see ``evidence``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from rowsmith_plugins.transforms.relations.axes import DAY, Floats, Ints, Mask, Numbers
from rowsmith_plugins.transforms.relations.formulas import Formula

__all__ = ["Candidate", "Sample", "find_candidates", "sample_size"]

Bools = npt.NDArray[np.bool_]

_WORK = 1.5e9
"""Comparisons of a search for pairs of columns."""
_LEAST_ROWS, _MOST_ROWS = 256, 4_000
_PROBED, _PROBE_HITS = 256, 3
_EXACT = 2.0**52
_MOST_DIGITS = 6
_CAUTION = 0.5
_FEWEST_HITS = 4
_FACTOR_DIGITS = (0, 2, 4)
_FACTORS_A_PAIR = 3
_SCALES = ((1.0, 1.0), (1.0, 100.0))
_RATIO_SCALES = (1.0, 100.0)
_TIMES = (DAY, 3_600_000_000, 60_000_000, 1_000_000)
_MOST_STEPS = 6
_HALF = 0.5 + 1e-6
_NEARLY = 1e-9


@frozen
class Candidate:
    """A formula that may give a column.

    Attributes:
        target: The index of the column.
        formula: The formula.
    """

    target: int
    formula: Formula


@frozen(eq=False)
class Sample:
    """Some rows of the columns.

    Attributes:
        numbers: The columns.
        zones: The time zone of each, for date-times.
        rare: For each column, rows whose value is no frequent one.
        min_support: Least share of rows in which a formula holds.
    """

    numbers: Sequence[Numbers]
    zones: Sequence[str]
    rare: Sequence[Mask]
    min_support: float

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.numbers[0].units)

    @property
    def plain(self) -> list[int]:
        """The columns of numbers."""
        return [index for index, each in enumerate(self.numbers) if not each.axis.is_date]

    @property
    def dates(self) -> list[int]:
        """The columns of date-times."""
        return [index for index, each in enumerate(self.numbers) if each.axis.is_date]

    def needed(self) -> int:
        """Hits from which on a formula is a candidate."""
        return max(_FEWEST_HITS, int(_CAUTION * self.min_support * self.rows))

    def name(self, index: int) -> str:
        """The name of a column."""
        return self.numbers[index].axis.name


def sample_size(columns: int) -> int:
    """How many rows a search among so many columns looks at."""
    return int(np.clip(_WORK / max(1, columns**3 / 2), _LEAST_ROWS, _MOST_ROWS))


def find_candidates(sample: Sample) -> list[Candidate]:
    """Formulas that hold in enough rows of a sample."""
    found = [*_of_one_column(sample), *_of_dates(sample), *_of_two_columns(sample)]
    return list(dict.fromkeys(found))


def _of_one_column(sample: Sample) -> Iterator[Candidate]:
    """Copies, constant offsets, factors and roundings of another column."""
    for group in (sample.plain, sample.dates):
        for target in group:
            others = [each for each in group if each != target and sample.zones[each] == sample.zones[target]]
            if others:
                yield from _copies(sample, target, others)
                if target in sample.plain:
                    yield from _factors(sample, target, others)
                yield from _roundings(sample, target, others)


def _copies(sample: Sample, target: int, others: list[int]) -> Iterator[Candidate]:
    own = sample.numbers[target]
    for other in others:
        each = sample.numbers[other]
        both = own.known & each.known
        if each.axis.digits > own.axis.digits or not both.any():
            continue
        gaps = own.units[both] - each.units[both] * 10 ** (own.axis.digits - each.axis.digits)
        if np.count_nonzero((gaps == 0) & sample.rare[target][both]) >= sample.needed() or not gaps.any():
            yield Candidate(target, Formula("sum", (sample.name(other),), (1,)))
        elif (gaps == gaps[0]).all():
            yield Candidate(target, Formula("sum", (sample.name(other),), (1,), offset=int(gaps[0])))


def _factors(sample: Sample, target: int, others: list[int]) -> Iterator[Candidate]:
    own = sample.numbers[target]
    values = np.where(own.known & (own.units != 0), own.doubles, np.nan)
    matrix = np.array([_doubles(sample.numbers[other]) for other in others])
    narrow = np.count_nonzero(sample.rare[target]) < sample.needed()
    counted = own.known if narrow else sample.rare[target]
    needed = max(sample.needed(), int(0.9 * counted.sum())) if narrow else sample.needed()
    for inverse in (False, True):
        with np.errstate(all="ignore"):
            ratios = matrix / values if inverse else values / matrix
        for digits in _FACTOR_DIGITS:
            with np.errstate(all="ignore"):
                factors = np.round(ratios, digits)
                again = (matrix / factors if inverse else matrix * factors) * 10.0**own.axis.digits
                good = (np.abs(again - own.units) <= _HALF) & (factors != 0) & (factors != 1) & counted
                # A factor that nearly any number fits is none: its last digit must matter.
                coarse = np.abs(again) * 10.0**-digits < np.abs(factors)
            factors = np.where(good & ~coarse, factors, np.nan)
            for row in np.flatnonzero(_longest_run(factors, needed)):
                for factor in _frequent(factors[row], needed):
                    copy = Formula("sum", (sample.name(others[row]),), (1,))
                    yield Candidate(target, evolve(copy, divisor=factor) if inverse else evolve(copy, factor=factor))


def _roundings(sample: Sample, target: int, others: list[int]) -> Iterator[Candidate]:
    own = sample.numbers[target]
    rare = sample.rare[target] & own.known
    narrow = np.count_nonzero(rare) < sample.needed()
    counted = own.known if narrow else rare
    for other in others:
        each = sample.numbers[other]
        for step in _steps(own, each):
            for rounding in ("even", "floor", "ceil"):
                if not _is_likely(own, each, step, rounding, counted):
                    continue
                formula = Formula("sum", (sample.name(other),), (1,), step=step, rounding=rounding)
                found, able = formula.evaluate({sample.name(other): each}, own.axis, sample.rows)
                hits = int((able & counted & (found == own.units)).sum())
                if hits >= (max(_FEWEST_HITS, int(0.98 * (able & counted).sum())) if narrow else sample.needed()):
                    yield Candidate(target, formula)


def _is_likely(own: Numbers, other: Numbers, step: int, rounding: str, counted: Mask) -> bool:
    """Whether a rounding holds in a few of the first rows, which most do not."""
    if own.axis.is_date:
        return True
    round_ = {"even": np.rint, "floor": np.floor, "ceil": np.ceil}[rounding]
    scaled = other.units[:_PROBED] * (10.0 ** (own.axis.digits - other.axis.digits) / step)
    nearly = {"even": 0.0, "floor": _NEARLY, "ceil": -_NEARLY}[rounding]
    held = counted[:_PROBED] & (np.abs(round_(scaled + nearly) * step - own.units[:_PROBED]) <= _HALF)
    return bool(np.count_nonzero(held) >= _PROBE_HITS)


def _steps(own: Numbers, other: Numbers) -> Iterator[int]:
    """Steps, in units of a column, to which another column may be rounded."""
    if own.axis.is_date:
        yield from (step for step in (60_000_000, 3_600_000_000, DAY) if (other.units[other.known] % step).any())
        return
    if other.axis.digits > own.axis.digits:
        yield 1
    greatest = int(np.abs(own.units).max(initial=0))
    for digits in range(1, _MOST_STEPS + 1):
        if 10**digits > greatest:
            return
        if np.count_nonzero(own.known & _multiples(own.units, 10**digits)) >= _FEWEST_HITS:
            yield 10**digits


def _multiples(units: Ints, step: int) -> Mask:
    """Which numbers are multiples of a step, other than 0."""
    found: Mask = (units % step == 0) & (units != 0)
    return found


def _of_dates(sample: Sample) -> Iterator[Candidate]:
    """Numbers that are the time between two date-times."""
    for first, second in itertools.permutations(sample.dates, 2):
        if sample.zones[first] != sample.zones[second]:
            continue
        names = (sample.name(first), sample.name(second))
        numbers = dict(zip(names, (sample.numbers[first], sample.numbers[second]), strict=True))
        for target in sample.plain:
            own = sample.numbers[target]
            for unit, rounding in itertools.product(_TIMES, ("even", "floor", "ceil")):
                formula = Formula("sum", names, (1, -1), unit=unit, rounding=rounding)
                found, able = formula.evaluate(numbers, own.axis, sample.rows)
                both = able & own.known
                hits = both & (found == own.units)
                if both.any() and int(hits.sum()) >= max(_FEWEST_HITS, int(0.98 * both.sum())):
                    yield Candidate(target, formula)
                    if unit == DAY and rounding == "even":
                        sum_ = Formula("sum", (names[1], sample.name(target)), (1, 1), unit=unit)
                        yield Candidate(first, sum_)
                    break


def _of_two_columns(sample: Sample) -> Iterator[Candidate]:
    """Sums, differences, products and ratios of two columns."""
    plain = sample.plain
    if len(plain) < 3:
        return
    doubles = np.array([_doubles(sample.numbers[index]) for index in plain])
    digits = np.array([sample.numbers[index].axis.digits for index in plain])
    units = np.array([np.where(each.known, each.units, np.nan) for each in (sample.numbers[index] for index in plain)])
    rare = np.array([sample.rare[index] for index in plain])
    known = ~np.isnan(doubles)
    shared = min(int(digits.max()), _MOST_DIGITS)
    scaled = units * (10.0 ** (shared - digits))[:, None]
    scaled[(digits > shared) | (np.nanmax(np.abs(scaled), axis=1, initial=0) > _EXACT)] = np.nan
    powers, ones = (10.0**digits)[:, None], np.ones((len(plain), 1))
    names = [sample.name(index) for index in plain]
    for first, second in itertools.combinations(range(len(plain)), 2):
        both = known[first] & known[second]
        if not both.any():
            continue
        pair = (names[first], names[second])
        # Sums with 0 are copies, products with 1 too; they are no evidence.
        nontrivial = both & (doubles[first] != 0) & (doubles[second] != 0)
        for third in _hits(sample, scaled[first] + scaled[second], ones, scaled, both, nontrivial, rare):
            if third not in (first, second):
                yield Candidate(plain[third], Formula("sum", pair, (1, 1)))
                for one, other in ((first, second), (second, first)):
                    yield Candidate(plain[one], Formula("sum", (names[third], names[other]), (1, -1)))
        nontrivial &= (np.abs(doubles[first]) != 1) & (np.abs(doubles[second]) != 1)
        with np.errstate(all="ignore"):
            product = doubles[first] * doubles[second]
            for factor, divisor in _SCALES:
                for third in _hits(sample, product * (factor / divisor), powers, units, both, nontrivial, rare):
                    if third not in (first, second):
                        yield Candidate(plain[third], Formula("product", pair, factor=factor, divisor=divisor))
            for one, other in ((first, second), (second, first)):
                ratio = doubles[one] / doubles[other]
                for scale in _RATIO_SCALES:
                    for third in _hits(sample, ratio * scale, powers, units, both, nontrivial, rare):
                        if third not in (first, second):
                            yield Candidate(plain[third], Formula("ratio", (names[one], names[other]), factor=scale))


def _hits(
    sample: Sample, computed: Floats, powers: Floats, units: Floats, able: Mask, nontrivial: Mask, rare: Bools
) -> Ints:
    """The columns that a formula gives in enough rows: rare values of many rows, or nearly all rows.

    Args:
        sample: The sample.
        computed: What the formula gives.
        powers: The units of each column in one, as a matrix of one column.
        units: The numbers of each column; NaN for unknown.
        able: Rows in which the formula has operands.
        nontrivial: Rows in which the formula is no copy.
        rare: Rows with a rare value.
    """
    # Most formulas hold nowhere, which few rows show.
    first = np.abs(computed[:_PROBED] * powers - units[:, :_PROBED]) <= _HALF
    likely = np.flatnonzero(np.count_nonzero(first, axis=1) >= min(_PROBE_HITS, sample.needed()))
    if not len(likely):
        return likely
    found = []
    for index in likely.tolist():
        held = np.abs(computed * powers[index] - units[index]) <= _HALF
        if np.count_nonzero(held) < sample.needed():
            continue
        unusual = held & nontrivial
        all_known = np.count_nonzero(able & ~np.isnan(units[index]))
        share_rare = np.count_nonzero(unusual & rare[index])
        exact = held.sum() >= 0.98 * all_known and unusual.sum() >= _FEWEST_HITS
        if exact or (share_rare >= _FEWEST_HITS and share_rare >= 0.002 * sample.rows):
            found.append(index)
    return np.array(found, dtype=np.int64)


def _doubles(numbers: Numbers) -> Floats:
    return np.where(numbers.known, numbers.doubles, np.nan)


def _longest_run(rows: Floats, length: int) -> Mask:
    """Which rows of a matrix hold some number at least so many times."""
    if rows.shape[1] < length:
        return np.zeros(len(rows), dtype=np.bool_)
    ordered = np.sort(rows, axis=1)
    return np.asarray((ordered[:, length - 1 :] == ordered[:, : ordered.shape[1] - length + 1]).any(axis=1))


def _frequent(factors: Floats, needed: int) -> list[float]:
    values, counts = np.unique(factors[~np.isnan(factors)], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_FACTORS_A_PAIR]
    return [float(values[index]) for index in order if counts[index] >= needed]
