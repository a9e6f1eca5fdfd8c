"""Series written with an engine that has no model: order, stops, failures, slots, windows."""

import dataclasses
import importlib
import inspect
import json
import logging
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rowsmith_backends
from rowsmith.errors import PluginContractError
from rowsmith.generation import GenerationJournal, GenerationStatus
from rowsmith.generation.results import GenerationFailure
from rowsmith.storage.run_directory import RunDirectory
from rowsmith_backends.timeseries.journal import only_row


def times_of(frame):
    return pd.to_datetime(frame["t"])


def split(frame):
    """The rows of each series: a new one begins where time does not go on by a day."""
    times = times_of(frame)
    return [part for _, part in frame.groupby((times.diff() != pd.Timedelta(days=1)).cumsum())]


def days(start, count):
    return [day.strftime("%Y-%m-%d") for day in pd.date_range(start, periods=count)]


def test_every_series_is_written_from_its_start_to_its_stop(series, tools):
    """Promises F6, F20."""
    results = series.backend(tools.engine()).generate()
    assert results.status is GenerationStatus.COMPLETE
    assert results.all_groups_succeeded
    assert sorted(list(part["t"]) for part in split(results.df)) == [
        days("2020-01-01", 5),
        days("2020-01-03", 8),
        days("2020-01-10", 3),
    ]
    assert set(results.df["level"]) <= set("abcdefgh")
    assert (results.num_valid_groups, results.num_invalid_groups) == (3, 0)


def test_several_series_are_numbered_where_no_column_tells_them_apart(series, tools):
    backend = series.backend(tools.engine(spoil=lambda group, ask, sample, text: "nonsense\n" if group == 1 else text))
    for expected in ([1, 3], [1, 2, 3]):  # the second one of the first call fails
        results = backend.generate()
        assert (results.identifier, results.df.columns[0]) == ("series", "series")
        assert results.df["series"].unique().tolist() == expected
        steps = [np.diff(times_of(part)) for _, part in results.df.groupby("series")]
        assert all((each > np.timedelta64(0, "us")).all() for each in steps)
    alone = series.backend(tools.engine(), generation={"num_groups": 1}).generate()
    assert alone.identifier is None
    assert "series" not in alone.df


def test_rows_depend_on_the_seed_alone(series, tools):
    first = series.backend(tools.engine(), seed=4).generate().df
    again = series.backend(tools.engine(), options={"max_prompts_per_batch": 1}, seed=4).generate().df
    pd.testing.assert_frame_equal(first, again)
    other = series.backend(tools.engine(), seed=5).generate().df
    assert not first.equals(other)


def test_a_second_generate_writes_other_series(series, tools):
    backend = series.backend(tools.engine())
    first, second = (list(backend.generate().df["level"]) for _ in range(2))
    assert first != second


def test_num_records_does_not_limit_and_num_groups_does(series, tools):
    """Promises F5, F29: a job goes on beyond the number, and is complete."""
    results = series.backend(tools.engine(), generation={"num_records": 2}).generate()
    assert (len(results.df), results.status, results.stop_reason) == (16, GenerationStatus.COMPLETE, None)
    results = series.backend(tools.engine(), generation={"num_groups": 7}).generate()
    assert results.num_valid_groups == 7


def test_progress_is_that_of_the_records_that_the_range_asks_for(series, tools):
    """Promise F38: observers are told of 16 records, whatever ``num_records`` is."""
    seen = []
    series.backend(tools.engine(), batch_finished=seen.append, generation={"num_records": 4}).generate()
    assert {each.target_num_records for each in seen} == {16}
    assert seen[-1].num_valid_records == 16


