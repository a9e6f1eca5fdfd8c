"""Promises of the accumulator and of the job's results."""

import dataclasses
import inspect
import logging

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rowsmith.generation.results as results_module
from rowsmith.errors import GenerationError, ParameterError, PluginContractError
from rowsmith.generation import (
    ADAPTIVE_MAX_PROMPTS_CEILING,
    INITIAL_PROBE_PROMPTS,
    NUM_PROMPT_BUFFER,
    Batch,
    Completion,
    FinishReason,
    GenerateJobResults,
    GenerationBatches,
    GenerationStatus,
    GenerationStopCondition,
    Stop,
    StoppingPolicy,
)
from rowsmith.generation.batches.rows import join_frames

PATIENT = {"invalid_fraction_threshold": 0.5, "patience": 2}


def add(batches, *added):
    for batch in added:
        batches.add_batch(batch)
    return batches


# Names, parameters, defaults


def test_constants():
    """Promise A2."""
    assert (NUM_PROMPT_BUFFER, INITIAL_PROBE_PROMPTS, ADAPTIVE_MAX_PROMPTS_CEILING) == (10, 10, 2000)


def test_names_are_importable_from_results():
    """Promise A3."""
    for name in (
        "NUM_PROMPT_BUFFER",
        "INITIAL_PROBE_PROMPTS",
        "ADAPTIVE_MAX_PROMPTS_CEILING",
        "GenerateJobResults",
        "GenerationBatches",
        "rejected_record_to_error",
    ):
        assert hasattr(results_module, name)


def test_generation_batches_parameters_order_and_defaults():
    """Promise A9: names, order and defaults; what is added is keyword-only."""
    parameters = list(inspect.signature(GenerationBatches).parameters.values())
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [(p.name, p.default) for p in positional] == [
        ("target_num_records", None),
        ("batches", None),
        ("max_num_prompts_per_batch", None),
        ("invalid_fraction_threshold", None),
        ("patience", None),
        ("data_actions_fn", None),
    ]
    added = parameters[len(positional) :]
    assert all(p.kind is p.KEYWORD_ONLY for p in added)
    assert {p.name for p in added} == {"policy", "columns", "max_num_prompts", "target_num_groups", "grouped", "clock"}


def test_generate_job_results_is_a_mutable_data_class_with_fields_order_and_defaults(tools):
    """Promise A4: names, order and defaults; what is added is keyword-only."""
    fields = [field for field in dataclasses.fields(GenerateJobResults) if not field.kw_only]
    assert [field.name for field in fields] == [
        "df",
        "status",
        "num_valid_records",
        "num_invalid_records",
        "num_prompts",
        "valid_record_fraction",
        "batch_valid_record_fractions",
        "elapsed_time",
        "num_completion_tokens",
        "num_valid_record_tokens",
        "num_invalid_record_tokens",
        "num_non_record_tokens",
        "tokens_per_prompt",
        "tokens_per_second",
        "valid_tokens_per_second",
        "tokenization_overhead_sec",
    ]
    assert [field.default for field in fields] == [dataclasses.MISSING] * 7 + [None] * 9
    assert {field.name for field in dataclasses.fields(GenerateJobResults) if field.kw_only} == {
        "stop_reason",
        "columns",
        "num_valid_groups",
        "num_invalid_groups",
        "num_length_truncated_completions",
        "failed_groups",
        "all_groups_succeeded",
        "identifier",
    }


def test_generate_job_results_works_like_any_data_class():
    """Promise A4: class attributes are the defaults, and the functions of ``dataclasses`` take it."""
    made = GenerateJobResults(pd.DataFrame({"a": [1]}), GenerationStatus.COMPLETE, 1, 0, 1, 1.0, [1.0])
    made.elapsed_time = 2.0
    assert dataclasses.is_dataclass(GenerateJobResults)
    as_dict = dataclasses.asdict(made)
    assert (as_dict["num_valid_records"], as_dict["elapsed_time"], as_dict["failed_groups"]) == (1, 2.0, {})
    assert as_dict["df"]["a"].tolist() == [1]
    assert vars(made).keys() == as_dict.keys()
    other = dataclasses.replace(made, status=GenerationStatus.INCOMPLETE, stop_reason="why")
    assert (other.status, other.stop_reason, other.elapsed_time) == (GenerationStatus.INCOMPLETE, "why", 2.0)
    assert made.status is GenerationStatus.COMPLETE
    with_default = [field.name for field in dataclasses.fields(made) if field.default is None]
    assert all(getattr(GenerateJobResults, name) is None for name in with_default)
    assert len(with_default) == 9 + 7
    assert repr(made).startswith("GenerateJobResults(df=")


