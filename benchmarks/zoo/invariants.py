"""What must hold of a synthetic column beside the real one: each invariant a pure function that gives its faults.

Every bound is what a resample of the real column keeps 99 times in a hundred, and a tolerance for a model that
had seconds to learn. A fault says how large a share of rows would have to have been changed to explain it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
from attrs import evolve, frozen

from benchmarks.zoo import noise
from benchmarks.zoo.kinds import FEW_ROWS
from rowsmith.table.types.text_shapes import shape_of

SHAPE_TOLERANCE = 0.08
"""What the distance of a column of numbers or labels may be beyond the band."""
LENGTH_TOLERANCE = 0.12
"""The same of the lengths of free text."""
SHARE_TOLERANCE = 0.03
"""What a share of nulls, or of one text, may be off beyond the band."""
END_TOLERANCE = 0.01
"""What the share of rows at, beyond or below an end may be off beyond the band."""
END_RATIO = 0.25
"""Where many rows lie at an end, their share may be off by this part of it besides."""
MANY_LABELS = 30
"""Columns of more labels may be learned as text."""
SPREAD = 2.0
"""The spread may be so many times as large or as small, and what resamples of it differ by."""

_MOST_DIGITS = 6
_RARE = "(rare)"
_ENDS = (0.05, 0.95)

OF_OUTLINE = frozenset({"nulls", "shape", "spread", "ends", "labels", "lost labels", "lengths", "repeated text"})
"""What a model of too few steps gets wrong without any fault of what surrounds it."""

OF_QUANTITY = frozenset({"shape", "spread", "ends"})
"""What keys that are made anew do not keep, nor are said to."""

Floats = npt.NDArray[np.float64]


@frozen
class Fault:
    """An invariant that does not hold.

    Attributes:
        invariant: Its name.
        column: The column; empty for the table, and for a column without a name.
        detail: What was found, in a few words.
        share: The share of rows that must have been changed for it, from 0 to 1.
    """

    invariant: str
    column: str
    detail: str
    share: float = 1.0


def nulls(name: str, real: pd.Series, synthetic: pd.Series) -> Iterator[Fault]:
    """Missing values are as frequent; there are none where there were none."""
    first, second = float(real.isna().mean()), float(synthetic.isna().mean())
    # Cells that are missing together in both tables are as good as equal; none may be made up.
    band = noise.share_band(first, len(real), len(synthetic)) + SHARE_TOLERANCE
    invented = first == 0 and second > 0
    lost = second == 0 and first > noise.unseen_share(len(synthetic)) + SHARE_TOLERANCE
    if invented or lost or abs(first - second) > band:
        yield Fault("nulls", name, f"{first:.1%} became {second:.1%}", abs(first - second))


def constant(name: str, real: pd.Series, synthetic: pd.Series) -> Iterator[Fault]:
    """A column with several values has several."""
    shares = real.value_counts(normalize=True)
    if len(shares) < 2 or synthetic.nunique() > 1:
        return
    known = int(synthetic.notna().sum())
    if shares.iloc[0] < 1 - noise.unseen_share(max(1, known)):
        value = synthetic.dropna().iloc[0] if known else "nothing"
        lost = 1 - float(shares.get(value, 0.0))
        yield Fault("constant", name, f"{len(shares):,} values became {value!r} alone", lost)


def shape(name: str, real: Floats, synthetic: Floats) -> Iterator[Fault]:
    """Every quantile is where it was: the distance of the distributions is that of a resample."""
    grid = np.union1d(real, synthetic)
    first, second = (_counts(each, grid) for each in (real, synthetic))
    band = noise.steps_band(first[first > 0], min(len(real), len(synthetic)))
    distance = float(noise.steps_apart(first / len(real), second / len(synthetic)))
    if distance > band + SHAPE_TOLERANCE:
        yield Fault("shape", name, f"KS {distance:.3f}, a resample {band:.3f}", distance - band)


def spread(name: str, real: Floats, synthetic: Floats) -> Iterator[Fault]:
    """The range of nine tenths of the rows, or the deviation where that is none, is between half and twice."""
    measure = _range if _range(real) > 0 else _deviation
    usual = measure(real)
    if usual == 0:
        return
    random = np.random.default_rng(0)
    size = min(len(real), len(synthetic))
    found = [measure(random.choice(real, size)) / usual for _ in range(noise.RESAMPLES)]
    low, high = np.quantile(found, [(1 - noise.LEVEL) / 2, (1 + noise.LEVEL) / 2])
    ratio = measure(synthetic) / usual
    if not min(1.0, low) / SPREAD <= ratio <= max(1.0, high) * SPREAD:
        yield Fault("spread", name, f"{ratio:.2f} times the real one", noise.unseen_share(len(real)))


def ends(name: str, real: Floats, synthetic: Floats) -> Iterator[Fault]:
    """No rows pile up at an end, none lie beyond the real ones, and the tails reach as far as protection lets them.

    The rule of protection moves the rows beyond the k-th lowest and highest: so many may lie at an end.
    """
    for end, sign in (("low", -1.0), ("high", 1.0)):
        one, two = sign * real, sign * synthetic
        protected = 2 * FEW_ROWS / len(real)
        top = two.max()
        there = float((one == top).mean())
        piled = float((two == top).mean()) - there
        tolerance = END_TOLERANCE + min(SHAPE_TOLERANCE, END_RATIO * there)
        room = noise.share_band(there, len(real), len(synthetic)) + protected + tolerance
        if piled > room:
            yield Fault("ends", name, f"{piled:.1%} of rows piled up at the {end} end", piled)
        cut = float((one > top).mean())
        if cut > protected + noise.unseen_share(len(synthetic)) + END_TOLERANCE:
            yield Fault("ends", name, f"{cut:.1%} of rows cut off at the {end} end", cut)
        beyond = float((two > one.max()).mean())
        if beyond > END_TOLERANCE:
            yield Fault("ends", name, f"{beyond:.1%} of rows beyond the {end} end", beyond)


def digits(name: str, real: Floats, synthetic: Floats) -> Iterator[Fault]:
    """Numbers of few digits after the point have no more of them."""
    found = _digits(real)
    if found is not None:
        longer = float((_rounded(synthetic, found) != synthetic).mean())
        if longer > 0:
            yield Fault("digits", name, f"{longer:.1%} of rows have more than {found} digits after the point", longer)


def labels(name: str, real: pd.Series, synthetic: pd.Series) -> Iterator[Fault]:
    """Labels are as frequent as in a resample, none that is frequent is lost, and none is new."""
    first, second = (each.value_counts() for each in _as_texts(real, synthetic))
    known = first.index.union(second.index, sort=False)
    mine, theirs = (each.reindex(known, fill_value=0).to_numpy(dtype=np.int64) for each in (first, second))
    band = noise.shares_band(mine, min(len(real), len(synthetic)))
    distance = float(noise.shares_apart(mine / len(real), theirs / len(synthetic)))
    if distance > band + SHAPE_TOLERANCE:
        yield Fault("labels", name, f"TV {distance:.3f}, a resample {band:.3f}", distance - band)
    # A model with little time may give a label half its share.
    least = max(2 * noise.unseen_share(len(synthetic)), FEW_ROWS / len(real))
    lost = [(label, count / len(real)) for label, count in first.items() if label not in second.index]
    lost = [(label, share) for label, share in lost if share > least]
    if lost:
        label, share = max(lost, key=lambda each: each[1])
        yield Fault("lost labels", name, f"{label!r}, {share:.1%} of rows, is lost", sum(share for _, share in lost))
    new = theirs[mine == 0].sum() / len(synthetic)
    # Columns of many labels may be learned as text, which spells a few that are not there.
    if new > (SHARE_TOLERANCE if len(first) > MANY_LABELS else 0):
        example = next(label for label in second.index if label not in first.index)
        yield Fault("new labels", name, f"{example!r} is new, {new:.1%} of rows are", float(new))


def invented(name: str, real: pd.Series, synthetic: pd.Series) -> Iterator[Fault]:
    """Where invented labels stand for rare ones, these count as one; the others are as they were.

    That no rare one comes back, the rule of protection asks for. The new ones are of the same kinds of characters, and
    none of them is more frequent than a rare label can be.
    """
    first, second = _as_texts(real, synthetic)
    counts = first.value_counts()
    known, frequent = set(counts.index), set(counts.index[counts >= FEW_ROWS])
    rare, new = first[~first.isin(frequent)], second[~second.isin(known)]
    yield from labels(name, first.where(first.isin(frequent), _RARE), second.where(second.isin(known), _RARE))
    if rare.empty or new.empty:
        return
    seen = set().union(*map(shape_of, rare))
    strange = new[[not seen.issuperset(shape_of(each)) for each in new]]
    if len(strange) > END_TOLERANCE * len(second):
        example = strange.iloc[0][:40]
        yield Fault("characters", name, f"kinds of characters never seen: {example!r}", len(strange) / len(second))
    for fault in _length_faults(name, rare, new):
        yield evolve(fault, share=fault.share * len(rare) / len(first))
    usual = FEW_ROWS / len(first)
    found = new.value_counts(normalize=True) * len(new) / len(second)
    if found.iloc[0] > usual + noise.share_band(usual, len(first), len(second)) + SHARE_TOLERANCE:
        detail = f"{found.index[0][:40]!r} is {found.iloc[0]:.1%} of rows, no rare one was {usual:.1%}"
        yield Fault("repeated text", name, detail, float(found.iloc[0]))


def text(name: str, real: pd.Series, synthetic: pd.Series) -> Iterator[Fault]:
    """Texts are made of characters seen, as long as they were, and none is more frequent than any was."""
    first, second = real.astype(str), synthetic.astype(str)
    seen = set().union(*first)
    strange = second[[not seen.issuperset(each) for each in second]]
    if len(strange) > END_TOLERANCE * len(second):
        example = strange.iloc[0][:40]
        yield Fault("characters", name, f"characters never seen: {example!r}", len(strange) / len(second))
    yield from _length_faults(name, first, second)
    most, found = (float(each.value_counts(normalize=True).iloc[0]) for each in (first, second))
    if found > most + noise.share_band(most, len(first), len(second)) + SHARE_TOLERANCE:
        value = second.value_counts().index[0][:40]
        yield Fault(
            "repeated text", name, f"{value!r} is {found:.1%} of rows, none was more than {most:.1%}", found - most
        )


def keys(name: str, real: pd.Series, synthetic: pd.Series) -> Iterator[Fault]:
    """Keys are distinct, and none is one of those learned from."""
    doubled = float(synthetic.duplicated().mean())
    if doubled > 0 and real.is_unique:
        yield Fault("keys", name, f"{doubled:.1%} of rows have the key of an earlier one", doubled)
    known = float(synthetic.astype(str).isin(set(real.astype(str))).mean())
    if known:
        yield Fault("keys", name, f"{known:.1%} of rows have the key of a real one", known)


def row_numbers(name: str, real: pd.Series, synthetic: pd.Series) -> Iterator[Fault]:
    """A first column without a name that numbers the rows goes on doing so: each number once."""
    doubled = float(synthetic.duplicated().mean()) if len(synthetic) else 0.0
    if doubled or synthetic.isna().any():
        yield Fault("keys", name, f"{doubled:.1%} of rows have the number of an earlier one", doubled)


def _as_texts(real: pd.Series, synthetic: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Both columns as texts: a file of whole numbers is read as integers without a gap, and as floats with one."""
    both = (real, synthetic)
    numbers = all(pd.api.types.is_numeric_dtype(each) and not pd.api.types.is_bool_dtype(each) for each in both)
    first, second = (each.astype(float if numbers else str).astype(str) for each in both)
    return first, second