def test_what_is_told_of_batches_adds_up_to_the_results_also_where_a_kept_series_is_not_whole(
    series, tools, tmp_path, monkeypatch
):
    monkeypatch.setattr("rowsmith_backends.timeseries.job._BATCH", 2)  # a series has several
    spoiled = tools.engine(spoil=lambda group, ask, sample, text: "nonsense\n" if sample == ask % 3 else text)

    def made(name, seen):
        backend = series.backend(spoiled, batch_finished=seen.append)
        with GenerationJournal(tmp_path / name, "job", resume=True) as journal:
            backend.use_journal(journal)
            return backend.generate()

    def adds_up(told, results):
        assert [each.number for each in told] == list(range(len(results.batch_valid_record_fractions)))
        assert sum(each.batch.num_prompts for each in told) == told[-1].num_prompts == results.num_prompts
        invalid = sum(each.batch.num_invalid_records for each in told)
        assert invalid == told[-1].num_invalid_records == results.num_invalid_records > 0
        assert sum(each.batch.num_valid_records for each in told) == results.num_valid_records

    told = []
    expected = made("whole", told)
    adds_up(told, expected)

    with GenerationJournal(tmp_path / "whole", "job", resume=True) as journal:
        first, second, _ = [entry.block for entry in journal.entries()]
    some = [row for row in range(len(second)) if (second.request_ids[row] >> 8) & 0xFFFFFFFF < 3]
    assert 0 < len(some) < len(second)
    with GenerationJournal(tmp_path / "part", "job", resume=True) as journal:
        assert list(journal.entries()) == []
        journal.add([first], num_asked=len(first), elapsed=1.0)
        journal.add([only_row(second, row) for row in some], num_asked=len(some), elapsed=2.0)

    told = []
    results = made("part", told)
    adds_up(told, results)
    pd.testing.assert_frame_equal(results.df, expected.df)
    assert results.num_prompts == expected.num_prompts
    assert results.batch_valid_record_fractions == expected.batch_valid_record_fractions


def test_each_round_and_each_batch_of_a_group_is_logged(series, tools, caplog):
    """Promise F39: progress of the groups, with the errors of the newest batch and without cell text."""
    engine = tools.engine(spoil=lambda group, ask, sample, text: "nonsense\n" if group == 1 and ask > 1 else text)
    with caplog.at_level(logging.DEBUG, logger="rowsmith_backends.timeseries.job"):
        series.backend(engine).generate()
    rounds = [message for message in caplog.messages if message.startswith("round: ")]
    assert len(rounds) == len(engine.calls)
    assert rounds[0] == "round: 3 records of 3 groups, 0 completed, 0 failed, 3 active, 0 pending"
    assert rounds[-1].endswith("2 completed, 1 failed, 0 active, 0 pending")
    groups = [message for message in caplog.messages if message.startswith("group ")]
    assert [message.split(":")[0] for message in sorted(groups)] == [
        "group 1 completed",
        "group 2 failed",
        "group 3 completed",
    ]
    (failed,) = (message for message in groups if "failed" in message)
    assert "2 of " in failed
    assert "its newest batch: 2 valid, 3 invalid, Invalid JSON 100 %" in failed
    assert "nonsense" not in caplog.text
    assert caplog.messages[-1].startswith("generation incomplete: 2 of 3 groups completed")


def test_a_given_range_and_interval_hold_for_every_series(series, tools):
    given = {
        "start_timestamp": "2020-01-04",
        "stop_timestamp": "2020-01-09 12:00",
        "timestamp_interval_seconds": 2 * 86_400,
    }
    results = series.backend(tools.engine(), time_series=given).generate()
    assert list(results.df["t"]) == ["2020-01-04", "2020-01-06", "2020-01-08"] * 3


def test_a_record_at_the_stop_is_in_and_later_ones_are_not(series, tools):
    """Promise F21."""
    engine = tools.engine(most=10, constrained=False)
    results = series.backend(engine, options={"samples_per_prompt": 1}).generate()
    assert [len(part) for part in split(results.df)] == sorted([5, 8, 3], key=[len(p) for p in split(results.df)].index)
    assert sorted(len(part) for part in split(results.df)) == [3, 5, 8]
    assert results.num_invalid_records == 0  # what follows the stop is trimmed, not refused


def test_several_records_of_one_completion_are_taken_in_order(series, tools):
    """Promise F19."""
    engine = tools.engine(most=4, constrained=False)
    results = series.backend(engine, options={"samples_per_prompt": 1}).generate()
    assert results.all_groups_succeeded
    assert len(engine.calls) < 8
    assert (np.concatenate([np.diff(times_of(part)) for part in split(results.df)]) == np.timedelta64(1, "D")).all()


def test_slots_are_refilled_as_groups_finish(series, tools):
    """Promise F11."""
    engine = tools.engine()
    backend = series.backend(engine, options={"max_prompts_per_batch": 2}, generation={"num_groups": 9})
    assert backend.max_groups_per_batch == 2
    assert backend.generate().all_groups_succeeded
    assert set(engine.calls[:-8]) == {2}  # full as long as there are groups to fill them with


def test_one_completion_a_prompt_where_all_are_valid_and_five_elsewhere(series, tools):
    """Promise F7."""
    assert series.backend(tools.engine())._samples_per_prompt == 1
    backend = series.backend(tools.engine(constrained=False))
    assert (backend._samples_per_prompt, backend.max_groups_per_batch) == (5, 20)
    assert backend.generate().all_groups_succeeded


