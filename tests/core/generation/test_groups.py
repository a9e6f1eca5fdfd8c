"""Jobs over groups of records: whole groups, in the order of requests, of lengths that nothing favours."""

import json
import logging
import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowsmith.config import GenerationConfig, RunConfig
from rowsmith.errors import ParameterError, PluginContractError
from rowsmith.generation import (
    Batch,
    EngineBackend,
    FinishReason,
    GenerateJobResults,
    GenerationBatches,
    GenerationStatus,
    ParsedResponse,
    Processor,
    Stop,
    StoppingPolicy,
)
from rowsmith.generation.journal import GenerationJournal
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema, Timing, TimingRole
from rowsmith.testing.fake_engine import FakeEngine, Reply
from rowsmith.vocabulary import Vocabulary
from rowsmith_plugins.processors.delineation import Delineator
from rowsmith_plugins.processors.grouped import GroupedProcessor

from ...shared.batches import SmallDialect

KINDS = ("whole", "whole", "whole", "invalid", "cut", "several", "empty")


def record(group, place):
    return json.dumps({"a": group, "b": str(place)}, separators=(",", ":")) + "\n"


def group_of(group, size):
    return "".join(record(group, place) for place in range(size))


def kind_and_sizes(seed, request_id):
    """What a request is answered: a kind of completion, and the records of its groups."""
    chance = random.Random(f"{seed}/{request_id}")
    kind = chance.choice(KINDS)
    sizes = [chance.randint(1, 7) for _ in range(3 if kind == "several" else 1)]
    return kind, sizes


def answering(seed, *, marks=True):
    """An engine's answers, each of which names its request in every record."""

    def answer(request):
        kind, sizes = kind_and_sizes(seed, request.request_id)
        parts = [group_of(request.request_id, size) for size in sizes]
        if kind == "invalid":
            return parts[0] + '{"a":"no"}\n' + record(request.request_id, 9)
        if kind == "cut":
            return Reply(text=parts[0] + '{"a":', finish_reason=FinishReason.LENGTH)
        if kind == "empty":
            return ""
        return "</s><s>".join(parts) + ("</s>" if marks else "")

    return answer


def expected(seed, count):
    """Request and size of each valid group of the first requests, in order."""
    answers = [(request, *kind_and_sizes(seed, request)) for request in range(count)]
    return [(request, size) for request, kind, sizes in answers if kind in ("whole", "several") for size in sizes]


def processor():
    return GroupedProcessor(SmallDialect(), delineator=Delineator("<s>", "</s>"))


def make(engine, *, groups=None, records=1000, reader=None, **options):
    config = RunConfig(generation=GenerationConfig(num_records=records, num_groups=groups))
    parts = {"processor": reader or processor(), "prompt_ids": [5], "columns": ["a", "b"], **options}
    backend = EngineBackend(config, None, engine=engine, **parts)
    backend.initialize()
    backend.prepare_params()
    return backend


def runs(table):
    """Group and size of each group of a table, by where the places begin again."""
    starts = [row for row, place in enumerate(table["b"]) if place == "0"]
    ends = [*starts[1:], *([len(table)] if starts else [])]
    for start, end in zip(starts, ends, strict=True):
        assert table["b"].tolist()[start:end] == [str(place) for place in range(end - start)]
        assert table["a"].iloc[start:end].nunique() == 1
    return [(int(table["a"].iloc[start]), end - start) for start, end in zip(starts, ends, strict=True)]


class Patient(StoppingPolicy):
    patient = True

    def decide(self, progress):
        self.progress = progress
        return None


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    wanted=st.integers(1, 60),
    by_groups=st.booleans(),
    block_size=st.integers(1, 9),
    shuffled=st.booleans(),
    texts_only=st.booleans(),
)
def test_a_job_gives_the_first_whole_groups_in_the_order_of_requests(
    seed, wanted, by_groups, block_size, shuffled, texts_only
):
    order = (lambda requests: random.Random(seed).sample(requests, len(requests))) if shuffled else None
    engine = FakeEngine(answering(seed), block_size=block_size, order=order, texts_only=texts_only)
    target = {"groups": wanted} if by_groups else {"records": wanted}
    results = make(engine, **target, policy=Patient).generate()
    assert results.status is GenerationStatus.COMPLETE
    found, possible = runs(results.df), expected(seed, len(engine.requests))
    assert found == possible[: len(found)]
    sizes = [size for _, size in found]
    if by_groups:
        assert len(found) == wanted
    else:
        assert sum(sizes) >= wanted > sum(sizes[:-1])
    assert results.num_prompts == len(engine.requests) == engine.num_answered
    assert results.num_valid_groups == len(possible)
    assert results.num_valid_records == sum(size for _, size in possible)
    tokens = (results.num_valid_record_tokens, results.num_invalid_record_tokens, results.num_non_record_tokens)
    assert sum(tokens) == results.num_completion_tokens


