"""Numbers that are made have no more digits than those of the column, whatever their size."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.table import from_frame
from rowsmith_plugins.transforms.quantize.transform import QuantizeTransform
from rowsmith_plugins.transforms.quantize.wide_decimals import (
    doubles_of,
    figures_of,
    figures_ordinals,
    long_ordinals,
    span_of,
)

from .tables import check_round_trip, check_state, seeds, texts

ROWS = 300


def _amounts(random: np.random.Generator) -> Any:
    return random.lognormal(22, 3, ROWS).round(2)


def _forecasts(random: np.random.Generator) -> Any:
    return np.append(random.uniform(1e8, 1e9, 60).round(5), random.uniform(1e13, 3e13, ROWS - 60).round(3))


def _powers(random: np.random.Generator) -> Any:
    return np.array([float(f"{one:.2g}") for one in 10 ** random.uniform(-12, 12, ROWS)])


def _tiny(random: np.random.Generator) -> Any:
    return np.array([float(f"{one:.3g}") for one in 10 ** random.uniform(-12, 0, ROWS)])


def _huge(random: np.random.Generator) -> Any:
    return np.append(random.lognormal(3, 1, ROWS - 20).round(1), 10.0 ** random.integers(290, 300, 20))


@pytest.mark.parametrize("make", [_amounts, _forecasts, _powers, _tiny, _huge])
@settings(max_examples=8)
@given(seed=seeds)
def test_numbers_of_a_wide_range_have_no_more_digits_than_the_real_ones(make: Any, seed: int) -> None:
    numbers = make(np.random.default_rng(seed))
    found = from_frame(pd.DataFrame({"n": numbers}))
    transform = QuantizeTransform()
    fitted = transform.fit(found.columns, found.schema)
    check_state(transform, fitted, found.columns)
    back = texts(check_round_trip(fitted, found.columns, seed))["n"]
    figures, digits = figures_of(repr(one) for one in numbers.tolist())
    made_figures, made_digits = figures_of(text for text in back if text is not None)
    assert made_digits <= digits
    assert made_figures <= figures or figures > 15
    made = np.array([float(text or "nan") for text in back])
    assert numbers.min() <= made.min() and made.max() <= numbers.max()
    assert len(np.unique(made)) > ROWS / 4


decimals = st.decimals(-(10**9), 10**9, places=4, allow_nan=False)


@given(st.lists(decimals, min_size=1, max_size=20))
def test_places_of_figures_are_exact_and_in_order(numbers: list[Any]) -> None:
    values = [repr(float(number)) for number in numbers]
    figures, digits = figures_of(values)
    figures = max(figures, 1)
    places = figures_ordinals(values, figures, digits)
    doubles = np.array([float(value) for value in values])
    assert doubles_of(places, figures, digits).tolist() == doubles.tolist()
    assert (np.argsort(places, kind="stable") == np.argsort(doubles, kind="stable")).all()
    assert span_of(float(np.abs(doubles).max()), figures, digits) == np.abs(places).max()
    near = doubles_of(places + 1, figures, digits)
    assert (near > doubles).all() and (
        figures_ordinals([repr(one) for one in near.tolist()], figures, digits) == places + 1
    ).all()


@given(st.lists(st.floats(-1e300, 1e300).map(lambda one: round(one, 3)), min_size=1, max_size=20))
def test_places_of_long_numbers_are_exact_and_in_order(numbers: list[float]) -> None:
    values = [repr(number) for number in numbers]
    places = long_ordinals(values, 3)
    assert doubles_of(places, 0, 3).tolist() == numbers
    assert (np.argsort(places, kind="stable") == np.argsort(numbers, kind="stable")).all()
    near = doubles_of(places + 1, 0, 3)
    assert (near > np.array(numbers)).all()
    assert (long_ordinals([repr(one) for one in near.tolist()], 3) == places + 1).all()
    assert figures_of(repr(one) for one in near.tolist())[1] <= 3