def test_the_window_holds_the_newest_records_in_the_dialect(series, tools):
    """Promise F10."""
    engine = tools.engine()
    backend = series.backend(engine, options={"prefill_context_size": 2}, generation={"num_groups": 1})
    backend.generate()
    decode = engine.vocabulary.decode
    for before, now in zip(engine.asked, engine.asked[1:], strict=False):
        assert now.prompt_ids[0] == engine.vocabulary.bos_id
        assert len(now.prompt_ids) - 1 == 4 * min(2, engine.asked.index(now))
        newest = decode(now.prompt_ids).splitlines()[-1]
        assert newest.startswith(decode(before.forced_ids))
    assert decode(engine.asked[0].forced_ids).startswith('{"t~step":null,"t":"2020-01-')
    assert decode(engine.asked[1].forced_ids).startswith('{"t~step":"1 day","t":"2020-01-')


def test_the_window_is_as_long_as_the_context_allows(series, tools):
    """Promise F9."""
    engine = tools.engine()
    series.spans = (tools.span("2020-01-01", 31),)
    series.backend(engine, context=1 + 10 * 4 + 1).generate()
    assert max(len(request.prompt_ids) for request in engine.asked) == 1 + 9 * 4
    assert all(len(r.prompt_ids) + r.max_tokens <= 42 for r in engine.asked)


def test_an_engine_that_forces_nothing_gets_the_beginning_as_prompt(series, tools):
    """Promise F15."""
    plain, forcing = (tools.engine(forces=forces) for forces in (False, True))
    results = series.backend(plain).generate()
    assert results.all_groups_succeeded
    assert not any(request.forced_ids for request in plain.asked)
    pd.testing.assert_frame_equal(results.df, series.backend(forcing).generate().df)


def uneven(group, ask, sample, text):
    return text if not ask else text.replace("1 day", ["1 day", "2 days", "0 days"][(ask + group) % 3])


def test_series_of_learned_steps_have_as_many_records_as_those_of_training(series, tools):
    """Promise F17."""
    lengths = {"2020-01-01": 12, "2020-01-05": 9, "2020-01-09": 2, "2020-01-12": 1}
    series.spans = tuple(tools.span(start, count, regular=count == 2) for start, count in lengths.items())

    def early(group, ask, sample, text):
        return "" if ask % 4 == 3 else uneven(group, ask, sample, text)

    backend, groups = series.backend(tools.engine(spoil=early)), []
    make = backend._new_groups
    backend._new_groups = lambda: groups.extend(make()) or groups
    assert backend.generate().all_groups_succeeded
    found = [[each.spelled["t"] for each in group.records] for group in groups]
    assert {times[0]: len(times) for times in found} == lengths
    assert all(times == sorted(times) for times in found)


def test_series_of_learned_steps_go_on_to_the_stop_that_the_user_gives(series, tools):
    series.spans = (tools.span("2020-01-01", 12, regular=False), tools.span("2020-01-05", 9, regular=False))
    given = {"stop_timestamp": "2020-01-20"}
    results = series.backend(tools.engine(spoil=uneven), time_series=given).generate()
    assert results.all_groups_succeeded
    times = times_of(results.df)
    (begin,) = np.flatnonzero(times.diff() < pd.Timedelta(0))
    for part in (times[:begin], times[begin:]):
        assert part.is_monotonic_increasing
        assert part.iloc[-1] <= pd.Timestamp("2020-01-20") < part.iloc[-1] + pd.Timedelta(days=2)


def test_a_model_that_is_sure_of_the_end_ends_a_series_whose_steps_it_writes(series, tools):
    series.spans = (tools.span("2020-01-01", 12, regular=False),)
    engine = tools.engine(spoil=lambda group, ask, sample, text: text if ask < 4 else "")
    results = series.backend(engine).generate()
    assert results.all_groups_succeeded
    assert list(results.df["t"]) == days("2020-01-01", 4)


def test_a_group_that_fails_is_named_and_leaves_no_row(series, tools):
    """Promises F24, F26."""
    engine = tools.engine(
        spoil=lambda group, ask, sample, text: "nonsense\n" if (group, ask > 1) == (1, True) else text
    )
    backend = series.backend(engine)
    results = backend.generate()
    assert results.status is GenerationStatus.INCOMPLETE
    assert not backend.all_groups_succeeded
    assert list(results.failed_groups) == ["2"]
    assert "invalid records in 3 batches" in results.failed_groups["2"]
    assert results.num_valid_groups == len(split(results.df)) == 2
    assert results.stop_reason == "1 of 3 groups failed: 2"
    assert json.dumps(results.failed_groups)


