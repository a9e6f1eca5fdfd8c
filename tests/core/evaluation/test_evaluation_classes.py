"""The evaluations of the document, on models whose answers follow from a table."""

from __future__ import annotations

import inspect
import math
from abc import ABC
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rowsmith.evaluation
from rowsmith.errors import EvaluationError, ParameterError
from rowsmith.evaluation import (
    EncodingEvaluation,
    Evaluation,
    PerplexityComparisonEvaluation,
    PerplexityEvaluation,
    RolloutEvaluation,
)

from .toys import (
    BEGIN,
    WIDTH,
    BigramModel,
    Choice,
    Encoding,
    Letters,
    Perplexity,
    Rollout,
    chain,
    job,
    random_model,
    uniform_model,
)


def parameters(function: Any) -> list[tuple[str, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(each.name, each.default) for each in found if each.name != "self" and each.kind is not each.VAR_KEYWORD]


def takes_more(function: Any) -> bool:
    return any(each.kind is each.VAR_KEYWORD for each in inspect.signature(function).parameters.values())


EMPTY = inspect.Parameter.empty


# The module and the base class


def test_the_names_of_the_document_are_in_one_module() -> None:
    """Promise H1"""
    for name in (
        "Evaluation",
        "RolloutEvaluation",
        "EncodingEvaluation",
        "PerplexityEvaluation",
        "PerplexityComparisonEvaluation",
        "Evaluator",
    ):
        assert getattr(rowsmith.evaluation, name).__name__ == name


def test_the_base_class_is_abstract_in_name_length_and_call_alone() -> None:
    """Promises H2, H3, H5, H6, H7"""
    assert ABC in Evaluation.__mro__
    assert Evaluation.__doc__ == "Abstract base class for all evaluations."
    assert Evaluation.__abstractmethods__ == {"name", "__len__", "__call__"}
    assert isinstance(inspect.getattr_static(Evaluation, "name"), property)
    assert parameters(Evaluation.__call__) == [("inference", EMPTY), ("encoding", EMPTY)]
    assert takes_more(Evaluation.__call__)
    with pytest.raises(TypeError, match="abstract"):
        Evaluation()  # type: ignore[abstract]


def test_a_prefix_follows_from_the_name() -> None:
    """Promise H4"""
    assert parameters(Evaluation.prefix) == []
    assert Perplexity(["a"], name="held-out").prefix() == "held-out_"


def test_an_evaluation_that_only_names_itself_counts_and_calls_is_one() -> None:
    class Own(Evaluation):
        name = "own"

        def __len__(self) -> int:
            return 3

        def __call__(self, inference: Any, encoding: Any, **kwargs: Any) -> float:
            return 0.25

    found = Own().measure(job(chain()), Letters())
    assert (found.value, found.n) == (0.25, 3)


# Accumulation steps


@given(st.integers(0, 5000), st.integers(1, 300), st.integers(1, 16))
def test_accumulation_steps_divide_the_dataset_by_the_largest_batch(size: int, most: int, replicas: int) -> None:
    """Promises H8, H9, H10, H11, H12, H13"""
    found = Evaluation.find_accumulation_steps(size, most, replicas)
    divisors = [each for each in range(1, most + 1) if size and size % (each * replicas) == 0]
    if not divisors:
        assert found == (None, None)
        return
    batch, steps = found
    assert type(batch) is int
    assert type(steps) is int
    assert batch == max(divisors)
    assert batch * steps * replicas == size
    assert batch <= most


def test_accumulation_steps_take_the_parameters_of_the_document_and_refuse_nonsense() -> None:
    """Promise H8"""
    assert isinstance(inspect.getattr_static(Evaluation, "find_accumulation_steps"), staticmethod)
    names = [name for name, _ in parameters(Evaluation.find_accumulation_steps)]
    assert names == ["dataset_size", "max_batch_size", "dp_replicate"]
    for wrong in ((-1, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(ParameterError, match="give at least 0, 1 and 1"):
            Evaluation.find_accumulation_steps(*wrong)


# Rollouts


def test_a_rollout_has_the_methods_of_the_document() -> None:
    """Promises H14, H15, H16, H17, H19, H20, H23, H29"""
    assert issubclass(RolloutEvaluation, Evaluation)
    assert parameters(RolloutEvaluation.score) == [("ys", EMPTY), ("y_hats", EMPTY)]
    assert parameters(RolloutEvaluation.check) == [("y", EMPTY), ("y_hat", EMPTY)]
    assert parameters(RolloutEvaluation.clean) == [("y_hat", EMPTY)]
    assert parameters(RolloutEvaluation.get) == [("indx", EMPTY)]
    assert parameters(RolloutEvaluation.max_new_tokens) == [("inference", EMPTY)]
    assert parameters(RolloutEvaluation.__call__) == [
        ("inference", EMPTY),
        ("encoding", EMPTY),
        ("temperature", 0.0),
        ("top_p", 1.0),
        ("chunk_size", 200),
    ]
    assert takes_more(RolloutEvaluation.__call__)
    assert RolloutEvaluation.__abstractmethods__ == {"name", "__len__", "clean", "get"}


def test_a_rollout_scores_the_share_of_right_continuations() -> None:
    """Promises H15, H16, H17, H18, H26, H28"""
    evaluation, encoding = Rollout([("ab", "abcdefgh"), ("de", "defgh"), ("c", "cdx")]), Letters()
    found = evaluation(job(chain()), encoding)
    assert isinstance(found, float)
    assert found == pytest.approx(2 / 3)
    # What is cleaned is the whole text, with the prompt.
    assert evaluation.seen == ["abcdefgh", "defgh", "cdefgh"]
    assert set(encoding.called) == {"encode_batch", "decode_batch"}


def test_what_is_checked_is_clean_and_what_score_says_is_returned() -> None:
    """Promises H18, H28"""

    class Own(Rollout):
        def clean(self, y_hat: str) -> str:
            return y_hat.upper()

        def check(self, y: str, y_hat: str) -> bool:
            self.seen.append(y_hat)
            return y_hat.startswith(y)

    class Sevens(Rollout):
        def score(self, ys: list[str], y_hats: list[str]) -> float:
            self.seen.extend(y_hats)
            return 7 if ys == ["x"] else 0

    own, sevens = Own([("ab", "ABC")]), Sevens([("ab", "x")])
    assert own(job(chain()), Letters()) == 1.0
    assert own.seen == ["ABCDEFGH"]
    found = sevens(job(chain()), Letters())
    assert (found, type(found)) == (7.0, float)
    assert sevens.seen == ["abcdefgh"]


def test_a_rollout_makes_as_many_tokens_as_the_block_leaves_or_as_it_is_allowed() -> None:
    """Promises H20, H21, H22"""
    endless = BigramModel(np.eye(WIDTH) * 50, block_size=12)
    whole, short = Rollout([("ab", "")]), Rollout([("ab", "")], limit=3)
    inference = job(endless)
    assert whole.max_new_tokens(inference) == inference.block_size == 12
    whole(inference, Letters())
    short(inference, Letters())
    # BOS and the prompt are in the block, too.
    assert endless.limits == [12 - 3, 3]
    assert whole.seen == ["ab" + "b" * 9]
    assert short.seen == ["abbbb"]


def test_a_model_that_writes_more_than_it_may_is_cut() -> None:
    """Promise H22"""

    class Talkative(BigramModel):
        def generate(self, batch: Any, sampling: Any) -> Any:
            return [[0] * 50 for _ in batch.lengths]

    evaluation = Rollout([("ab", "")], limit=2)
    evaluation(job(Talkative(np.zeros((WIDTH, WIDTH)))), Letters())
    assert evaluation.seen == ["abaa"]


def test_temperature_and_top_p_reach_the_model_and_zero_is_greedy() -> None:
    """Promises H23, H24, H25"""
    model = random_model()
    evaluation = Rollout([("a", "")] * 20, limit=8)
    evaluation(job(model), Letters())
    evaluation(job(model), Letters(), 0.7, 0.5)
    assert [(each.temperature, each.top_p) for each in model.sampling] == [(0.0, 1.0), (0.7, 0.5)]
    greedy, drawn = evaluation.seen[:20], evaluation.seen[20:]
    assert len(set(greedy)) == 1
    assert len(set(drawn)) > 5
    for wrong in ({"temperature": -1.0}, {"temperature": math.nan}, {"top_p": 0.0}, {"top_p": 1.5}):
        with pytest.raises(ParameterError):
            evaluation(job(model), Letters(), **wrong)


@pytest.mark.parametrize("chunk_size", [1, 2, 200])
def test_no_score_depends_on_the_chunk_size(chunk_size: int) -> None:
    """Promises H27, H38, H48, H54"""
    model, seen = random_model(), []
    words = ["ab", "bcd", "h", "gfe", "ca"]
    evaluations = (
        Rollout([(word, word + "a") for word in words], limit=4),
        Encoding(words),
        Perplexity(words),
        Choice([("ab", ["c", "d", "eh"], 1), ("c", ["a", "b"], 0)]),
    )
    for evaluation in evaluations:
        whole = evaluation(job(model, per_device_batch_size=1), Letters())
        inference = job(model, per_device_batch_size=1, progress=lambda done, total: seen.append((done, total)))
        assert evaluation(inference, Letters(), chunk_size=chunk_size) == whole
    assert ((1, 5) in seen) == (chunk_size == 1)
    assert (5, 5) in seen
    with pytest.raises(ParameterError, match="chunk_size is 0"):
        evaluations[2](job(model), Letters(), chunk_size=0)


def test_a_prompt_that_fills_the_block_loses_its_beginning_and_never_its_end() -> None:
    evaluation = Rollout([("aaaaaaaaaaaab", "")], limit=2)
    inference = job(chain(block_size=8))
    evaluation(inference, Letters())
    assert evaluation.seen == ["aaaaaaaaaaaabcd"]
    assert inference.executor.num_truncated == 1
    assert inference.model.rows[-1] == [BEGIN, 0, 0, 0, 0, 1][: 1 + 5]


# Next tokens


def test_an_encoding_evaluation_has_the_methods_of_the_document() -> None:
    """Promises H30, H31, H33, H34, H35, H36, H39"""
    assert issubclass(EncodingEvaluation, Evaluation)
    assert parameters(EncodingEvaluation.score) == [("xs", EMPTY), ("y_hats", EMPTY)]
    assert parameters(EncodingEvaluation.check) == [("x", EMPTY), ("y_hat", EMPTY)]
    assert parameters(EncodingEvaluation.clean) == [("y_hat", EMPTY)]
    assert parameters(EncodingEvaluation.get) == [("indx", EMPTY)]
    assert parameters(EncodingEvaluation.__call__) == [("inference", EMPTY), ("encoding", EMPTY), ("chunk_size", 200)]
    assert takes_more(EncodingEvaluation.__call__)
    assert EncodingEvaluation.__abstractmethods__ == {"name", "__len__", "clean", "get"}


def test_predictions_are_the_likeliest_tokens_given_those_before() -> None:
    """Promises H32, H33, H34, H37, H39"""
    evaluation, encoding = Encoding(["abc", "bcd", "ca", "b"]), Letters()
    found = evaluation(job(chain()), encoding)
    # After BEGIN the model expects a, and after each letter the next, however long the other texts are.
    assert evaluation.seen == ["abc", "acd", "ad", "a"]
    assert found == pytest.approx(1 / 4)
    assert isinstance(found, float)
    assert set(encoding.called) == {"encode_batch", "decode_batch"}


def test_without_a_token_that_begins_texts_predictions_begin_with_the_second() -> None:
    """Promise H32"""
    evaluation = Encoding(["abc", "bcd"])
    evaluation(job(chain(prefix=False)), Letters())
    assert evaluation.seen == ["bc", "cd"]


def test_predictions_are_cleaned_before_they_are_checked_and_score_is_returned() -> None:
    """Promises H31, H33, H34, H39"""

    class Own(Encoding):
        def check(self, x: str, y_hat: str) -> bool:
            return x.upper() == y_hat

        def score(self, xs: list[str], y_hats: list[str]) -> float:
            return super().score(xs, y_hats) * 10

    assert Own(["abc", "ca"], str.upper)(job(chain()), Letters()) == 5.0


# Perplexity


def test_a_perplexity_evaluation_has_the_methods_of_the_document() -> None:
    """Promises H40, H42, H45, H46, H48"""
    assert issubclass(PerplexityEvaluation, Evaluation)
    assert parameters(PerplexityEvaluation.get) == [("indx", EMPTY)]
    assert parameters(PerplexityEvaluation.__call__) == [("inference", EMPTY), ("encoding", EMPTY), ("chunk_size", 200)]
    assert takes_more(PerplexityEvaluation.__call__)
    assert PerplexityEvaluation.__abstractmethods__ == {"name", "__len__", "get"}
    assert not {"score", "check", "clean"} & set(dir(PerplexityEvaluation))


def closed_form(model: BigramModel, texts: list[str]) -> float:
    found = []
    for text in texts:
        ids = [BEGIN, *Letters().encode(text)]
        found += [model.log_probs[before, after] for before, after in pairwise(ids)]
    return math.exp(sum(found) / len(found))


def test_perplexity_is_one_mean_over_the_tokens_of_all_texts() -> None:
    """Promises H41, H43, H44, H46, H47"""
    model, encoding = random_model(), Letters()
    texts = ["a", "abcdefgh", "hh", "badcafe"]
    found = Perplexity(texts)(job(model), encoding)
    assert found == pytest.approx(closed_form(model, texts), rel=1e-9)
    assert 0 < found <= 1
    # A mean of means would be another number.
    assert found != pytest.approx(math.exp(np.mean([math.log(closed_form(model, [text])) for text in texts])))
    assert set(encoding.called) == {"encode_batch"}


def test_a_text_longer_than_the_block_is_scored_in_blocks_each_token_once() -> None:
    """Promises H42, H43"""
    texts = ["abcdefgh" * 7, "a", "cab" * 11]
    long, short = random_model(), random_model(block_size=8)
    assert Perplexity(texts)(job(short), Letters()) == pytest.approx(Perplexity(texts)(job(long), Letters()))
    assert max(width for _, width in short.batches) == 8


def test_texts_without_a_token_that_can_be_scored_have_no_perplexity() -> None:
    with pytest.raises(EvaluationError, match="no token that can be scored"):
        Perplexity(["a", "b"])(job(chain(prefix=False)), Letters())
    with pytest.raises(EvaluationError, match="no samples"):
        Perplexity([])(job(chain()), Letters())


def test_an_impossible_token_makes_the_score_zero() -> None:
    logits = np.zeros((WIDTH, WIDTH))
    logits[0, 1] = -math.inf
    assert Perplexity(["ab", "cc"])(job(BigramModel(logits)), Letters()) == 0.0


# Multiple choice


def test_a_comparison_has_the_methods_of_the_document() -> None:
    """Promises H49, H50, H52, H54"""
    assert issubclass(PerplexityComparisonEvaluation, Evaluation)
    assert parameters(PerplexityComparisonEvaluation.get) == [("indx", EMPTY)]
    assert parameters(PerplexityComparisonEvaluation.__call__) == [
        ("inference", EMPTY),
        ("encoding", EMPTY),
        ("chunk_size", 200),
    ]
    assert takes_more(PerplexityComparisonEvaluation.__call__)
    assert PerplexityComparisonEvaluation.__abstractmethods__ == {"name", "__len__", "get"}


def test_the_continuation_of_lowest_perplexity_is_chosen() -> None:
    """Promises H50, H51, H52, H53, H54"""
    encoding = Letters()
    samples = [
        ("ab", ["ccc", "cd", "aa"], 1),
        ("c", ["d"], 0),
        ("e", ["a", "b", "c", "f", "d"], 3),
        ("a", ["bcd", "hgf"], 1),
    ]
    found = Choice(samples)(job(chain()), encoding)
    assert found == pytest.approx(3 / 4)
    assert isinstance(found, float)
    assert set(encoding.called) == {"encode", "encode_batch"}


def test_a_candidate_of_one_token_is_judged_by_its_own_probability_wherever_the_right_one_is() -> None:
    """Promise H51"""
    model = random_model(3)
    best = int(model.log_probs[0, :8].argmax())
    letters = "abcdefgh"
    for correct in range(8):
        order = letters[best - correct :] + letters[: best - correct] if best >= correct else None
        order = order or letters[best - correct + 8 :] + letters[: best - correct + 8]
        assert order[correct] == letters[best]
        assert Choice([("a", list(order), correct)])(job(model), Letters()) == 1.0
        assert Choice([("a", list(order), (correct + 1) % 8)])(job(model), Letters()) == 0.0


@given(st.integers(1, 8), st.integers(0, 7))
def test_a_model_that_prefers_none_gets_the_share_of_a_guess(count: int, correct: int) -> None:
    samples = [("ab", list("abcdefgh"[:count]), correct % count)]
    assert Choice(samples)(job(uniform_model()), Letters()) == 1 / count


class Merging(Letters):
    """A tokenizer that writes ``ab`` as one token, ``h``."""

    def encode(self, text: str) -> list[int]:
        return super().encode(text.replace("ab", "h"))

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]


def test_tokens_that_join_prefix_and_continuation_count_for_every_continuation() -> None:
    model = random_model(5)
    # "c" + "a" + "b..." : the last token of the prefix becomes part of the first one of a continuation.
    found = Choice([("ca", ["b", "cc"], 0)])(job(model), Merging())
    joined = model.log_probs[2, 7]
    apart = np.mean([model.log_probs[2, 0], model.log_probs[0, 2], model.log_probs[2, 2]])
    assert found == float(joined > apart)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (("a", [], 0), "sample 0 has no continuation"),
        (("a", ["b", ""], 0), "sample 0 has an empty continuation"),
        (("a", ["b"], 1), "sample 0 has 1 continuations and 1 as the correct one"),
        (("a", ["b"], -1), "sample 0 has 1 continuations and -1 as the correct one"),
    ],
)
def test_a_sample_that_cannot_be_judged_is_named(sample: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        Choice([sample])(job(chain()), Letters())


# All of them by hand


def test_every_kind_agrees_with_the_table_of_logits() -> None:
    """V2: a bigram model has a closed form for each kind."""
    model = random_model(8)
    texts = ["abc", "hgf", "dd"]
    assert Perplexity(texts)(job(model), Letters()) == pytest.approx(closed_form(model, texts), abs=1e-5)
    predicted = Encoding(texts)
    predicted(job(model), Letters())
    for text, seen in zip(texts, predicted.seen, strict=True):
        ids = [BEGIN, *Letters().encode(text)][:-1]
        assert seen == Letters().decode_batch([model.logits[ids].argmax(-1).tolist()])[0]
    means = [[model.log_probs[0, i] for i in range(8)]]
    assert Choice([("a", list("abcdefgh"), int(np.argmax(means[0])))])(job(model), Letters()) == 1.0


def test_a_uniform_model_gives_the_logarithm_of_its_vocabulary() -> None:
    """V6: perplexity is the number of tokens, whatever the texts."""
    assert Perplexity(["abc", "h"])(job(uniform_model()), Letters()) == pytest.approx(1 / WIDTH, rel=1e-9)
