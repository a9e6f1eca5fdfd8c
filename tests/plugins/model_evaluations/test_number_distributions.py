"""The continuous ranked probability score, and how numbers of records are scored by it."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith_plugins.evaluations.number_distributions import crps, number_score, within_rows
from rowsmith_plugins.evaluations.record_lines import RecordLine

NUMBERS = st.floats(-1e3, 1e3).map(lambda number: round(number, 3))


def plain_crps(samples: list[float], truth: float) -> float:
    """By all pairs of different draws."""
    count = len(samples)
    spread = sum(abs(a - b) for a in samples for b in samples) / (count * (count - 1))
    return sum(abs(each - truth) for each in samples) / count - spread / 2


def integrated_crps(samples: list[float], truth: float) -> float:
    """The integral of the squared difference of the distribution functions, between the points where they change."""
    points = sorted([*samples, truth])
    total = 0.0
    for low, high in pairwise(points):
        share = sum(each <= low for each in samples) / len(samples)
        total += (share - (low >= truth)) ** 2 * (high - low)
    return total


@settings(max_examples=60)
@given(st.lists(NUMBERS, min_size=2, max_size=12), NUMBERS)
def test_the_score_is_that_of_all_pairs_and_of_the_integral(samples: list[float], truth: float) -> None:
    found = crps(np.array(samples), truth)
    assert found == pytest.approx(plain_crps(samples, truth), abs=1e-6)
    # The integral counts pairs of a draw with itself as well; what remains is the mean distance of different ones.
    count = len(samples)
    pairs = sum(abs(a - b) for a in samples for b in samples) / 2
    own = pairs / (count * (count - 1)) - pairs / count**2
    assert found == pytest.approx(integrated_crps(samples, truth) - own, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("truth", [-1.3, 0.0, 2.0])
def test_a_few_draws_estimate_the_score_of_their_distribution_without_bias(truth: float) -> None:
    """Of a standard normal distribution: y (2 Phi(y) - 1) + 2 phi(y) - 1 / sqrt(pi), by the same article."""
    below = (1 + math.erf(truth / math.sqrt(2))) / 2
    density = math.exp(-(truth**2) / 2) / math.sqrt(2 * math.pi)
    exact = truth * (2 * below - 1) + 2 * density - 1 / math.sqrt(math.pi)
    drawn = np.random.default_rng(0).normal(size=(40_000, 3))
    found = np.array([crps(each, truth) for each in drawn])
    assert found.mean() == pytest.approx(exact, abs=4 * found.std() / math.sqrt(len(found)))


def test_a_record_without_valid_draws_has_the_score_of_the_marginal() -> None:
    train, truths = np.arange(101.0), np.array([20.0, 80.0, np.nan])
    none = number_score([np.zeros(0), np.array([3.0]), np.zeros(0)], truths, train)
    assert none is not None
    assert none.model == pytest.approx(none.marginal)
    assert none.skill == pytest.approx(0)
    sure = number_score([np.full(5, 20.0), np.full(5, 80.0), np.zeros(0)], truths, train)
    assert sure is not None
    assert (sure.model, sure.skill) == (0, 1)
    far = number_score([np.full(5, 70.0), np.full(5, 80.0), np.zeros(0)], truths, train)
    assert far is not None
    # One of two is 50 off, and the middle half of the training rows is 50 wide.
    assert far.model == pytest.approx(0.5)


def test_without_a_true_number_or_any_spread_there_is_no_score() -> None:
    draws = [np.array([1.0, 2.0])]
    assert number_score(draws, np.array([np.nan]), np.arange(9.0)) is None
    assert number_score(draws, np.array([1.0]), np.full(9, 4.0)) is None


def test_records_far_from_the_beginning_of_long_groups_are_not_sampled() -> None:
    near, far = (RecordLine(0, "{}", (), None, position) for position in (9, 20_000))
    assert within_rows([near, far, near], 4) == [near, far, near]
    assert within_rows([far, near, far, near], 4) == [far, near, near]
    assert within_rows([far], 8) == []