def test_a_group_gets_over_fewer_bad_batches_than_the_patience(series, tools):
    """Promise F23."""
    engine = tools.engine(spoil=lambda group, ask, sample, text: text if ask % 3 == 2 else "nonsense\n")
    results = series.backend(engine, generation={"patience": 3}).generate()
    assert results.all_groups_succeeded
    assert results.num_invalid_records > 0


def test_one_bad_beginning_does_not_end_the_others(series, tools):
    """Promise F27."""
    engine = tools.engine(spoil=lambda group, ask, sample, text: "nonsense\n" if group == 0 else text)
    results = series.backend(engine, options={"max_prompts_per_batch": 1}).generate()
    assert list(results.failed_groups) == ["1"]
    assert results.num_valid_groups == 2


def test_a_good_enough_last_batch_ends_the_group_even_if_most_of_it_is_bad(series, tools):
    """Promise F22."""
    series.spans = (tools.span("2020-01-01", 1),)
    engine = tools.engine(spoil=lambda group, ask, sample, text: text + "nonsense\n" * 9, constrained=False)
    results = series.backend(engine, options={"samples_per_prompt": 1}).generate()
    assert results.all_groups_succeeded
    assert len(engine.calls) == 1


def test_a_series_that_never_reaches_its_stop_is_given_up(series, tools):
    """Promise F25."""
    series.spans = (tools.span("2020-01-01", 5, regular=False),)
    engine = tools.engine(spoil=lambda group, ask, sample, text: text.replace("1 day", "0 days"))
    results = series.backend(engine, time_series={"stop_timestamp": "2020-01-05"}).generate()
    assert "no end in sight" in results.failed_groups["1"]
    assert not len(results.df)


def test_nothing_valid_ends_the_job_and_not_only_its_groups(series, tools):
    """Promise F28: of many groups, after as many batches in a row as the patience."""
    engine = tools.engine(spoil=lambda *_: "nonsense\n")
    backend = series.backend(engine, options={"max_prompts_per_batch": 2}, generation={"num_groups": 50})
    results = backend.generate()
    assert results.status is GenerationStatus.STOP_NO_RECORDS
    assert len(engine.calls) < 10
    assert not backend.all_groups_succeeded


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("samples", [1, 5])
def test_nothing_valid_ends_a_job_of_few_groups_the_same_way(series, tools, groups, samples):
    """Promise F28: of fewer groups than the patience, too, and of a single series."""
    backend = series.backend(
        tools.engine(spoil=lambda *_: "nonsense\n", constrained=False),
        generation={"num_groups": groups, "patience": 3},
        options={"samples_per_prompt": samples},
    )
    results = backend.generate()
    assert results.status is GenerationStatus.STOP_NO_RECORDS
    assert "none of" in results.stop_reason
    assert not len(results.df)
    assert not backend.all_groups_succeeded


def test_a_group_that_had_records_before_it_failed_leaves_the_job_incomplete(series, tools):
    engine = tools.engine(spoil=lambda group, ask, sample, text: text if ask < 2 else "nonsense\n")
    results = series.backend(engine, generation={"num_groups": 1}).generate()
    assert (results.status, results.stop_reason) == (GenerationStatus.INCOMPLETE, "1 of 1 groups failed: 1")


def test_a_policy_may_end_the_job(series, tools):
    """Promise F29: ``STOP_METRIC_REACHED`` is what a policy says, after a batch."""
    from rowsmith.generation import Stop, StoppingPolicy

    class Second(StoppingPolicy):
        def decide(self, progress):
            enough = progress.num_batches == 2
            return Stop(GenerationStatus.STOP_METRIC_REACHED, "enough") if enough else None

    engine = tools.engine()
    backend = series.backend(engine, policy=Second)
    results = backend.generate()
    assert (results.status, results.stop_reason) == (GenerationStatus.STOP_METRIC_REACHED, "enough")
    assert len(engine.calls) == 5
    assert [len(part) for part in split(results.df)] in ([3, 5], [5, 3])
    assert not results.all_groups_succeeded


