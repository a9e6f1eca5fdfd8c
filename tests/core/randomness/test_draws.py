import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rowsmith.randomness.draws import Draws

ROWS = hnp.arrays(np.int64, st.integers(0, 50))
LABELS = st.one_of(st.text(max_size=20), st.integers(-(10**6), 10**6))
MASK = 2**64 - 1


def mix(value):
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & MASK
    return value ^ value >> 31


def reference(seed, row, label):
    """One draw with Python's integers."""
    name = f"{seed}/{type(label).__name__}/{label}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(name, digest_size=16, person=b"rowsmith-draws").digest()
    first, second = int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
    return (mix(mix(((row & MASK) * 0x9E3779B97F4A7C15 + first) & MASK) ^ second) >> 11) / 2**53


def chi_square(counts):
    expected = counts.sum() / counts.size
    return float(((counts - expected) ** 2 / expected).sum())


@given(st.integers(0, 2**64), ROWS, LABELS)
def test_the_fast_path_equals_the_reference(seed, rows, label):
    expected = [reference(seed, int(row), label) for row in rows]
    assert Draws(seed, rows).uniform(label).tolist() == expected


@given(st.integers(0, 2**63), ROWS, LABELS, st.randoms())
def test_a_row_draws_the_same_in_any_batch(seed, rows, label, random):
    whole = Draws(seed, rows)
    order = random.sample(range(len(rows)), len(rows))
    assert np.array_equal(whole.take(order).uniform(label), whole.uniform(label)[np.array(order, dtype=int)])
    mask = np.array([random.random() < 0.5 for _ in rows], dtype=bool)
    assert np.array_equal(whole.take(mask).uniform(label), whole.uniform(label)[mask])


@given(st.integers(0, 2**63), ROWS, LABELS)
def test_draws_lie_in_the_unit_interval_and_leave_the_rows_alone(seed, rows, label):
    before = rows.copy()
    values = Draws(seed, rows).uniform(label)
    assert values.dtype == np.float64
    assert ((values >= 0) & (values < 1)).all()
    assert np.array_equal(rows, before)


@pytest.mark.parametrize("rows", [np.arange(2**18), np.arange(2**18) << 32, np.arange(2**18) * 1000 - 2**40])
@pytest.mark.parametrize("label", ["amount", 0, 1])
def test_draws_are_equidistributed_alone_and_in_pairs(rows, label):
    values = Draws(7, rows).uniform(label)
    # 6 standard deviations above the mean of a chi-square with that many degrees of freedom.
    assert chi_square(np.bincount((values * 256).astype(int), minlength=256)) < 255 + 6 * np.sqrt(2 * 255)
    cells = (values[:-1] * 16).astype(int) * 16 + (values[1:] * 16).astype(int)
    assert chi_square(np.bincount(cells, minlength=256)) < 255 + 6 * np.sqrt(2 * 255)
    assert len(np.unique(values)) == len(values)


def test_labels_and_seeds_are_independent_of_each_other():
    rows = np.arange(2**17)
    columns = [Draws(seed, rows).uniform(label) for seed in (0, 1) for label in (0, 1, "0", "a", "b")]
    correlations = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlations).max() < 6 / np.sqrt(len(rows))


def test_every_bit_of_a_draw_is_balanced():
    bits = (Draws(3, np.arange(2**17)).uniform("x") * 2**53).astype(np.int64)
    shares = np.array([((bits >> place) & 1).mean() for place in range(53)])
    assert np.abs(shares - 0.5).max() < 6 * 0.5 / np.sqrt(2**17)


def test_integers_cover_their_range_evenly():
    draws = Draws(5, np.arange(60_000))
    assert chi_square(np.bincount(draws.integers("die", 6), minlength=6)) < 5 + 6 * np.sqrt(10)
    bounds = np.arange(60_000) % 7 + 1
    assert (draws.integers("own", bounds) < bounds).all()
    with pytest.raises(ValueError, match="between 1 and"):
        draws.integers("none", 0)


@pytest.mark.parametrize("rows", [[0.5], [[1, 2]], ["a"]])
def test_what_is_no_row_number_is_refused(rows):
    with pytest.raises(ValueError, match="rows must be a flat array of integers"):
        Draws(0, rows)
