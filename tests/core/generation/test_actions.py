"""Data actions: what becomes of the valid rows of a batch."""

import functools

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.errors import DataError, PluginContractError
from rowsmith.generation import (
    RECORD_ID,
    REJECT_REASON,
    Accepted,
    Batch,
    Completion,
    GenerationBatches,
    rejected_record_to_error,
)
from rowsmith.generation.actions import run_actions


def even(rows, accepted):
    keep = rows["a"] % 2 == 0
    return rows[keep], rows[~keep].assign(**{REJECT_REASON: "odd"})


def accumulate(tools, fn, *values, **options):
    batches = GenerationBatches(data_actions_fn=fn, **options)
    for part in values:
        batches.add_batch(tools.batch_of(part))
    return batches


def test_rows_are_split_into_valid_and_rejected(tools):
    """Promise A27: those that are filtered out are invalid, with their reason."""
    batches = accumulate(tools, even, [1, 2, 3, 4])
    assert batches.to_dataframe(["a"])["a"].tolist() == [2, 4]
    assert (batches.num_valid_records, batches.num_invalid_records) == (2, 2)
    assert batches.batches[0].num_data_rejected_records == 2
    assert batches.batches[0].error_statistics()["Percentage"].to_dict() == {"Rejected by the data actions: odd": 100.0}


@pytest.mark.parametrize(
    "fn",
    [
        lambda rows: rows[rows["a"] > 1],
        lambda rows: (rows[rows["a"] > 1], rows[rows["a"] <= 1]),
        lambda rows, accepted: rows[rows["a"] > 1],
        lambda rows, least=1: rows[rows["a"] > least],
        lambda rows, accepted=None: rows[rows["a"] > (1 if accepted is not None else 99)],
        functools.partial(lambda least, rows: rows[rows["a"] > least], 1),
    ],
)
def test_a_callable_of_one_argument_is_lifted(tools, fn):
    """Promise A28: one argument is enough, and the rows to keep are."""
    batches = accumulate(tools, fn, [1, 2, 3])
    assert batches.to_dataframe(["a"])["a"].tolist() == [2, 3]
    assert batches.num_invalid_records == 1


@pytest.mark.parametrize(
    ("fn", "kept"),
    [
        (lambda rows: rows[["a"]], [1, 1, 2, 3]),
        (lambda rows: pd.DataFrame({"a": rows["a"].tolist()}), [1, 1, 2, 3]),
        (lambda rows: pd.DataFrame({"a": [7, 8, 9]}), [7, 8, 9]),
        (lambda rows: pd.DataFrame({"a": rows["a"].tolist()}, index=list("wxyz")), [1, 1, 2, 3]),
        (lambda rows: rows[rows["a"] > 1].reset_index(drop=True), [2, 3]),
        (lambda rows: rows.drop_duplicates(), [1, 2, 3]),
        (lambda rows: rows.assign(a=rows["a"] * 10), [10, 10, 20, 30]),
        (lambda rows: rows.sort_values("a", ascending=False, ignore_index=True), [3, 2, 1, 1]),
        (lambda rows: rows.set_index("b").reset_index(), [1, 1, 2, 3]),
        (lambda rows: rows.astype({"a": "float64"}), [1.0, 1.0, 2.0, 3.0]),
        (lambda rows: rows.head(0), []),
        (lambda rows: pd.DataFrame(), []),
    ],
)
def test_a_fresh_or_modified_frame_is_what_stands(tools, fn, kept):
    """Promise A28: an ordinary frame comes in, and any frame may come back; the sums follow it."""
    given = []

    def look(rows):
        given.append((list(rows.columns), rows.index.tolist()))
        return fn(rows)

    batch = Batch(tools.processor, count_tokens=len)
    text = "".join(f'{{"a":{value},"b":null}}\n' for value in (1, 1, 2, 3)) + tools.bad
    batch.process_completion(0, Completion(text, None, len(text)))
    batches = GenerationBatches(data_actions_fn=look)
    batches.add_batch(batch)
    assert given == [(["a", "b"], [0, 1, 2, 3])]
    assert batches.to_dataframe(["a"])["a"].tolist() == kept
    assert (batches.num_valid_records, batches.num_invalid_records) == (len(kept), 5 - len(kept))
    assert batches.batches[0].num_data_rejected_records == 4 - len(kept)
    width = len('{"a":1,"b":null}\n')
    assert batches.total_valid_record_tokens == len(kept) * width
    assert batches.total_invalid_record_tokens == (4 - len(kept)) * width + len(tools.bad)


def test_rows_may_come_back_in_other_columns_types_and_order(tools):
    def restore(rows, accepted):
        return pd.DataFrame({"A": rows["a"].astype("int16"), RECORD_ID: rows[RECORD_ID]}).iloc[::-1]

    table = accumulate(tools, restore, [1, 2], [3]).to_dataframe(["A"])
    assert table["A"].tolist() == [2, 1, 3]
    assert table["A"].dtype == "int16"


def test_accepted_is_a_view_of_what_earlier_batches_kept(tools):
    """Promise A27: a function may take the rows accepted so far."""
    seen = []

    def fresh(rows, accepted):
        old = {value for part in accepted.columns("a") for value in part}
        seen.append((len(accepted), sorted(old), [len(frame) for frame in accepted]))
        assert all(RECORD_ID not in frame.columns for frame in accepted)
        return rows[~rows["a"].isin(old)]

    batches = accumulate(tools, fresh, [1, 2], [2, 3], [9])
    assert seen == [(0, [], []), (2, [1, 2], [2]), (3, [1, 2, 3], [2, 1])]
    assert batches.to_dataframe(["a"])["a"].tolist() == [1, 2, 3, 9]