def test_another_step_than_the_interval_is_out_of_order(series, tools):
    """Promise F14."""
    engine = tools.engine(spoil=lambda group, ask, sample, text: text.replace("1 day", "2 days"))
    results = series.backend(engine).generate()
    assert len(results.failed_groups) == 3
    assert not len(results.df)


def test_samples_are_chosen_without_regard_to_their_length(series, tools):
    """Promise F18."""

    # The first sample of each prompt is one record, the others are as many as the stop allows.
    def lengths(group, ask, sample, text):
        return text.splitlines(keepends=True)[0] if sample == 0 else text

    engine = tools.engine(most=4, constrained=False, spoil=lengths)
    backend = series.backend(engine, options={"samples_per_prompt": 2}, generation={"num_groups": 60})
    results = backend.generate()
    assert results.all_groups_succeeded
    first_asks = [request for request in engine.asked if not (request.request_id >> 8) & 0xFFFFFFFF]
    second = {r.request_id >> 40: len(r.prompt_ids) for r in engine.asked if ((r.request_id >> 8) & 0xFFFFFFFF) == 1}
    short = sum(length == 1 + 4 for length in second.values())
    assert len(first_asks) == 120
    assert 12 <= short <= 48


def test_snapshots_are_saved_on_the_way_and_not_in_the_model_s_folder(series, tools, tmp_path):
    """Promise F30."""
    seen = {}
    folder = RunDirectory(tmp_path)

    def look(number):
        for path in tmp_path.glob("generated_partial_*.csv"):
            seen.setdefault(path.name, len(pd.read_csv(path)))

    engine = tools.engine(on_call=look)
    backend = series.backend(engine, workdir=folder, generation={"num_groups": 8})
    results = backend.generate()
    assert [snapshot.label for snapshot in backend.snapshots] == ["25", "50", "75"]
    assert not any(snapshot.saved for snapshot in backend.snapshots)  # they are gone, see below
    total = len(results.df)
    for percent in (25, 50, 75):
        assert seen[f"generated_partial_{percent}pct_records.csv"] >= total * percent // 100
    assert list(seen.values()) == sorted(seen.values())
    assert {snapshot.path.parent for snapshot in backend.snapshots} == {tmp_path}
    assert not list(tmp_path.rglob("*.csv"))  # the whole result takes their place


def test_snapshots_stay_where_a_job_does_not_end_well(series, tools, tmp_path):
    """Promise F31."""
    engine = tools.engine(spoil=lambda group, ask, _, text: "nonsense\n" if group == 1 and ask > 1 else text)
    results = series.backend(engine, workdir=RunDirectory(tmp_path)).generate()
    assert results.failed_groups
    assert (tmp_path / "generated_partial_25pct_records.csv").exists()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 12])
@pytest.mark.parametrize("most", [1, 3, 10])
def test_a_snapshot_is_flagged_when_it_is_on_the_disk_and_only_then(series, tools, tmp_path, count, most):
    """Promise F30: of rounds that pass several milestones at once, too, and in every round."""
    series.spans = (tools.span("2020-01-01", count), tools.span("2020-01-01", 31))
    made, checked = [], []

    def look(number):
        for snapshot in made[0].snapshots if made else ():
            assert snapshot.saved == snapshot.path.exists()
            checked.append(snapshot.saved)

    def broken(group, ask, sample, text):
        return "nonsense\n" if group == 0 and ask > 9 else text

    engine = tools.engine(most=most, constrained=False, spoil=broken, on_call=look)
    backend = series.backend(
        engine, workdir=RunDirectory(tmp_path), options={"samples_per_prompt": 1}, generation={"num_groups": 2}
    )
    made.append(backend)
    backend.generate()
    thresholds = [snapshot.threshold for snapshot in backend.snapshots]
    assert thresholds == sorted(set(thresholds))
    assert all(snapshot.saved == snapshot.path.exists() for snapshot in backend.snapshots)
    assert checked


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [("75", 1)]), (2, [("50", 1), ("75", 2)]), (8, [("25", 2), ("50", 4), ("75", 6)])]
)
def test_milestones_of_few_records_are_those_that_differ(series, tools, tmp_path, count, expected):
    """Promise F30: each threshold once."""
    series.spans = (tools.span("2020-01-01", count),)
    backend = series.backend(tools.engine(), workdir=RunDirectory(tmp_path))
    backend.generate()
    assert [(snapshot.label, snapshot.threshold) for snapshot in backend.snapshots] == expected


