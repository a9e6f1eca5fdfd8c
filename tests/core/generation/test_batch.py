"""A batch: records, errors and tokens of the completions of one call."""

from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.errors import GenerationError, PluginContractError
from rowsmith.generation import Batch, Completion, FinishReason, ParsedResponse, Processor

LINES = st.sampled_from(
    ['{"a":1,"b":"x"}', '{"a":2,"b":"é☃"}', '{"a":"no","b":""}', "prose", "", "  ", '>{"a":3,"b":null}<']
)
TEXTS = st.tuples(st.lists(LINES, max_size=6), st.sampled_from(["", "\n", '\n{"a":7,', "\ud800"])).map(
    lambda parts: "\n".join(parts[0]) + parts[1]
)


def decode(ids):
    # Token 0 ends a completion and has no text, as special tokens have none.
    return "".join(chr(token) for token in ids if token)


def tokens_of(batch):
    return batch.num_valid_record_tokens, batch.num_invalid_record_tokens, batch.num_non_record_tokens


def test_counts_what_it_processed(tools):
    batch = Batch(tools.processor)
    batch.process(0, tools.good * 2 + tools.bad)
    batch.process(1, tools.good)
    assert (batch.num_prompts, batch.num_valid_records, batch.num_invalid_records) == (2, 3, 1)
    assert batch.valid_record_fraction == 0.75
    assert batch.stopping_metric == 0.25


def test_without_records_the_valid_fraction_is_zero_and_the_metric_one(tools):
    batch = Batch(tools.processor)
    batch.process(0, "")
    assert (batch.num_prompts, batch.valid_record_fraction, batch.stopping_metric) == (1, 0.0, 1.0)
    assert batch.to_dataframe() is None


@given(texts=st.lists(TEXTS, max_size=5), eos=st.booleans(), by=st.sampled_from(["ids", "count", "nothing"]))
def test_valid_invalid_and_non_record_tokens_sum_to_completion_tokens(tools, texts, eos, by):
    """Promise A30."""
    batch = Batch(tools.processor, count_tokens=None if by == "nothing" else len)
    for prompt, text in enumerate(texts):
        ids = [*map(ord, text), *([0] if eos else [])]
        known = {"ids": ids, "decode": decode} if by == "ids" else {}
        before = batch.num_completion_tokens, sum(tokens_of(batch))
        batch.process_completion(prompt, Completion(text, FinishReason.STOP, len(ids), **known))
        assert batch.num_completion_tokens - before[0] == len(ids) == sum(tokens_of(batch)) - before[1]
    assert min(tokens_of(batch)) >= 0


@given(texts=st.lists(TEXTS, max_size=5))
def test_counting_by_ids_agrees_with_counting_by_text(tools, texts):
    by_ids, by_text = Batch(tools.processor), Batch(tools.processor, count_tokens=len)
    for prompt, text in enumerate(texts):
        ids = [*map(ord, text), 0]
        by_ids.process_completion(prompt, Completion(text, None, len(ids), ids, decode))
        by_text.process_completion(prompt, Completion(text, None, len(ids)))
    assert tokens_of(by_ids) == tokens_of(by_text)


def test_tokens_of_each_part(tools):
    batch = Batch(tools.processor, count_tokens=len)
    text = f"\n{tools.good}note: {tools.bad}"
    batch.process_completion(0, Completion(text, None, len(text) + 1))
    assert tokens_of(batch) == (len(tools.good), len(tools.bad), 1 + len("note: ") + 1)


def test_records_never_take_more_tokens_than_the_completion_has(tools):
    batch = Batch(tools.processor, count_tokens=lambda text: 1000)
    batch.process_completion(0, Completion(tools.good * 2, None, 7))
    assert tokens_of(batch) == (7, 0, 0)


def test_tokens_that_decode_to_part_of_a_character_still_sum(tools):
    text = '{"a":1,"b":"☃"}\n'
    pieces = text.encode()
    batch = Batch(tools.processor, count_tokens=lambda part: len(part.encode()))
    completion = Completion(text, None, len(pieces), list(pieces), lambda ids: bytes(ids).decode(errors="replace"))
    batch.process_completion(0, completion)
    assert tokens_of(batch) == (len(pieces), 0, 0)