def test_lengths_are_those_of_the_first_requests_even_when_short_groups_come_first():
    """Stopping as soon as there are enough would take the short ones."""
    lengths = {request: 1 + request * 7 % 11 for request in range(2000)}
    engine = FakeEngine(
        lambda request: group_of(request.request_id, lengths[request.request_id]),
        order=lambda requests: sorted(requests, key=lambda request: lengths[request.request_id]),
    )
    results = make(engine, groups=100).generate()
    assert runs(results.df) == [(request, lengths[request]) for request in range(100)]
    assert not engine.aborted


def test_a_group_that_reaches_the_number_of_records_is_kept_whole():
    """Promise A40: a job of grouped records ends with the group that reaches the number."""
    results = make(FakeEngine(lambda request: group_of(request.request_id, 4)), records=10).generate()
    assert runs(results.df) == [(0, 4), (1, 4), (2, 4)]
    assert (results.status, results.num_valid_groups, results.num_invalid_groups) == (GenerationStatus.COMPLETE, 10, 0)


@given(sizes=st.lists(st.integers(1, 5), max_size=8), most=st.none() | st.integers(0, 30))
def test_rows_of_groups_are_truncated_to_whole_groups(sizes, most):
    """Promise A40: the fewest whole groups, from the first, that hold as many rows as asked for."""
    batches = GenerationBatches(grouped=True)
    for place, size in enumerate(sizes):
        batch = Batch(processor())
        batch.process(0, group_of(place, size) + "</s>")
        batches.add_batch(batch)
    kept, rows = [], 0
    for size in sizes:
        if most is not None and rows >= most:
            break
        kept, rows = [*kept, size], rows + size
    results = GenerateJobResults.from_batches(batches, most, ["a", "b"], 1.0)
    for table in (batches.to_dataframe(["a", "b"], most), results.df):
        assert [size for _, size in runs(table)] == kept


def test_the_next_batch_is_sized_by_groups():
    batches = GenerationBatches(target_num_groups=1000, max_num_prompts_per_batch=10_000)
    assert batches.get_next_num_prompts() == 10
    batch = Batch(processor())
    for prompt in range(10):
        batch.process(prompt, group_of(prompt, 50) + ("</s>" if prompt % 2 else ""))
    batches.add_batch(batch)
    assert (batches.num_valid_groups, batches.num_invalid_groups) == (5, 5)
    assert batches.get_next_num_prompts() == 995 * 2 + 10


def test_policies_and_observers_are_told_of_groups():
    told = []
    policy = Patient()
    make(
        FakeEngine(lambda request: group_of(request.request_id, 3)),
        groups=15,
        policy=lambda: policy,
        batch_finished=told.append,
    ).generate()
    assert (policy.progress.num_valid_groups, policy.progress.target_num_groups) == (10, 15)
    assert [(each.num_valid_groups, each.target_num_groups) for each in told] == [(10, 15), (25, 15)]
    assert told[0].eta_seconds == pytest.approx(told[0].elapsed_seconds / 2)
    assert told[1].eta_seconds == 0


@pytest.mark.parametrize("given", [{"target_num_groups": -1}, {"target_num_groups": 1, "target_num_records": 1}])
def test_targets_that_make_no_sense_are_refused(given):
    with pytest.raises(ParameterError, match="target_num_"):
        GenerationBatches(**given)


def test_a_number_of_groups_is_refused_where_records_stand_alone(tools):
    with pytest.raises(ParameterError, match="num_groups"):
        make(FakeEngine(lambda request: record(0, 0)), groups=3, reader=tools.processor)


def test_a_model_of_groups_needs_a_processor_of_groups(tools):
    step = ModelColumn(
        name="~step", kind=JsonKind.STRING, nullable=True, values=("next",), timing=Timing(role=TimingRole.STEP)
    )

    class Grouping(FakeEngine):
        vocabulary = Vocabulary(schema=ModelSchema(columns=(step,)))

    with pytest.raises(ParameterError, match="processor TabularProcessor reads independent records"):
        make(Grouping(lambda request: ""), reader=tools.processor)