def test_generation_status_values():
    """Promise A17: these are the statuses there are."""
    assert [status.value for status in GenerationStatus] == [
        "complete",
        "incomplete",
        "in_progress",
        "stop_no_records",
        "stop_metric_reached",
    ]


@pytest.mark.parametrize("given", [{"patience": 3}, {"invalid_fraction_threshold": 0.5}])
def test_threshold_and_patience_must_come_together(given):
    """Promise A13."""
    with pytest.raises(ParameterError, match="together"):
        GenerationBatches(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"target_num_records": -1},
        {"max_num_prompts_per_batch": 0},
        {"max_num_prompts": 0},
        {"invalid_fraction_threshold": 1.5, "patience": 1},
        {"invalid_fraction_threshold": 0.5, "patience": 0},
    ],
)
def test_sizes_out_of_range_are_refused(given):
    with pytest.raises(ParameterError):
        GenerationBatches(**given)


def test_policy_excludes_threshold_and_patience():
    with pytest.raises(ParameterError):
        GenerationBatches(policy=Never(), **PATIENT)


def test_stop_condition_is_the_patience_condition_or_none():
    """Promise A14."""
    assert GenerationBatches().stop_condition is None
    condition = GenerationBatches(**PATIENT).stop_condition
    assert isinstance(condition, GenerationStopCondition)
    assert (condition.invalid_fraction_threshold, condition.patience) == (0.5, 2)


# How many prompts


@pytest.mark.parametrize(
    ("target", "most"), [(None, 100), (0, 100), (10, 100), (2000, 100), (2020, 101), (39_073, 1953), (10**6, 2000)]
)
def test_max_num_prompts_per_batch_default_follows_the_target(target, most):
    """Promise A11."""
    assert GenerationBatches(target).max_num_prompts_per_batch == most


def test_max_num_prompts_per_batch_given_is_used():
    """Promise A12."""
    assert GenerationBatches(10, max_num_prompts_per_batch=5000).max_num_prompts_per_batch == 5000


def test_without_target_every_batch_is_a_full_one(tools):
    batches = GenerationBatches()
    assert batches.get_next_num_prompts() == 100
    assert add(batches, tools.batch(3)).get_next_num_prompts() == 100


@pytest.mark.parametrize("target", [1, 10, 100_000])
def test_first_batch_is_a_small_probe(target):
    """Promise A18."""
    assert GenerationBatches(target).get_next_num_prompts() == INITIAL_PROBE_PROMPTS


def test_prompts_without_valid_records_escalate_to_a_full_batch(tools):
    """Promise A19."""
    batches = add(GenerationBatches(1000, **PATIENT), tools.batch(0, 1))
    assert batches.get_next_num_prompts() == 100


def test_a_fully_length_truncated_batch_keeps_probing(tools):
    """Promise A20."""
    batches = add(GenerationBatches(1000, **PATIENT), tools.batch(0, 1, truncated=True))
    assert batches.get_next_num_prompts() == INITIAL_PROBE_PROMPTS
    assert add(batches, tools.batch(0, 1)).get_next_num_prompts() == 100


def test_with_valid_records_the_batch_follows_records_per_prompt_and_a_buffer(tools):
    """Promise A21."""
    batches = add(GenerationBatches(100, max_num_prompts_per_batch=1000), tools.batch(20, prompts=10))
    assert batches.get_next_num_prompts() == 40 + NUM_PROMPT_BUFFER


@given(
    target=st.integers(0, 5000),
    most=st.none() | st.integers(1, 3000),
    parts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.integers(1, 20), st.booleans()), max_size=5),
)
def test_get_next_num_prompts_bounds(tools, target, most, parts):
    batches = GenerationBatches(target, max_num_prompts_per_batch=most, **PATIENT)
    for valid, invalid, prompts, truncated in parts:
        batches.add_batch(tools.batch(valid, invalid, prompts=prompts, truncated=truncated))
    size = batches.get_next_num_prompts()
    assert (size == 0) == batches.target_met
    assert 0 <= size <= batches.max_num_prompts_per_batch


# Stopping


def test_first_batch_without_valid_records_stops(tools):
    """Promise A22."""
    for options in ({}, PATIENT):
        batches = add(GenerationBatches(10, **options), tools.batch(0, 3))
        assert batches.status is GenerationStatus.STOP_NO_RECORDS
        assert batches.stop_reason