def test_a_round_that_passes_several_milestones_saves_each(series, tools, tmp_path):
    """Promises F30, F31: and what cannot be written is told and not flagged."""
    series.spans = (tools.span("2020-01-01", 8),)

    def rest(group, ask, sample, text):
        return text if not ask else "nonsense\n"

    for folder, blocked in (("free", False), ("blocked", True)):
        engine = tools.engine(most=7, constrained=False, spoil=rest)
        backend = series.backend(engine, workdir=RunDirectory(tmp_path / folder), options={"samples_per_prompt": 1})
        if blocked:
            (tmp_path / folder / "generated_partial_50pct_records.csv").mkdir(parents=True)
            (tmp_path / folder / "generated_partial_50pct_records.csv" / "x").touch()
        results = backend.generate()
        assert results.status is GenerationStatus.INCOMPLETE
        assert [snapshot.saved for snapshot in backend.snapshots] == [True, not blocked, True]
        assert all(len(pd.read_csv(snapshot.path)) == 7 for snapshot in backend.snapshots if snapshot.saved)


def test_data_actions_see_whole_series_once(series, tools):
    """Promise F32: a series that loses a row is rejected whole, and any frame may come back."""
    seen = []

    def fewer(rows):
        seen.append((list(rows.columns), len(rows)))
        return rows[rows.index != 0]

    results = series.backend(tools.engine()).generate(fewer)
    assert seen == [(["t~step", "t", "t~weekday", "level"], 16)]
    assert (results.num_valid_groups, results.num_invalid_groups) == (2, 1)
    assert list(results.failed_groups.values()) == ["Rejected by the data actions"]
    assert results.status is GenerationStatus.INCOMPLETE
    whole = series.backend(tools.engine()).generate()
    for changed in (
        lambda rows: rows[["t", "level"]],
        lambda rows: pd.DataFrame({"t": rows["t"].tolist(), "level": rows["level"].tolist()}),
        lambda rows: rows.iloc[::-1],
        lambda rows, accepted: rows.sample(frac=1, random_state=1),
    ):
        results = series.backend(tools.engine()).generate(changed)
        assert results.all_groups_succeeded
        for name in ("t", "level"):
            assert results.df[name].tolist() == whole.df[name].tolist()
    with pytest.raises(PluginContractError, match="keep the index"):
        series.backend(tools.engine()).generate(lambda rows: rows[rows.index != 0].reset_index(drop=True))


def test_an_interrupt_keeps_the_series_that_are_whole(series, tools):
    """Promise F36."""

    def interrupt(number):
        if number == 6:
            raise KeyboardInterrupt

    results = series.backend(tools.engine(on_call=interrupt)).generate()
    assert (results.status, results.stop_reason) == (GenerationStatus.INCOMPLETE, "interrupted")
    assert sorted(len(part) for part in split(results.df)) == [3, 5]


def test_a_failing_engine_leaves_the_series_that_are_whole(series, tools):
    def fail(number):
        if number == 6:
            raise OSError("the engine is gone")

    with pytest.raises(GenerationFailure, match="the engine is gone") as error:
        series.backend(tools.engine(on_call=fail)).generate()
    assert sorted(len(part) for part in split(error.value.results.df)) == [3, 5]


@pytest.mark.parametrize(("groups", "samples"), [(3, 1), (7, 5), (20, 5)])
def test_a_round_is_one_call_for_the_prompts_of_all_active_groups(series, tools, groups, samples):
    """Promise F12: each group and sample once in the first call."""
    engine = tools.engine(constrained=False)
    series.backend(engine, generation={"num_groups": groups}, options={"samples_per_prompt": samples}).generate()
    assert engine.calls[0] == groups * samples
    first = [request.request_id for request in engine.asked[: engine.calls[0]]]
    assert {(name >> 40, name & 0xFF) for name in first} == {(g, s) for g in range(groups) for s in range(samples)}


def test_memory_that_runs_out_makes_the_calls_smaller(series, tools):
    """Promise F12: and smaller ones when memory runs out."""
    engine = tools.engine()

    def exhausted(number):
        if number == 0:
            engine.calls.append(0)
            raise MemoryError("too many")

    engine.on_call = exhausted
    assert series.backend(engine).generate().all_groups_succeeded
    assert max(engine.calls) == 1