def test_text_alone_is_counted_by_the_counter(tools):
    batch = Batch(tools.processor, count_tokens=len)
    batch.process(0, tools.good + "\n")
    assert (batch.num_completion_tokens, *tokens_of(batch)) == (len(tools.good) + 1, len(tools.good), 0, 1)


def test_time_spent_counting_is_tracked(tools):
    """Promise A31."""
    batch = Batch(tools.processor, count_tokens=len)
    batch.process_completion(0, Completion(tools.good, None, 100))
    assert batch.tokenization_time_sec > 0


def test_counts_completions_cut_at_their_longest_length(tools):
    """Promise A32."""
    batch = Batch(tools.processor)
    batch.process_completion(0, Completion(tools.good, FinishReason.LENGTH))
    assert batch.fully_length_truncated
    batch.process_completion(1, Completion(tools.good, FinishReason.STOP))
    assert batch.num_length_truncated_completions == 1
    assert not batch.fully_length_truncated


def test_rows_do_not_depend_on_the_order_of_arrival(tools):
    texts = {number: f'{{"a":{number},"b":null}}\n' for number in range(5)}
    forwards, backwards = Batch(tools.processor), Batch(tools.processor)
    for number in texts:
        forwards.process(number, texts[number])
    for number in reversed(texts):
        backwards.process(number, texts[number])
    pd.testing.assert_frame_equal(forwards.to_dataframe(), backwards.to_dataframe())


def test_to_dataframe_keeps_every_cell_as_it_was_made():
    records = [
        {"id": "00123", "n": 2**70, "x": Decimal("1.50"), "flag": True, "t": "NA"},
        {"id": "007", "n": 1, "x": None, "flag": False, "t": ""},
    ]

    class Constant(Processor):
        def __call__(self, prompt_number, text):
            return ParsedResponse([dict(record) for record in records], [], [], prompt_number)

    batch = Batch(Constant())
    batch.process(0, "")
    rows = batch.to_dataframe().to_dict("records")
    assert rows == records
    assert [[type(cell) for cell in row.values()] for row in rows] == [
        [type(cell) for cell in record.values()] for record in records
    ]


def test_error_statistics_are_percentages_by_category_or_by_message(tools):
    batch = Batch(tools.processor)
    batch.process(0, '{"a":"x","b":null}\n{"a":"y","b":null}\n{"a":1}\nprose\n')
    summary = batch.error_statistics(detailed_errors=False)["Percentage"]
    assert summary.to_dict() == {"Value of the wrong type": 50.0, "Missing field": 25.0, "Invalid JSON": 25.0}
    assert summary.is_monotonic_decreasing
    detailed = batch.error_statistics(detailed_errors=True)["Percentage"]
    assert detailed["'x' is not an integer"] == 25.0
    assert detailed.sum() == pytest.approx(100.0)


def test_error_statistics_without_errors_are_empty(tools):
    assert tools.batch(1).error_statistics(detailed_errors=True).empty


def test_release_keeps_rows_counts_and_categories(tools):
    batch = Batch(tools.processor)
    batch.process(0, tools.good * 2 + "".join(f'{{"a":"{number}","b":null}}\n' for number in range(300)))
    rows = batch.to_dataframe()
    batch.release()
    pd.testing.assert_frame_equal(batch.to_dataframe(), rows)
    assert (batch.num_valid_records, batch.num_invalid_records) == (2, 300)
    assert batch.error_statistics()["Percentage"].to_dict() == {"Value of the wrong type": 100.0}
    assert list(batch.invalid_records()) == []


def test_a_processor_without_spans_is_counted_too(tools):
    batch = Batch(tools.plain, count_tokens=len)
    batch.process(0, "vv..ii")
    assert (batch.num_valid_records, batch.num_invalid_records) == (2, 2)
    assert sum(tokens_of(batch)) == batch.num_completion_tokens == 6


@pytest.mark.parametrize("answer", [None, [], ParsedResponse([], ["x"], [])])
def test_a_processor_that_breaks_its_contract_is_named(answer):
    class Broken(Processor):
        def __call__(self, prompt_number, text):
            return answer

    with pytest.raises(PluginContractError, match="Broken"):
        Batch(Broken()).process(0, "")


def test_a_settled_batch_takes_no_more_completions(tools):
    batch = tools.batch(1)
    batch.replace_rows(batch.to_dataframe(), {})
    with pytest.raises(GenerationError):
        batch.process(1, tools.good)