def test_a_fully_length_truncated_probe_is_left_to_the_stop_condition(tools):
    """Promise A23."""
    batches = add(GenerationBatches(10, **PATIENT), tools.batch(0, 1, truncated=True))
    assert batches.status is GenerationStatus.IN_PROGRESS
    assert add(batches, tools.batch(0, 1, truncated=True)).status is GenerationStatus.STOP_METRIC_REACHED


def test_a_fully_length_truncated_probe_without_stop_condition_stops(tools):
    batches = add(GenerationBatches(10), tools.batch(0, 1, truncated=True))
    assert batches.status is GenerationStatus.STOP_NO_RECORDS


def test_later_batches_without_valid_records_are_tolerated_until_the_stop_condition(tools):
    """Promise A24."""
    batches = GenerationBatches(100, **PATIENT)
    statuses = [add(batches, batch).status.value for batch in (tools.batch(9), tools.batch(0, 1), tools.batch(0, 1))]
    assert statuses == ["in_progress", "in_progress", "stop_metric_reached"]


def test_without_stop_condition_any_batch_without_valid_records_stops(tools):
    """Promise A25."""
    batches = add(GenerationBatches(100), tools.batch(9), tools.batch(0, 1))
    assert batches.status is GenerationStatus.STOP_NO_RECORDS


def test_a_stop_is_final_and_keeps_all_rows(tools):
    batches = add(GenerationBatches(100), tools.batch_of([1, 2]), tools.batch(0, 1), tools.batch_of([3]))
    assert batches.status is GenerationStatus.STOP_NO_RECORDS
    assert batches.to_dataframe(["a"])["a"].tolist() == [1, 2, 3]


class Never(StoppingPolicy):
    patient = True

    def decide(self, progress):
        self.progress = progress
        return None


class Always(StoppingPolicy):
    def decide(self, progress):
        return Stop(GenerationStatus.INCOMPLETE, "always")


def test_a_policy_gives_status_and_reason(tools):
    batches = add(GenerationBatches(10, policy=Always()), tools.batch(1))
    assert (batches.status, batches.stop_reason) == (GenerationStatus.INCOMPLETE, "always")
    batches.job_complete()
    assert (batches.status, batches.stop_reason) == (GenerationStatus.INCOMPLETE, "always")


def test_a_policy_is_not_asked_when_the_target_is_met(tools):
    batches = add(GenerationBatches(1, policy=Always()), tools.batch(1))
    batches.job_complete()
    assert (batches.status, batches.stop_reason) == (GenerationStatus.COMPLETE, None)


def test_a_policy_is_told_the_progress(tools, clock):
    policy = Never()
    add(GenerationBatches(10, policy=policy, clock=clock), tools.batch(3, 1), tools.batch(0, 2, truncated=True))
    told = policy.progress
    assert (told.num_batches, told.num_prompts, told.num_valid_records, told.num_invalid_records) == (2, 2, 3, 3)
    assert (told.target_num_records, told.batch_invalid_fraction) == (10, 1.0)
    assert told.running_stopping_metric == pytest.approx(0.25 * 0.5 + 1.0 * 0.5)
    assert (told.num_length_truncated_completions, told.batch_length_truncated_completions) == (1, 1)
    assert told.elapsed_seconds > 0


def test_a_policy_that_breaks_its_contract_is_named(tools):
    class Vague(StoppingPolicy):
        def decide(self, progress):
            return True

    with pytest.raises(PluginContractError, match="Vague"):
        add(GenerationBatches(10, policy=Vague()), tools.batch(1))


def test_status_is_where_the_job_is(tools):
    """Promise A17: in progress, stopped by either rule, and finished either way."""
    running = GenerationBatches(2, **PATIENT)
    assert running.status is GenerationStatus.IN_PROGRESS
    assert add(running, tools.batch(1)).status is GenerationStatus.IN_PROGRESS
    running.job_complete()
    assert running.status is GenerationStatus.INCOMPLETE
    done = add(GenerationBatches(1), tools.batch(1))
    done.job_complete()
    assert done.status is GenerationStatus.COMPLETE
    assert add(GenerationBatches(2), tools.batch(0, 1)).status is GenerationStatus.STOP_NO_RECORDS
    stopped = add(GenerationBatches(9, **PATIENT), tools.batch(1, 9), tools.batch(0, 9))
    assert stopped.status is GenerationStatus.STOP_METRIC_REACHED