def test_groups_as_in_training_where_their_beginnings_were_kept(series, tools):
    """Promise F13."""
    prefill = {
        "north": '{"t~step":null,"t":"2020-01-01","t~weekday":"2","level":"a"}\n'
        '{"t~step":"1 day","t":"2020-01-02","t~weekday":"3","level":"b"}\n',
        "south": '{"t~step":null,"t":"2020-01-01","t~weekday":"2","level":"c"}\n',
    }
    engine = tools.engine()
    backend = series.backend(engine, initial_prefill=prefill)
    results = backend.generate()
    assert backend._groups == ["north", "south"]
    assert results.all_groups_succeeded
    starts = {request.request_id >> 40: request for request in engine.asked[::-1]}
    assert engine.vocabulary.decode(starts[0].prompt_ids) == prefill["north"]
    assert engine.vocabulary.decode(starts[0].forced_ids).startswith('{"t~step":"1 day"')
    # Real rows are read and never handed on; what is handed on begins at the first step.
    assert sorted(len(part) for part in split(results.df)) == sorted(
        span.length for span in (backend.plan.spans[i] for i in _lengths_of(results, backend))
    )


def _lengths_of(results, backend):
    lengths = [len(part) for part in split(results.df)]
    return [next(i for i, span in enumerate(backend.plan.spans) if span.length == length) for length in lengths]


def test_the_states_are_data_classes_with_the_documented_fields():
    """Promise F1."""
    snapshot, state = rowsmith_backends.ProgressSnapshot, rowsmith_backends.GroupState
    assert [each.name for each in dataclasses.fields(snapshot)] == ["label", "threshold", "path", "saved"]
    assert snapshot("50", 10, None).saved is False
    assert [each.name for each in dataclasses.fields(state)] == [
        "group_id",
        "initial_prefill",
        "current_prefill",
        "recent_records",
        "expected_records",
        "last_timestamp_seconds",
        "low_valid_fraction_count",
        "completed",
        "failed",
        "total_valid_records",
        "total_invalid_records",
    ]
    made = state("1", "", "")
    assert (made.recent_records, made.expected_records, made.last_timestamp_seconds) == ([], 0, None)
    assert (made.completed, made.failed, made.total_valid_records) == (False, False, 0)
    assert [each.name for each in rowsmith_backends.GroupProcessingResult] == ["IN_PROGRESS", "COMPLETED", "FAILED"]
    assert [each.value for each in rowsmith_backends.GroupProcessingResult] == [1, 2, 3]


def test_they_can_be_imported_without_a_model_s_libraries(root):
    code = (
        "import sys, rowsmith_backends as b; b.GroupState, b.GroupProcessingResult, b.ProgressSnapshot, "
        "b.TimeseriesBackend; assert not {'torch', 'transformers', 'vllm'} & set(sys.modules)"
    )
    paths = os.pathsep.join(str(root / name) for name in ("core", "assemblers", "backends", "plugins"))
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": paths})