def test_a_job_tells_that_groups_were_cut_off(caplog):
    def answer(request):
        reason = FinishReason.LENGTH if request.request_id % 2 else FinishReason.STOP
        return Reply(text=group_of(request.request_id, 3), finish_reason=reason)

    with caplog.at_level(logging.WARNING, logger="rowsmith.generation.engine_backend"):
        results = make(FakeEngine(answer), groups=5).generate()
    assert runs(results.df) == [(request, 3) for request in range(0, 10, 2)]
    assert (results.num_length_truncated_completions, results.num_invalid_groups) == (5, 5)
    assert "5 of 10 groups were cut off" in caplog.text


# Data actions


def test_data_actions_see_whole_groups_and_what_they_reject_leaves_its_group():
    seen = []

    def action(rows):
        seen.append(rows.groupby("a").size().to_dict())
        return rows[(rows["a"] % 2 == 0) | (rows["b"] == "1")]

    results = make(FakeEngine(lambda request: group_of(request.request_id, 3)), groups=12).generate(action)
    assert all(size == 3 for sizes in seen for size in sizes.values())
    assert results.df.groupby("a", sort=False).size().tolist() == [3, 1] * 6
    assert results.df["a"].drop_duplicates().tolist() == list(range(12))
    assert results.num_invalid_groups == 0


def test_a_group_that_loses_all_its_rows_does_not_count():
    results = make(FakeEngine(lambda request: group_of(request.request_id, 2)), groups=8).generate(
        lambda rows: rows[rows["a"] % 2 == 0]
    )
    assert results.df["a"].drop_duplicates().tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert results.num_invalid_groups == results.num_prompts // 2


def test_rows_of_a_group_stand_together_whatever_order_the_data_actions_give_them_in():
    results = make(FakeEngine(lambda request: group_of(request.request_id, 3)), groups=5).generate(
        lambda rows: rows.sort_values(["b", "a"], ascending=[True, False])
    )
    assert runs(results.df) == [(request, 3) for request in range(5)]


# Processors of other people


class Told(Processor):
    """Says that records belong together, and nothing of groups."""

    grouped = True

    def __call__(self, prompt_number, text):
        return ParsedResponse([{"a": prompt_number, "b": each} for each in text], [], [], prompt_number)


def test_a_completion_is_one_group_where_the_processor_tells_of_none():
    engine = FakeEngine(lambda request: "01" if request.request_id % 2 else "")
    results = make(engine, groups=3, reader=Told(), policy=Patient).generate()
    assert runs(results.df) == [(1, 2), (3, 2), (5, 2)]


def test_a_plain_callable_reads_text():
    class Plain:
        def __call__(self, prompt_number, text):
            return ParsedResponse([{"a": prompt_number, "b": text}], [], [], prompt_number)

    results = make(FakeEngine(lambda request: "x"), records=3, reader=Plain()).generate()
    assert results.df["a"].tolist() == [0, 1, 2]
    assert (results.num_valid_groups, results.num_invalid_groups) == (None, None)


@pytest.mark.parametrize("sizes", [[1], [3], [2, 0], [-1, 3]])
def test_groups_that_are_not_the_valid_records_are_refused(sizes):
    class Wrong(Told):
        def __call__(self, prompt_number, text):
            return ParsedResponse([{"a": 1}] * 2, [], [], prompt_number, group_sizes=sizes)

    with pytest.raises(PluginContractError, match="Wrong returned groups"):
        Batch(Wrong()).process(0, "")


# A job that was cut off


class Ends(StoppingPolicy):
    patient = True

    def __init__(self, after):
        self.after = after

    def decide(self, progress):
        return Stop(GenerationStatus.INCOMPLETE, "enough") if progress.num_batches == self.after else None


@pytest.mark.parametrize("batches", [1, 2])
def test_a_job_that_goes_on_from_its_journal_gives_the_rows_of_one_that_was_not_cut_off(tmp_path, batches):
    def job(engine, journal, policy):
        backend = make(engine, groups=90, policy=lambda: policy)
        backend.journal = journal
        return backend.generate(lambda rows: rows[rows["b"] != "2"])

    whole = job(FakeEngine(answering(3), max_num_prompts=30), None, Patient())
    path = tmp_path / "journal"
    with GenerationJournal(path, "x") as journal:
        first = job(FakeEngine(answering(3), max_num_prompts=30), journal, Ends(batches))
    assert first.status is GenerationStatus.INCOMPLETE
    engine = FakeEngine(answering(3), max_num_prompts=30)
    with GenerationJournal(path, "x", resume=True) as journal:
        rest = job(engine, journal, Patient())
    assert engine.requests[0].request_id == first.num_prompts
    pd.testing.assert_frame_equal(rest.df, whole.df)
    assert (rest.num_valid_groups, rest.num_invalid_groups) == (whole.num_valid_groups, whole.num_invalid_groups)