def test_once_the_target_is_met_neither_rule_ends_the_job(tools):
    """Promise A38: a batch without valid records, and a threshold reached, change nothing any more."""
    for options in ({}, {"invalid_fraction_threshold": 0.01, "patience": 1}):
        batches = add(GenerationBatches(3, **options), tools.batch(3), tools.batch(0, 5))
        assert (batches.status, batches.get_next_num_prompts()) == (GenerationStatus.IN_PROGRESS, 0)
        batches.job_complete()
        assert batches.status is GenerationStatus.COMPLETE
    at_once = add(GenerationBatches(3, invalid_fraction_threshold=0.01, patience=1), tools.batch(4, 2))
    assert at_once.status is GenerationStatus.IN_PROGRESS


@pytest.mark.parametrize(("target", "batch", "budget"), [(1, 100, 2_100), (10, 100, 3_000), (200, 500, 30_000)])
def test_the_prompt_budget_is_a_hundred_for_each_record_and_twenty_batches(tools, target, batch, budget):
    """Promise A26: the formula of the budget; none without a target."""
    batches = GenerationBatches(target, max_num_prompts_per_batch=batch, policy=Never())
    assert batches.max_num_prompts == budget
    add(batches, tools.batch(0, 1, prompts=budget - 1, truncated=True))  # which a patient policy may judge
    assert batches.status is GenerationStatus.IN_PROGRESS
    assert add(batches, tools.batch(0, 1)).status is GenerationStatus.INCOMPLETE
    assert GenerationBatches().max_num_prompts is None


def test_a_job_that_never_ends_by_policy_ends_by_its_prompt_budget(tools):
    """Promise A26: a job that has sent so many ends as incomplete."""
    batches = GenerationBatches(10, policy=Never(), max_num_prompts=50)
    add(batches, tools.batch(1, prompts=20), tools.batch(0, 1, prompts=20))
    assert batches.status is GenerationStatus.IN_PROGRESS
    assert add(batches, tools.batch(0, 1, prompts=20)).status is GenerationStatus.INCOMPLETE
    assert "60 prompts" in batches.stop_reason


@given(
    fractions=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8),
    patience=st.integers(1, 9),
)
def test_running_stopping_metric_is_an_exponential_average(tools, fractions, patience):
    """Promise A16."""
    batches = GenerationBatches(invalid_fraction_threshold=1.0, patience=patience)
    expected = None
    for valid, invalid in fractions:
        batches.add_batch(tools.batch(valid, invalid))
        share = 1 - valid / (valid + invalid) if valid + invalid else 1.0
        weight = 2 / (patience + 1)
        expected = share if expected is None else weight * share + (1 - weight) * expected
        assert batches.running_stopping_metric == pytest.approx(expected)


# Status at the end


@pytest.mark.parametrize(
    ("target", "valid", "status"),
    [(None, 1, "complete"), (3, 2, "incomplete"), (3, 3, "complete"), (3, 4, "complete"), (0, 0, "complete")],
)
def test_job_complete_gives_a_finished_status(tools, target, valid, status):
    """Promise A33: a finished status."""
    batches = GenerationBatches(target)
    if valid:
        batches.add_batch(tools.batch(valid))
    assert batches.status is GenerationStatus.IN_PROGRESS
    batches.job_complete()
    assert batches.status.value == status


def test_a_met_target_is_complete_even_after_a_stop(tools):
    """Promise A33: a met target is complete whatever else happened."""
    batches = add(GenerationBatches(2), tools.batch(1), tools.batch(0, 1), tools.batch(1))
    batches.job_complete()
    assert batches.status is GenerationStatus.COMPLETE


def test_an_interrupt_is_incomplete_with_its_reason(tools):
    batches = add(GenerationBatches(5), tools.batch(1))
    batches.interrupt("because")
    batches.job_complete()
    assert (batches.status, batches.stop_reason) == (GenerationStatus.INCOMPLETE, "because")


@pytest.mark.parametrize("added", [(), ((0, 3),), ((5, 0),), ((1, 0), (0, 9))])
def test_log_status_and_job_complete_log_and_never_raise(tools, caplog, added):
    """Promises A33, A34: both log, and no row is lost by it."""
    batches = add(GenerationBatches(5), *(tools.batch(*sizes) for sizes in added))
    with caplog.at_level(logging.INFO, logger="rowsmith.generation.batches"):
        batches.log_status()
        batches.job_complete()
    assert len(caplog.records) == 2
    valid = sum(valid for valid, _ in added)
    assert f"{batches.status.value.replace('_', ' ')}: {valid} valid records of 5" in caplog.messages[1]
    assert len(batches.to_dataframe(["a"])) == valid