def test_accepted_rows_cannot_be_changed_through_the_view(tools):
    def meddle(rows, accepted):
        for frame in accepted:
            frame["a"] = 0
        return rows

    assert accumulate(tools, meddle, [1], [2]).to_dataframe(["a"])["a"].tolist() == [1, 2]


def test_the_batch_is_not_changed_by_a_function_that_changes_its_input(tools):
    def meddle(rows):
        kept = rows.copy()
        rows["a"] = 0
        del rows["b"]
        return kept

    batch = tools.batch_of([1, 2])
    before = batch.to_dataframe().copy()
    batches = GenerationBatches(data_actions_fn=meddle)
    frame = batch.to_dataframe()
    batches.add_batch(batch)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("fn", "words"),
    [
        (lambda rows: None, "NoneType"),
        (lambda rows: [rows], "list"),
        (lambda rows: (rows, None), "tuple"),
        (lambda rows, accepted: rows[["a"]], "hidden column"),
        (lambda rows: pd.concat([rows, rows]), "cannot add rows"),
        (lambda rows: rows.iloc[[0, 0]], "more than once"),
        (lambda rows, accepted: pd.concat([rows, rows]), "more than once"),
        (lambda rows, accepted: rows.assign(**{RECORD_ID: 99}), "cannot add rows"),
        (lambda rows, accepted: rows.assign(**{RECORD_ID: float("nan")}), "cannot add rows"),
        (lambda rows, accepted: rows.assign(**{RECORD_ID: "0"}), "cannot add rows"),
        (lambda rows, accepted: (rows, rows), "both"),
        (lambda rows: (rows, rows), "both"),
        (lambda rows, accepted: (rows.head(1), rows.head(0)), "lost"),
    ],
)
def test_a_broken_contract_names_the_function(tools, fn, words):
    """Promise A27: a row cannot be lost, doubled or made up."""
    fn.__qualname__ = "my_action"
    with pytest.raises(PluginContractError, match="my_action") as caught:
        accumulate(tools, fn, [1, 2])
    assert words in str(caught.value)


def test_a_batch_whose_action_breaks_is_not_added_and_earlier_rows_stay(tools):
    def once(rows, accepted):
        if len(accepted):
            raise ZeroDivisionError
        return rows

    batches = accumulate(tools, once, [1])
    with pytest.raises(ZeroDivisionError):
        batches.add_batch(tools.batch_of([2]))
    assert batches.num_batches == 1
    assert batches.to_dataframe(["a"])["a"].tolist() == [1]


@given(parts=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=4))
def test_records_and_tokens_are_conserved(tools, parts):
    batches = GenerationBatches(data_actions_fn=even)
    for values in parts:
        text = "".join(f'{{"a":{value},"b":null}}\n' for value in values) + tools.bad
        batch = Batch(tools.processor, count_tokens=len)
        batch.process_completion(0, Completion(text, None, len(text) + 1))
        batches.add_batch(batch)
    records = sum(map(len, parts))
    valid = sum(value % 2 == 0 for values in parts for value in values)
    assert batches.num_valid_records == valid == len(batches.to_dataframe(["a"] if valid else []))
    assert batches.num_invalid_records == records - valid + len(parts)
    width = len('{"a":0,"b":null}\n')
    assert batches.total_valid_record_tokens == valid * width
    assert batches.total_invalid_record_tokens == (records - valid) * width + len(tools.bad) * len(parts)
    assert batches.total_non_record_tokens == len(parts)


def test_rejected_record_to_error_gives_the_same_text_twice():
    """Promise A37."""
    detailed, summary = rejected_record_to_error({"a": "cell", REJECT_REASON: "too old"})
    assert detailed == summary
    assert "too old" in detailed
    assert "cell" not in detailed


@pytest.mark.parametrize("record", [{}, {REJECT_REASON: None}, {REJECT_REASON: float("nan")}, {REJECT_REASON: " "}])
def test_rejected_record_to_error_needs_no_reason(record):
    assert rejected_record_to_error(record) == ("Rejected by the data actions",) * 2


def test_a_batch_without_valid_records_does_not_reach_the_function(tools):
    accumulate(tools, lambda rows: pytest.fail("called"), [])


def test_an_action_must_give_the_columns_of_the_output(tools):
    with pytest.raises(PluginContractError, match="without the columns"):
        accumulate(tools, lambda rows: rows[["a"]], [1], columns=["a", "c"])


def test_of_groups_rows_that_come_back_with_a_new_index_must_be_all():
    """Promise A28: nobody could tell which group lost rows."""
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": list("wxyz")})
    for fn in (lambda rows: rows.iloc[[0, 3]], lambda rows: rows.head(2), lambda rows: rows[["b"]].head(2)):
        assert len(run_actions(fn, frame, Accepted(list), grouped=True).valid) == 2
    for fn in (
        lambda rows: rows.iloc[[0, 3]].reset_index(drop=True),
        lambda rows: pd.DataFrame({"c": [1]}),
        lambda rows: rows.head(3).set_index("b"),
    ):
        assert len(run_actions(fn, frame, Accepted(list)).valid) <= 3
        with pytest.raises(PluginContractError, match="which groups lost rows; keep the index"):
            run_actions(fn, frame, Accepted(list), grouped=True)


def test_a_column_may_not_have_the_name_of_the_hidden_one(tools):
    frame = tools.batch(1).to_dataframe().assign(**{RECORD_ID: 1})
    with pytest.raises(DataError, match="reserved"):
        run_actions(even, frame, Accepted(list))
