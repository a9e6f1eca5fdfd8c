"""Decisions of the generation loop beside those of the reference package (``nox -s reference``)."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.generation import (
    Batch,
    Completion,
    FinishReason,
    GenerationBatches,
    GenerationStopCondition,
    ParsedResponse,
    Processor,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    results = pytest.importorskip("nemo_safe_synthesizer.generation.results")
    from nemo_safe_synthesizer.data_processing.record_utils import ParsedRecord
    from nemo_safe_synthesizer.generation.batch import Batch as ReferenceBatch
    from nemo_safe_synthesizer.generation.processors import ParsedResponse as ReferenceResponse
    from nemo_safe_synthesizer.generation.stopping import GenerationStopCondition as ReferenceCondition

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]

MANY = settings(max_examples=300, deadline=None)

# A completion is its valid records, its invalid ones, and whether it was cut at its longest length; a batch is some.
COMPLETIONS = st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans())
GOOD = COMPLETIONS.filter(lambda each: each[0] > 0)
CUT = st.tuples(st.just(0), st.integers(0, 2), st.just(True))
BATCHES = st.lists(COMPLETIONS, min_size=1, max_size=6) | st.lists(CUT, min_size=1, max_size=4)
HISTORIES = st.lists(BATCHES, min_size=1, max_size=6)
TARGETS = st.none() | st.integers(1, 60) | st.integers(1_000, 60_000)


class Told(Processor):
    """Reads ``vvi`` as two valid records and an invalid one."""

    def __call__(self, prompt_number: int, text: str) -> ParsedResponse:
        bad = text.count("i")
        return ParsedResponse([{"a": 1}] * text.count("v"), ["x"] * bad, [("bad", "bad")] * bad, prompt_number)


def _ours(completions):
    batch = Batch(Told())
    for number, (good, bad, cut) in enumerate(completions):
        reason = FinishReason.LENGTH if cut else FinishReason.STOP
        batch.process_completion(number, Completion("v" * good + "i" * bad, reason))
    return batch


def _theirs(completions):
    batch = ReferenceBatch(Told())
    for number, (good, bad, cut) in enumerate(completions):
        records = [ParsedRecord(text="x", parsed={"a": 1}) for _ in range(good)]
        records += [ParsedRecord(text="x", error=("bad", "bad")) for _ in range(bad)]
        batch._responses.append(ReferenceResponse(records=records, prompt_number=number))
        batch.finish_reasons["length" if cut else "stop"] += 1
    return batch


def _follow(target, history, **condition):
    """Both accumulators over one history, compared until one stops or the target is met."""
    ours = GenerationBatches(target, **condition)
    theirs = results.GenerationBatches(target, **condition)
    assert ours.max_num_prompts_per_batch == theirs.max_num_prompts_per_batch
    for completions in history:
        _compare_sizes(ours, theirs)
        ours.add_batch(_ours(completions))
        theirs.add_batch(_theirs(completions))
        for name in ("num_prompts", "num_valid_records", "num_invalid_records", "num_length_truncated_completions"):
            assert getattr(ours, name) == getattr(theirs, name)
        if ours.target_met:
            break
        assert str(ours.status) == str(theirs.status), (completions, ours.stop_reason)
        if ours.finished:
            break
    ours.job_complete()
    if not ours.target_met:
        theirs.job_complete()
        assert str(ours.status) == str(theirs.status)
    return ours


def _compare_sizes(ours, theirs):
    mine, other = ours.get_next_num_prompts(), theirs.get_next_num_prompts()
    full = ours.num_prompts and not ours.num_valid_records and not ours.batches[-1].fully_length_truncated
    if full and ours.target_num_records is not None:
        # The document escalates to the full batch; the package, to no more than the target and ten.
        assert mine == ours.max_num_prompts_per_batch >= other
    else:
        # The package adds an epsilon to the yield before it rounds.
        assert abs(mine - other) <= 1


@MANY
@given(target=TARGETS, history=HISTORIES)
def test_batches_are_as_large_and_end_the_job_alike_without_a_condition(target, history):
    _follow(target, history)


@MANY
@given(
    target=TARGETS,
    batch=BATCHES,
    count=st.integers(1, 8),
    threshold=st.sampled_from([0.01, 0.25, 0.5, 0.8, 1.0]),
    patience=st.integers(1, 4),
)
def test_a_condition_ends_the_job_alike_where_both_averages_are_the_same(target, batch, count, threshold, patience):
    """Batches of one kind: over others the package takes a plain mean, and the document an exponential one."""
    _follow(target, [batch] * count, invalid_fraction_threshold=threshold, patience=patience)


@MANY
@given(target=TARGETS, history=st.lists(st.lists(CUT, min_size=1, max_size=4), min_size=1, max_size=6), good=GOOD)
def test_cut_probes_are_left_to_the_condition_alike(target, history, good):
    ours = _follow(target, [*history, [good]], invalid_fraction_threshold=1.0, patience=len(history) + 1)
    assert ours.num_batches == len(history) + 1


@MANY
@given(
    fractions=st.lists(st.floats(0, 1), max_size=20),
    threshold=st.floats(0, 1),
    patience=st.integers(1, 5),
)
def test_the_condition_counts_consecutive_batches_alike(fractions, threshold, patience):
    ours, theirs = (
        kind(invalid_fraction_threshold=threshold, patience=patience)
        for kind in (GenerationStopCondition, ReferenceCondition)
    )
    for fraction in fractions:
        assert ours.has_been_reached(fraction) == theirs.has_been_reached(fraction)
