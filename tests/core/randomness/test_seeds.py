import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.randomness.seeds import Seeds


@given(st.integers(0, 2**70), st.text())
def test_a_stage_has_the_same_stream_each_time(seed, stage):
    first, second = Seeds(seed).generator(stage), Seeds(seed).generator(stage)
    assert np.array_equal(first.random(5), second.random(5))
    assert Seeds(seed).integer(stage) == Seeds(seed).integer(stage)


@given(st.integers(0, 2**32), st.lists(st.text(), min_size=2, max_size=20, unique=True))
def test_stages_do_not_share_streams(seed, stages):
    assert len({Seeds(seed).integer(stage) for stage in stages}) == len(stages)


def test_integers_fit_63_bits_and_spread_over_them():
    values = [Seeds(seed).integer("stage") for seed in range(2000)]
    assert min(values) >= 0
    assert max(values) < 2**63
    assert abs(np.mean(values) / 2**62 - 1) < 0.05


def test_streams_are_the_same_on_every_machine():
    assert Seeds(0).integer("training") == 4661047277140282150
    assert Seeds(1).integer("training") == 4233070969686404663


@pytest.mark.parametrize("seed", [-1, 1.0, True, "0", None])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be an integer of at least 0"):
        Seeds(seed)
