"""``Example``, the slow layout, and the statistics."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.assembly import Example, Statistics
from rowsmith.errors import GenerationError, ParameterError


def _sequence(*ids):
    return {"input_ids": list(ids), "attention_mask": [1] * len(ids)}


def test_prompt_is_masked_and_sequences_are_trained(tokenizer, make_metadata):
    """Promise C1."""
    example = Example("Say a", tokenizer, make_metadata(bos=True, eos=True))
    inside = tokenizer.encode("Say a", add_special_tokens=False)
    example.add_sequence(_sequence(66, 67))
    prompt = [1, *inside, 2]
    assert example.to_dict() == {
        "input_ids": [*prompt, 1, 66, 67, 2],
        "attention_mask": [1] * (len(prompt) + 4),
        "labels": [-100] * len(prompt) + [1, 66, 67, 2],
    }
    assert example.num_tokens == len(prompt) + 4
    assert example.num_sequences == 1


def test_sequences_follow_each_other_with_and_without_special_tokens(tokenizer, make_metadata):
    """Promise C2."""
    example = Example("", tokenizer, make_metadata())
    example.add_sequence(_sequence(66, 67))
    example.add_sequence(_sequence(68), add_special_tokens=False)
    example.add_sequence({"input_ids": [69], "attention_mask": [0]})
    assert example.to_dict()["input_ids"] == [1, 66, 67, 2, 68, 1, 69, 2]
    assert example.to_dict()["attention_mask"] == [1, 1, 1, 1, 1, 1, 0, 1]
    assert example.num_sequences == 3


def test_example_that_would_be_too_long_is_left_as_it_was(tokenizer, make_metadata):
    """Promise C3."""
    example = Example("", tokenizer, make_metadata(8))
    example.add_sequence(_sequence(66, 67))
    before = example.to_dict()
    with pytest.raises(GenerationError, match=r"makes 9, and the context holds 8.*rope_scaling"):
        example.add_sequence(_sequence(66, 67, 68))
    assert example.to_dict() == before
    assert example.num_sequences == 1
    example.add_sequence(_sequence(66, 67))
    assert example.num_tokens == 8


def test_lists_of_different_lengths_are_refused(tokenizer, make_metadata):
    with pytest.raises(ParameterError, match="2 input_ids and 1 attention_mask"):
        Example("", tokenizer, make_metadata()).add_sequence({"input_ids": [1, 2], "attention_mask": [1]})


@pytest.mark.parametrize("enclosed", [True, False])
def test_tokens_are_counted_over_prompt_and_sequences(tokenizer, make_metadata, enclosed):
    """Promise C5."""
    example = Example("Say a", tokenizer, make_metadata(bos=enclosed, eos=enclosed))
    prompt = len(tokenizer.encode("Say a", add_special_tokens=False)) + 2 * enclosed
    assert example.num_tokens == prompt > 0
    example.add_sequence(_sequence(66, 67))
    assert example.num_tokens == prompt + 4
    example.add_sequence(_sequence(68), add_special_tokens=False)
    assert example.num_tokens == prompt + 5


def test_to_dict_gives_ids_mask_and_labels_of_one_length(tokenizer, make_metadata):
    """Promise C4."""
    example = Example("Say a", tokenizer, make_metadata())
    example.add_sequence(_sequence(66, 67))
    found = example.to_dict()
    assert list(found) == ["input_ids", "attention_mask", "labels"]
    assert {len(each) for each in found.values()} == {example.num_tokens}
    assert all(type(each) is list for each in found.values())
    assert found["labels"] == [-100] * (example.num_tokens - 4) + [1, 66, 67, 2]


def test_what_is_handed_out_is_a_copy(tokenizer, make_metadata):
    """Promise C4."""
    example = Example("", tokenizer, make_metadata())
    example.to_dict()["input_ids"].append(5)
    assert example.num_tokens == 0


@given(st.lists(st.integers(0, 10_000), min_size=2))
def test_statistics_equal_a_slow_computation(values):
    found = Statistics.of(values)
    assert (found.count, found.min, found.max) == (len(values), min(values), max(values))
    assert found.mean == pytest.approx(statistics.mean(values))
    assert found.stddev == pytest.approx(statistics.stdev(values))


def test_statistics_of_little():
    assert Statistics.of([]) == Statistics(0, 0.0, 0.0, 0.0, 0.0)
    assert Statistics.of([5]) == Statistics(1, 5.0, 5.0, 5.0, 0.0)
