"""What engines are asked and what they answer."""

import numpy as np
import pytest

from rowsmith.errors import ParameterError
from rowsmith.generation import CompletionBlock, CompletionRequest, Engine, FinishReason, SamplingParams
from rowsmith.testing.fake_engine import FakeEngine, Reply


def block(**changes):
    parts = {
        "request_ids": np.array([7, 3]),
        "lengths": np.array([2, 1], dtype=np.int32),
        "finish_reasons": ("stop", "length"),
        "ids": np.array([[104, 105], [33, 0]], dtype=np.int32),
        "decode": lambda ids: "".join(map(chr, ids)),
    }
    return CompletionBlock(**{**parts, **changes})


def test_text_is_decoded_when_it_is_asked_for_and_without_padding():
    calls = []
    made = block(decode=lambda ids: calls.append(list(ids)) or "text")
    assert calls == []
    assert made.text(1) == "text"
    assert calls == [[33]]


def test_a_completion_is_one_row():
    made = block().completion(0)
    assert (made.text, made.finish_reason, made.num_tokens, made.ids) == ("hi", FinishReason.STOP, 2, [104, 105])


def test_given_texts_are_used():
    made = block(texts=("x", "y"), ids=None, decode=None).completion(1)
    assert (made.text, made.finish_reason, made.num_tokens, made.ids) == ("y", FinishReason.LENGTH, 1, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"lengths": np.array([1])},
        {"finish_reasons": ("stop",)},
        {"texts": ("x",)},
        {"ids": np.zeros((3, 2), dtype=np.int32)},
        {"log_probs": np.zeros((3, 2), dtype=np.float32)},
        {"ids": None},
        {"decode": None},
    ],
)
def test_a_block_whose_parts_do_not_fit_is_refused(changes):
    with pytest.raises(ParameterError):
        block(**changes)


def test_an_engine_needs_four_methods_and_no_more():
    assert Engine.__abstractmethods__ == {"start", "complete", "stop", "count_tokens"}

    class Smallest(Engine):
        def start(self):
            pass

        def complete(self, requests, params):
            yield from ()

        def stop(self):
            pass

        def count_tokens(self, text):
            return 0

    engine = Smallest()
    assert (engine.capabilities, engine.max_num_prompts, engine.sampling_options) == (frozenset(), None, frozenset())


@pytest.mark.parametrize("texts_only", [False, True])
def test_the_fake_engine_answers_in_blocks_in_any_order(texts_only):
    engine = FakeEngine(
        lambda request: [65 + request.request_id] if request.request_id % 2 else Reply(text="é", request_id=99),
        block_size=2,
        order=lambda requests: requests[::-1],
        texts_only=texts_only,
    )
    requests = [CompletionRequest(number, (1,)) for number in range(3)]
    blocks = list(engine.complete(requests, SamplingParams()))
    assert [part.request_ids.tolist() for part in blocks] == [[99, 1], [99]]
    assert [part.text(row) for part in blocks for row in range(len(part))] == ["é", "B", "é"]