def test_the_constructor_takes_config_and_metadata_and_the_rest_by_name():
    """Promise F2: what it needs besides has no default."""
    parameters = inspect.signature(rowsmith_backends.TimeseriesBackend).parameters.values()
    kinds = {parameter.name: parameter.kind for parameter in parameters}
    by_place = [name for name, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert by_place == ["config", "model_metadata"]
    assert [name for name, kind in kinds.items() if kind is inspect.Parameter.VAR_KEYWORD] == ["kwargs"]
    needed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    assert needed == ["engine", "processor", "plan", "codec", "table_schema"]


def test_the_names_are_those_of_the_document_s_module():
    """Promise F40: all four."""
    module = importlib.import_module("rowsmith_backends.timeseries_backend")
    for name in ("ProgressSnapshot", "GroupState", "GroupProcessingResult", "TimeseriesBackend"):
        assert name in module.__all__
        assert getattr(module, name) is getattr(rowsmith_backends, name)


def test_the_documented_attributes_are_there(series, tools):
    """Promises F4, F8: from the constructor on, and a ``generate`` does not change them."""
    backend = series.backend(tools.engine())
    for _ in range(2):
        assert backend._schema_fragment.startswith('"t~step":')
        assert backend._samples_per_prompt == 1
        assert (backend._max_prompts_per_batch, backend._prefill_context_size) == (100, None)
        assert (backend._time_column, backend._time_format, backend._is_elapsed_time) == ("t", "%Y-%m-%d", False)
        assert backend._timestamp_interval_seconds == 86_400
        assert type(backend._timestamp_interval_seconds) is int
        assert (backend._group_column, backend._group_prefills) == (None, {})
        assert backend._groups == ["1", "2", "3"]
        assert backend._start_timestamp_value == tools.ticks("2020-01-01")
        assert backend._stop_timestamp_value == tools.ticks("2020-01-12")
        backend.generate()
    prefill = {"north": '{"t~step":null,"t":"2020-01-01","t~weekday":"2","level":"a"}\n'}
    kept = series.backend(tools.engine(), initial_prefill=prefill)
    assert (kept._group_prefills, kept._groups) == (prefill, ["north"])


@given(
    seed=st.integers(0, 2**32),
    lengths=st.lists(st.tuples(st.integers(1, 20), st.integers(1, 11)), min_size=1, max_size=6),
    slots=st.integers(1, 7),
    most=st.integers(1, 5),
    bad=st.sets(st.integers(0, 40), max_size=10),
)
def test_order_and_coverage_hold_whatever_the_engine_writes(seed, lengths, slots, most, bad):
    from .conftest import DayEngine, Series, span

    made = Series(spans=tuple(span(f"2020-01-{start:02d}", count) for start, count in lengths))
    engine = DayEngine(
        most=most, constrained=most == 1, spoil=lambda group, ask, _, text: "x\n" if ask * 7 + group in bad else text
    )
    options = {"max_prompts_per_batch": slots, "samples_per_prompt": 1}
    results = made.backend(engine, options=options, seed=seed).generate()
    failed = {int(name) - 1 for name in results.failed_groups}
    whole = [each for place, each in enumerate(_drawn(made, seed)) if place not in failed]
    expected = [each.interval.after(each.start, step) for each in whole for step in range(each.length)]
    assert times_of(results.df).to_numpy().astype("datetime64[us]").astype(np.int64).tolist() == expected


def _drawn(made, seed):
    from rowsmith.randomness.seeds import Seeds
    from rowsmith.sequences import SeriesPlan, TimeAxis, draw_spans

    clock = TimeAxis(column="t", format="%Y-%m-%d")
    return draw_spans(SeriesPlan(clock=clock, inner=clock, spans=made.spans), made.config(seed=seed), Seeds(seed))


@pytest.mark.parametrize("day", ["01", "15", "31"])
def test_labels_of_months_are_those_of_the_month(day):
    from attrs import evolve

    from rowsmith.sequences.intervals import months_later
    from rowsmith.table.schema import Timing, TimingRole
    from rowsmith_backends.timeseries.record_times import RecordTiming

    from .conftest import day_schema, ticks

    mean = 2_629_746.0
    step, place, *_ = day_schema().columns
    names = tuple(str(number) for number in range(600, 660))
    marks = Timing(role=TimingRole.POSITION, amounts=tuple((name, (int(name) + 0.5) * mean) for name in names))
    steps = Timing(role=TimingRole.STEP, amounts=(("1mo", mean), ("2mo", 2 * mean), ("12mo", 12 * mean)))
    schema = evolve(
        day_schema(),
        columns=(
            evolve(step, values=("1mo", "2mo", "12mo"), timing=steps),
            evolve(place, values=names, timing=marks),
        ),
    )
    clock, start = RecordTiming(schema), ticks(f"2020-01-{day}")
    time = start
    for months, label in ((1, "1mo"), (2, "1mo"), (4, "2mo"), (16, "12mo")):
        before, time = time, months_later(start, months)
        assert clock.labels(time, time - before) == {"t~step": label, "t": str(600 + months)}
        assert clock.later(start, before, label) == time


def test_only_tokens_that_stay_are_forced_where_they_depend_on_what_follows(tools):
    """Promise F16."""
    pytest.importorskip("tokenizers")
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from rowsmith.dialect import RecordDialect
    from rowsmith_backends.timeseries.codec import codec_of_tokenizer
    from rowsmith_backends.timeseries.record_times import RecordTiming

    schema = tools.schema()
    clock, dialect = RecordTiming(schema), RecordDialect(schema)
    labels = clock.labels(tools.ticks("2020-01-07"), 86_400_000_000)
    line = dialect.encode_record({**labels, "level": "c"})
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([line] * 50, trainer)
    from tokenizers import decoders

    tokenizer.decoder = decoders.ByteLevel()
    codec = codec_of_tokenizer(schema, PreTrainedTokenizerFast(tokenizer_object=tokenizer))
    written = codec.written({**labels, "level": "c"}, labels, 0)
    forced = codec.forced(labels, clock.leading)
    assert written.line == line
    assert 0 < len(forced) < len(written.ids)
    assert written.ids[: len(forced)] == forced
    assert codec.decode(written.ids) == line
    assert line.startswith(codec.decode(forced))
    assert '"t":"2020-01-07"' in codec.decode(forced)
