"""Ranges of records with several sequences to an example, against ``Example``."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowsmith.assembly import Example, ExampleRanges
from rowsmith.assembly.prompts import prompt_ids
from rowsmith.assembly.token_store import TokenStore
from rowsmith.errors import AssemblyError

FEW = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _ranges(lengths, order, bounds, breaks, prompt=()):
    store = TokenStore.from_records([[10 + row] * length for row, length in enumerate(lengths)])
    starts, stops = (np.array([bound[side] for bound in bounds], dtype=np.int64) for side in (0, 1))
    return ExampleRanges(
        store=store,
        order=np.array(order, dtype=np.int32),
        starts=starts,
        stops=stops,
        prompt_ids=prompt,
        bos_id=1,
        eos_id=2,
        pad_id=0,
        breaks=None if breaks is None else np.array(breaks, dtype=np.int64),
    )


@st.composite
def _layouts(draw):
    count = draw(st.integers(1, 12))
    uniform = draw(st.booleans())
    lengths = [draw(st.integers(0, 4)) for _ in range(count)] if not uniform else [3] * count
    order = draw(st.permutations(range(count)))
    breaks = sorted(draw(st.sets(st.integers(0, count))))
    places = st.integers(0, count)
    bounds = draw(st.lists(st.tuples(places, places).map(sorted), min_size=1, max_size=6))
    return lengths, order, bounds, breaks


def _cut(start, stop, breaks):
    inside = [place for place in breaks if start < place < stop]
    return zip([start, *inside], [*inside, stop], strict=True)


@FEW
@given(layout=_layouts(), prompted=st.booleans())
def test_breaks_inside_an_example_begin_its_other_sequences(tokenizer, make_metadata, layout, prompted):
    lengths, order, bounds, breaks = layout
    metadata = make_metadata(template="", bos=True, eos=True)
    prompt = "Say" if prompted else ""
    ranges = _ranges(lengths, order, bounds, breaks, tuple(prompt_ids(prompt, tokenizer, metadata.prompt_config)))
    expected = []
    for start, stop in bounds:
        example = Example(prompt, tokenizer, metadata)
        for first, last in _cut(start, stop, breaks):
            ids = [10 + row for row in order[first:last] for _ in range(lengths[row])]
            example.add_sequence({"input_ids": ids, "attention_mask": [1] * len(ids)})
        expected.append(example)
    assert [ranges.example(i) for i in range(len(ranges))] == [example.to_dict() for example in expected]
    assert ranges.lengths.tolist() == [example.num_tokens for example in expected]
    sequences = [
        sum(lengths[row] for row in order[a:b]) for start, stop in bounds for a, b in _cut(start, stop, breaks)
    ]
    assert ranges.longest_sequence == max(sequences)
    assert evolve(ranges, breaks=None).longest_sequence == max(sum(lengths[i] for i in order[a:b]) for a, b in bounds)
    assert ranges.num_sequences.tolist() == [example.num_sequences for example in expected]
    batch = ranges.batch(range(len(ranges)))
    used = batch["attention_mask"].astype(bool)
    assert used.sum(axis=1).tolist() == ranges.lengths.tolist()
    assert (batch["input_ids"][~used] == 0).all() and (batch["labels"][~used] == -100).all()


def test_an_example_that_ends_inside_its_group_does_not_teach_that_it_ends():
    ranges = evolve(_ranges([1, 2, 1], [2, 0, 1], [(0, 2), (2, 3)], [1]), ends=np.array([3]))
    batch = ranges.batch([1, 0])
    assert batch["input_ids"].tolist() == [[1, 11, 11, 2, 0, 0], [1, 12, 2, 1, 10, 2]]
    assert batch["labels"].tolist() == [[1, 11, 11, 2, -100, -100], [1, 12, 2, 1, 10, -100]]


@pytest.mark.parametrize("breaks", [[-1], [4], [2, 1], [1, 1]])
def test_breaks_that_do_not_fit_are_refused(breaks):
    with pytest.raises(AssemblyError, match="breaks must rise within the 3"):
        _ranges([1, 1, 1], [0, 1, 2], [(0, 3)], breaks)


def test_ranges_that_do_not_fit_are_refused():
    with pytest.raises(AssemblyError, match="within the 3 ordered records"):
        _ranges([1, 1, 1], [0, 1, 2], [(0, 4)], None)
