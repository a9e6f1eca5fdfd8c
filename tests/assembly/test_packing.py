"""Packing and sampling, from lengths alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.errors import ParameterError
from rowsmith_assemblers.packing import pack
from rowsmith_assemblers.sampling import passes, split

LENGTHS = st.lists(st.integers(0, 9), max_size=40)


def _pack_slowly(lengths, room, cap):
    bounds, start = [], 0
    for place in range(1, len(lengths) + 1):
        full = cap is not None and place - start == cap
        if place == len(lengths) or full or sum(lengths[start : place + 1]) > room:
            bounds.append((start, place))
            start = place
    return bounds


@given(LENGTHS | st.lists(st.just(4), max_size=40), st.integers(9, 40), st.none() | st.integers(1, 12))
def test_packing_is_next_fit(lengths, room, cap):
    starts, stops = pack(np.array(lengths, dtype=np.int64), room, cap)
    assert list(zip(starts.tolist(), stops.tolist(), strict=True)) == _pack_slowly(lengths, room, cap)


@given(st.integers(1, 200), st.integers(0, 99), st.integers(0, 5))
def test_share_is_rounded_up_and_leaves_a_record_to_train_on(count, percent, seed):
    train, validation = split(np.arange(count), percent / 100, np.random.default_rng(seed))
    assert sorted([*train, *validation]) == list(range(count))
    assert len(validation) == min(-(-percent * count // 100), count - 1)


@pytest.mark.parametrize(("size", "expected"), [(None, 0), (0, 0), (0.0, 0), (0.1, 3), (1, 1), (29, 29), (0.99, 29)])
def test_split_sizes(size, expected):
    assert len(split(np.arange(30), size, np.random.default_rng(0))[1]) == expected


@pytest.mark.parametrize("size", [30, 31, 1.0, 2.5, -1, -0.1, float("nan"), True])
def test_test_size_out_of_range_is_refused(size):
    with pytest.raises(ParameterError, match="test_size is"):
        split(np.arange(30), size, np.random.default_rng(0))


def test_too_large_a_test_size_names_the_numbers():
    with pytest.raises(ParameterError, match=r"40 records and the dataset has 30.*at most 29"):
        split(np.arange(30), 40, np.random.default_rng(0))


@given(st.integers(1, 30), st.integers(1, 400), st.integers(0, 5))
def test_passes_are_permutations_and_a_sample(count, percent, seed):
    orders = passes(np.arange(count), percent / 100, np.random.default_rng(seed))
    whole = percent // 100
    assert all(sorted(order) == list(range(count)) for order in orders[:whole])
    assert all(len(set(order)) == len(order) for order in orders)
    assert sum(map(len, orders)) == -(-percent * count // 100)


def test_each_pass_is_shuffled_anew():
    first, second = passes(np.arange(50), 2, np.random.default_rng(0))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("fraction", [0, -1, float("nan"), float("inf")])
def test_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(ParameterError, match="data_fraction"):
        passes(np.arange(5), fraction, np.random.default_rng(0))
