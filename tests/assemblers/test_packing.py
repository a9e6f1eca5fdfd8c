"""Packing and sampling, from lengths alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.errors import ParameterError
from rowsmith_assemblers.packing import pack, windows
from rowsmith_assemblers.sampling import group_passes, passes, split, split_groups

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


def _windows_slowly(lengths, sizes, budgets, cap):
    found, place = [], 0
    for size in sizes:
        stop = place + size
        while place < stop:
            start, budget = place, budgets[len(found)]
            while (
                place < stop and place - start != cap and (place == start or sum(lengths[start : place + 1]) <= budget)
            ):
                place += 1
            found.append((start, place))
    return found


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), max_size=6),
    st.integers(1, 40),
    st.none() | st.integers(1, 5),
)
def test_windows_follow_each_other_within_their_runs(runs, budget, cap):
    lengths = np.array([length for run in runs for length in run], dtype=np.int64)
    sizes = np.array([len(run) for run in runs], dtype=np.int64)
    stops = np.cumsum(sizes)
    starts, ends = windows(lengths, stops - sizes, stops, lambda count: np.full(count, budget), cap)
    found = list(zip(starts.tolist(), ends.tolist(), strict=True))
    assert found == _windows_slowly(lengths.tolist(), sizes.tolist(), [budget] * len(lengths), cap)


def test_each_window_has_its_own_budget():
    drawn = iter(range(1, 99))

    def budget(count):
        return np.array([next(drawn) for _ in range(count)], dtype=np.int64)

    starts, _ = windows(np.ones(20, dtype=np.int64), np.array([0]), np.array([20]), budget)
    assert starts.tolist() == [0, 1, 3, 6, 10, 15]


SIZES = st.lists(st.integers(1, 30), min_size=2, max_size=40).map(lambda sizes: np.array(sizes, dtype=np.int64))


@given(SIZES, st.integers(1, 400), st.integers(0, 5))
def test_groups_are_set_apart_near_the_records_wanted(sizes, wanted, seed):
    wanted = min(wanted, int(sizes.sum()) - 1)
    train, validation = split_groups(sizes, wanted, np.random.default_rng(seed))
    assert sorted([*train, *validation]) == list(range(len(sizes)))
    assert len(train) and len(validation)
    assert train.tolist() == sorted(train)
    found, fitting = sizes[validation].sum(), sizes[sizes < 2 * wanted]
    if not len(fitting):
        assert found == sizes.min()
    elif len(train) > 1 and fitting.sum() >= wanted:
        assert abs(found - wanted) <= fitting.max() / 2


@given(SIZES, st.integers(1, 400), st.integers(0, 5))
def test_passes_over_groups_are_permutations_and_a_sample(sizes, percent, seed):
    """Promise D15."""
    groups = np.arange(len(sizes)) + 7
    orders = group_passes(groups, sizes, percent / 100, np.random.default_rng(seed))
    assert all(sorted(order) == groups.tolist() for order in orders[: percent // 100])
    assert all(len(set(order)) == len(order) for order in orders)
    if percent % 100:
        wanted = -(-(percent % 100) * int(sizes.sum()) // 100)
        found, fitting = sizes[orders[-1] - 7].sum(), sizes[sizes < 2 * wanted]
        if not len(fitting):
            assert found == sizes.min()
        else:
            assert 0 < found < 2 * wanted
            assert fitting.sum() < wanted or abs(found - wanted) <= fitting.max() / 2


@given(st.integers(1, 200), st.integers(0, 99), st.integers(0, 5))
def test_share_is_rounded_up_and_leaves_a_record_to_train_on(count, percent, seed):
    """Promise C15."""
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