def test_a_log_that_cannot_be_written_loses_no_row(tools, caplog, monkeypatch):
    """Promise A34: a handler that fails does not end the job."""

    def fail(record):
        raise OSError("disk full")

    handler = logging.Handler()
    handler.emit = fail
    logger = logging.getLogger("rowsmith.generation.batches")
    monkeypatch.setattr(logger, "handlers", [handler])
    batches = add(GenerationBatches(2), tools.batch(2))
    batches.log_status()
    batches.job_complete()
    assert batches.status is GenerationStatus.COMPLETE
    assert len(batches.to_dataframe(["a"])) == 2


# Totals and output


def test_totals_are_the_sums_over_batches(tools):
    """Promise A29: each total is the sum over the batches."""
    made = []
    for text, reason in ((tools.good * 2 + "\n", FinishReason.STOP), (tools.bad, FinishReason.LENGTH)):
        batch = Batch(tools.processor, count_tokens=len)
        batch.process_completion(0, Completion(text, reason, len(text) + 2))
        made.append(batch)
    batches = add(GenerationBatches(**PATIENT), *made)
    assert (batches.num_batches, batches.num_prompts) == (2, 2)
    assert (batches.num_valid_records, batches.num_invalid_records) == (2, 1)
    assert batches.total_valid_record_tokens == 2 * len(tools.good)
    assert batches.total_invalid_record_tokens == len(tools.bad)
    assert batches.total_non_record_tokens == 1 + 2 + 2
    assert batches.total_completion_tokens == 2 * len(tools.good) + len(tools.bad) + 5
    assert batches.num_length_truncated_completions == 1
    assert batches.total_tokenization_time_sec == pytest.approx(sum(batch.tokenization_time_sec for batch in made))


def test_a_batch_that_was_added_takes_no_more_completions(tools):
    """Promise A29: so the totals are those of the rows that come out."""
    added, seeding = tools.batch(1), tools.batch(1)
    batches = add(GenerationBatches(9, [seeding]), added)
    for batch in (added, seeding):
        with pytest.raises(GenerationError, match="been added to a job"):
            batch.process(1, tools.good)
    assert batches.num_valid_records == len(batches.to_dataframe(["a"])) == 2


def test_existing_batches_seed_the_accumulator_as_they_are(tools):
    """Promise A10."""
    before = [tools.batch_of([1, 2]), tools.batch(0, 1)]
    batches = GenerationBatches(5, before, data_actions_fn=lambda rows: rows[rows["a"] > 9])
    assert (batches.num_batches, batches.num_valid_records, batches.num_invalid_records) == (2, 2, 1)
    assert batches.status is GenerationStatus.IN_PROGRESS
    batches.add_batch(tools.batch_of([3, 10]))
    assert batches.to_dataframe(["a"])["a"].tolist() == [1, 2, 10]
    assert len(before) == 2


def test_to_dataframe_joins_selects_and_truncates(tools):
    """Promise A35: joined in order, selected in order, truncated."""
    batches = add(GenerationBatches(), tools.batch_of([1, 2]), tools.batch_of([3]))
    table = batches.to_dataframe(["b", "a"], max_num_records=2)
    assert list(table.columns) == ["b", "a"]
    assert table["a"].tolist() == [1, 2]
    assert table.index.tolist() == [0, 1]
    assert batches.to_dataframe(["a"])["a"].tolist() == [1, 2, 3]
    assert batches.to_dataframe(["a"], max_num_records=0).empty


def test_to_dataframe_without_valid_records_is_empty(tools):
    """Promise A36."""
    batches = add(GenerationBatches(), tools.batch(0, 2))
    table = batches.to_dataframe(["a", "b"])
    assert table.empty
    assert list(table.columns) == ["a", "b"]


def test_to_dataframe_gives_a_column_one_type_for_all_batches(tools):
    """Promise A35: one type over all batches."""
    texts = ['{"a":1,"b":"007"}\n', '{"a":2,"b":"NA"}\n', '{"a":3,"b":null}\n']
    made = []
    for text in texts:
        batch = Batch(tools.processor)
        batch.process(0, text)
        made.append(batch)
    table = add(GenerationBatches(), *made).to_dataframe(["a", "b"])
    assert table["a"].dtype == "int64"
    assert table["b"].tolist()[:2] == ["007", "NA"]
    assert table["b"].isna().tolist() == [False, False, True]


