"""A budget of time holds: how large steps are made, into what long examples are cut, and that few shapes occur."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from transformers import Trainer

from rowsmith.assembly import TrainingExamples, as_dataset
from rowsmith.assembly.ranges import IGNORED, ExampleRanges
from rowsmith.assembly.token_store import TokenStore
from rowsmith.config import TrainingConfig
from rowsmith.model import TrainingJob
from rowsmith.randomness.seeds import Seeds
from rowsmith_backends.scratch.model import ScratchModel
from rowsmith_backends.scratch.options import ScratchOptions
from rowsmith_backends.scratch.shape_buckets import bucket_lengths, round_up
from rowsmith_backends.scratch.training import calibration
from rowsmith_backends.scratch.training.calibration import largest_step
from rowsmith_backends.scratch.training.example_windows import shortest_window, windows_of
from rowsmith_backends.training.examples import examples_of

from ...shared.grouped_tables import group_table
from ...shared.scratch_training import closed_table
from ...shared.scratch_training import examples as one_record_each


@given(
    each=st.floats(1e-6, 1e-2),
    pair=st.floats(0, 1e-5),
    examples=st.integers(1, 300),
    tokens=st.integers(2, 20_000),
    target=st.floats(0.01, 10),
)
def test_a_step_is_as_large_as_its_time_allows_and_no_far_larger_one_is_tried(each, pair, examples, tokens, target):
    tried = []

    def measure(number: int, length: int) -> float:
        tried.append(number * (each * length + pair * length**2))
        return tried[-1]

    assume(measure(1, min(tokens, 128)) <= target)
    found = largest_step(measure, examples=examples, tokens=tokens, target=target)
    assert max(tried) <= 2.5 * target
    assert measure(found.examples, found.tokens) <= 1.01 * target
    assert (found.examples, found.tokens) == (examples, tokens) or measure(examples, tokens) > target
    assert found.tokens == tokens or found.examples == 1


def test_a_machine_that_stands_still_for_a_moment_makes_no_step_smaller():
    seconds = iter([0.01, 0.01, 0.02, 9.0, 0.02, *[0.02] * 50])
    assert largest_step(lambda *_: next(seconds), examples=64, tokens=512, target=1.0).examples == 64


def _ranges(sizes: list[list[int]]) -> ExampleRanges:
    """Examples of records of some sizes; every token of all is another one."""
    records = [size for example in sizes for size in example]
    offsets = np.concatenate([[0], np.cumsum(records)]).astype(np.int64)
    store = TokenStore(np.arange(10, 10 + offsets[-1], dtype=np.uint16), offsets)
    stops = np.cumsum([len(example) for example in sizes]).astype(np.int64)
    starts = np.append(0, stops[:-1]).astype(np.int64)
    order = np.arange(len(records))
    return ExampleRanges(
        store=store, order=order, starts=starts, stops=stops, prompt_ids=(), bos_id=1, eos_id=2, pad_id=0
    )


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=60), min_size=1, max_size=4), st.integers(0, 60))
def test_windows_hold_every_token_once_and_begin_behind_a_record(sizes, more):
    whole = _ranges(sizes)
    least = shortest_window(whole)
    assume(least is not None)
    cut = windows_of(whole, least + more)
    assert cut.lengths.max() <= least + more
    batch = cut.batch(np.arange(len(cut)))
    expected = whole.batch(np.arange(len(whole)))["labels"][:, 1:]
    written = batch["labels"][:, 1:]
    assert sorted(written[written != IGNORED]) == sorted(expected[expected != IGNORED])
    lasts = {1, *(whole.store.ids[whole.store.offsets[1:] - 1].tolist())}
    assert set(batch["input_ids"][:, 0]) <= lasts
    assert np.array_equal((batch["labels"] != IGNORED).sum(axis=1), cut.lengths)


def test_where_records_of_an_example_end_is_known_with_several_sequences_in_it():
    from attrs import evolve

    two = evolve(_ranges([[3, 2, 4]]), breaks=np.array([1], dtype=np.int64))
    assert two.record_ends(0).tolist() == [4, 8, 12]
    assert two.example(0)["input_ids"] == [1, 10, 11, 12, 2, 1, 13, 14, 15, 16, 17, 18, 2]


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=200).map(np.array))
def test_buckets_hold_every_length_and_are_well_filled(lengths):
    buckets = np.array(bucket_lengths(lengths))
    filled = buckets[np.searchsorted(buckets, lengths)]
    assert (filled >= lengths).all()
    assert (lengths >= 0.8 * filled).all()
    assert len(buckets) <= 40
    assert bucket_lengths(np.full(5, lengths[0])) == (lengths[0],)


@given(st.integers(1, 10**6), st.sampled_from([4, 8, 16]))
def test_few_numbers_occur_between_two_powers_of_two(count, between):
    up = round_up(count, between)
    assert count <= up <= count * (1 + 1 / between) + 1
    assert round_up(up, between) == up


def test_batches_of_groups_have_few_shapes(monkeypatch):
    """Every batch has other lengths; the products of attention and output layer must not."""
    from rowsmith.vocabulary import Vocabulary, model_schema_of
    from rowsmith_backends.scratch.column_loss import VocabularyParts
    from rowsmith_backends.scratch.model import Size, llama_config
    from rowsmith_backends.scratch.packed_llama import PackedLlama

    columns, made, _ = group_table(30)
    vocabulary = Vocabulary(schema=model_schema_of(columns, made))
    config = llama_config(vocabulary, Size(width=8, layers=1, heads=1, mlp=8), 128)
    draw = np.random.default_rng(0)
    lengths = [3 * draw.geometric(0.15, 24).clip(1, 20) + 1 for _ in range(40)]
    model = PackedLlama(config, VocabularyParts.of(vocabulary), bucket_lengths(np.concatenate(lengths)))
    shapes: list[set[tuple[int, ...]]] = []
    matmul, linear = torch.matmul, torch.nn.functional.linear
    monkeypatch.setattr(torch, "matmul", lambda a, b: (shapes[-1].add((*a.shape, *b.shape)), matmul(a, b))[1])
    monkeypatch.setattr(
        torch.nn.functional, "linear", lambda a, b, c=None: (shapes[-1].add((*a.shape, *b.shape)), linear(a, b, c))[1]
    )
    first = torch.tensor([item.start for item in vocabulary.fields])
    for batch in lengths:
        shapes.append(set())
        ids = first[torch.arange(int(max(batch))) % len(first)].repeat(len(batch), 1)
        targets = ids.clone()
        for row, length in enumerate(batch):
            targets[row, length:] = IGNORED
        model(input_ids=ids, shift_labels=targets)
    met = set().union(*shapes[:20])
    new = [len(each - met) / len(each) for each in shapes[20:]]
    assert np.mean(new) < 0.15


@pytest.fixture
def by_tokens(monkeypatch):
    """A clock that goes on as steps compute: a second for each million pairs of tokens in an example."""
    clock = [1_000.0]
    step, loss = Trainer.training_step, calibration.batch_loss

    def seconds(count: int, length: int) -> float:
        return count * (1e-6 * length**2 + 1e-5 * length)

    def training_step(self, model, inputs, num_items_in_batch=None):
        clock[0] += seconds(*inputs["input_ids"].shape)
        return step(self, model, inputs, num_items_in_batch)

    def batch_loss(model, examples, chosen, bf16):
        clock[0] += seconds(len(chosen), int(examples.lengths[chosen].max()))
        return loss(model, examples, chosen, bf16)

    monkeypatch.setattr(Trainer, "training_step", training_step)
    monkeypatch.setattr(calibration, "batch_loss", batch_loss)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    return seconds


def _one_group(records: int, budget: float, tmp_path):
    model = ScratchModel(ScratchOptions(width=16, layers=1, dtype="float32"))
    columns, made, _ = group_table(records)
    columns = columns.slice(0, records)
    prepared = model.prepare(columns, made)
    store = prepared.token_store
    whole = ExampleRanges(
        store=store, order=np.arange(len(store)), starts=np.array([0]), stops=np.array([len(store)]), prompt_ids=(),
        bos_id=1, eos_id=2, pad_id=0,
    )  # fmt: skip
    notes: list[str] = []
    job = TrainingJob(
        examples=TrainingExamples(as_dataset(whole), {}, None),
        training=TrainingConfig(max_time=budget),
        seeds=Seeds(0),
        directory=tmp_path / "model",
        note=notes.append,
    )
    return model.train(prepared, job), notes, whole


def test_one_long_group_is_learned_in_windows_and_in_time(tmp_path, by_tokens):
    report, notes, whole = _one_group(700, 10.0, tmp_path)
    assert by_tokens(1, int(whole.lengths[0])) > 10 / 4
    assert report.seconds <= 11
    assert report.steps >= 30
    assert "learned in windows" in notes[0]


def test_one_long_group_is_learned_whole_where_there_is_time(tmp_path, by_tokens):
    report, notes, whole = _one_group(150, 25.0, tmp_path)
    assert not notes
    assert report.tokens == report.steps * whole.lengths[0]
    assert report.seconds <= 27


def test_a_step_that_takes_longer_than_its_budget_is_told_before_it_is_taken(tmp_path, by_tokens):
    report, notes, _ = _one_group(300, 1e-5, tmp_path)
    assert report.steps == 1
    assert "little or nothing will be learned" in notes[0]


def test_held_out_examples_that_take_too_long_are_left_out_of_the_evaluation(tmp_path, by_tokens):
    model = ScratchModel(ScratchOptions(width=16, layers=1, dtype="float32", batch_size=4))
    prepared = model.prepare(*closed_table(1_200))
    made = one_record_each(prepared, 600)
    notes: list[str] = []
    job = TrainingJob(
        examples=made, training=TrainingConfig(max_time=0.02), seeds=Seeds(0), directory=tmp_path / "m",
        note=notes.append,
    )  # fmt: skip
    report = model.train(prepared, job)
    assert report.validation_loss is not None
    assert "of 600 held-out examples" in notes[0]
    assert len(examples_of(made.test, 0)) == 600