def _length_faults(name: str, real: pd.Series, synthetic: pd.Series) -> Iterator[Fault]:
    """Of texts whose lengths are others."""
    one, two = (each.str.len().to_numpy(dtype=float) for each in (real, synthetic))
    grid = np.union1d(one, two)
    counts = _counts(one, grid)
    band = noise.steps_band(counts[counts > 0], min(len(one), len(two)))
    distance = float(noise.steps_apart(counts / len(one), _counts(two, grid) / len(two)))
    if distance > band + LENGTH_TOLERANCE:
        yield Fault("lengths", name, f"KS of lengths {distance:.3f}, a resample {band:.3f}", distance - band)


def _counts(values: Floats, grid: Floats) -> npt.NDArray[np.int64]:
    return np.bincount(np.searchsorted(grid, values), minlength=len(grid))


def _range(values: Floats) -> float:
    low, high = np.quantile(values, _ENDS)
    return float(high - low)


def _deviation(values: Floats) -> float:
    return float(np.std(values))


def _digits(values: Floats) -> int | None:
    """The digits after the point; None when there are many."""
    for digits_ in range(_MOST_DIGITS + 1):
        if np.array_equal(values, _rounded(values, digits_)):
            return digits_
    return None


def _rounded(values: Floats, digits_: int) -> Floats:
    """Each number rounded exactly: NumPy multiplies and divides, which changes 21121041271589.25."""
    return np.array([round(value, digits_) for value in values.tolist()], dtype=np.float64)
