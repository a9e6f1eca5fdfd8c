"""Sampling parameters: what is accepted, what is filled in."""

import pytest

from rowsmith.config import GenerationConfig
from rowsmith.errors import ParameterError
from rowsmith.generation import SamplingParams
from rowsmith.generation.sampling import resolve_sampling

CONFIG = GenerationConfig(temperature=0.7, top_p=0.9, constrained=False)


def resolve(longest=100, options=frozenset(), **given):
    return resolve_sampling(given, CONFIG, 5, longest, options)


def test_what_is_left_out_comes_from_the_configuration():
    expected = SamplingParams(temperature=0.7, top_p=0.9, max_new_tokens=100, constrained=False, seed=5)
    assert resolve() == expected == resolve(temperature=None, top_p=None, max_new_tokens=None)


def test_what_is_given_is_used():
    made = resolve(temperature=0, top_p=1, max_new_tokens=3, constrained=True, seed=9)
    assert made == SamplingParams(temperature=0.0, top_p=1.0, max_new_tokens=3, constrained=True, seed=9)


def test_without_sampling_the_temperature_is_zero():
    assert resolve(do_sample=False).temperature == 0.0
    assert resolve(do_sample=False, temperature=0).temperature == 0.0
    assert resolve(do_sample=True).temperature == 0.7


def test_an_engine_takes_options_of_its_own():
    assert resolve(options=frozenset({"repetition_penalty"}), repetition_penalty=1.1).extra == {
        "repetition_penalty": 1.1
    }


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": "hot"},
        {"temperature": True},
        {"top_p": 0},
        {"top_p": 1.1},
        {"top_p": float("nan")},
        {"max_new_tokens": 0},
        {"max_new_tokens": 2.5},
        {"max_new_tokens": 101},
        {"seed": -1},
        {"constrained": 1},
        {"do_sample": "no"},
        {"do_sample": False, "temperature": 0.5},
        {"do_sample": False, "top_p": 0.5},
        {"do_sample": True, "temperature": 0},
        {"repetition_penalty": 1.1},
        {"temprature": 1.0},
    ],
)
def test_wrong_parameters_are_refused(given):
    with pytest.raises(ParameterError):
        resolve(**given)


def test_an_unknown_parameter_gets_a_hint():
    with pytest.raises(ParameterError, match="did you mean 'temperature'"):
        resolve(temprature=1.0)