def test_to_dataframe_names_columns_that_are_not_there(tools):
    with pytest.raises(GenerationError, match="nowhere"):
        add(GenerationBatches(), tools.batch(1)).to_dataframe(["nowhere"])


def test_missing_columns_are_found_at_the_first_rows(tools):
    with pytest.raises(PluginContractError, match="nowhere"):
        add(GenerationBatches(10, columns=["a", "nowhere"]), tools.batch(1))


@given(parts=st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=5), most=st.none() | st.integers(0, 12))
def test_output_is_the_first_rows_in_order_and_never_more_than_asked(tools, parts, most):
    """Promise A7: of records that stand alone, exactly so many, from the first."""
    batches = add(GenerationBatches(max_num_prompts_per_batch=1), *(tools.batch_of(values) for values in parts))
    wanted = [value for values in parts for value in values][:most]
    table = batches.to_dataframe(["a"], max_num_records=most)
    assert table["a"].tolist() == wanted


# Results


def test_from_batches_fills_every_field(tools):
    """Promise A5."""
    batch = Batch(tools.processor, count_tokens=len)
    text = tools.good * 3 + tools.bad
    batch.process_completion(0, Completion(text, FinishReason.STOP, len(text) + 1))
    batches = add(GenerationBatches(2), batch)
    batches.job_complete()
    made = GenerateJobResults.from_batches(batches, max_num_records=2, columns=["a"], elapsed_time=4.0)
    assert made.df["a"].tolist() == [1, 1]
    assert made.status is GenerationStatus.COMPLETE
    assert (made.num_valid_records, made.num_invalid_records, made.num_prompts) == (3, 1, 1)
    assert made.valid_record_fraction == 0.75
    assert made.batch_valid_record_fractions == [0.75]
    assert made.elapsed_time == 4.0
    tokens, valid = len(text) + 1, 3 * len(tools.good)
    assert (made.num_completion_tokens, made.num_valid_record_tokens) == (tokens, valid)
    assert (made.num_invalid_record_tokens, made.num_non_record_tokens) == (len(tools.bad), 1)
    assert made.tokens_per_prompt == tokens
    assert (made.tokens_per_second, made.valid_tokens_per_second) == (tokens / 4, valid / 4)
    assert made.tokenization_overhead_sec == batches.total_tokenization_time_sec


def test_tokens_that_nobody_can_count_are_none(tools):
    """Promise A39: not 0, and neither are the rates."""
    texts = (tools.good, tools.bad + "prose\n")
    names = [
        "num_completion_tokens",
        "num_valid_record_tokens",
        "num_invalid_record_tokens",
        "num_non_record_tokens",
        "tokens_per_prompt",
        "tokens_per_second",
        "valid_tokens_per_second",
    ]
    for counters, known in (([None, None], False), ([len, None], False), ([len, len], True)):
        batches = GenerationBatches()
        for text, counter in zip(texts, counters, strict=True):
            batch = Batch(tools.processor, count_tokens=counter)
            batch.process(0, text)
            batches.add_batch(batch)
        made = GenerateJobResults.from_batches(batches, None, ["a"], 2.0)
        assert [getattr(made, name) is not None for name in names] == [known] * 7
        assert made.num_prompts == 2


def test_from_batches_of_nothing():
    """Promise A8."""
    made = GenerateJobResults.from_batches(GenerationBatches(), None, ["a"], 0.0)
    assert made.df.empty
    assert (made.valid_record_fraction, made.batch_valid_record_fractions) == (0.0, [])
    assert (made.tokens_per_prompt, made.tokens_per_second, made.valid_tokens_per_second) == (None, None, None)


def test_fractions_are_listed_in_batch_order(tools):
    """Promise A6."""
    batches = add(GenerationBatches(), tools.batch(1), tools.batch(1, 1), tools.batch(1, 3))
    made = GenerateJobResults.from_batches(batches, None, ["a"], 1.0)
    assert made.batch_valid_record_fractions == [1.0, 0.5, 0.25]


@pytest.mark.parametrize("ordered", [False, True])
def test_categories_of_several_frames_are_joined(ordered: bool) -> None:
    frames = [pd.DataFrame({"x": pd.Categorical(list(part), ordered=ordered), "y": 1}) for part in ("ba", "cb")]
    joined = join_frames(frames, ["x", "y"], None, typed=True)
    assert joined["x"].tolist() == ["b", "a", "c", "b"]
    assert joined["x"].dtype == pd.CategoricalDtype(["a", "b", "c"], ordered)
