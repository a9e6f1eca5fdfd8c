"""The executor: batches, order, windows, several processes, memory."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.errors import EvaluationError, ParameterError
from rowsmith.evaluation import Executor, LanguageModel, Sampling, ScoreBatch, ScoreRequest, TokenScores
from rowsmith.interruption import Interrupted, StopRequest

from .toys import BEGIN, WIDTH, BigramModel, random_model

ids = st.lists(st.integers(0, 7), min_size=1, max_size=20).map(tuple)


def nll(model: BigramModel, sequence: tuple[int, ...], before: int = BEGIN) -> list[float]:
    return [model.log_probs[a, b] for a, b in zip((before, *sequence), sequence, strict=False)]


@given(st.lists(ids, max_size=12), st.integers(1, 16), st.integers(1, 200))
def test_every_request_is_answered_once_and_in_order_whatever_the_batches(
    sequences: Any, rows: int, tokens: int
) -> None:
    """V1 and V5: no batch size, budget or number of requests changes a score."""
    model = random_model()
    found = Executor(model=model, max_rows=rows, max_tokens=tokens).score([ScoreRequest(each) for each in sequences])
    assert len(found) == len(sequences)
    for sequence, scored in zip(sequences, found, strict=True):
        assert scored.log_probs.tolist() == nll(model, sequence)
        assert scored.predicted.tolist() == model.logits[[BEGIN, *sequence[:-1]]].argmax(-1).tolist()
    assert sorted(row[1:] for row in model.rows) == sorted(map(list, sequences))
    for height, width in model.batches:
        assert height <= rows
        assert height == 1 or height * width <= tokens


@given(st.lists(ids, min_size=1, max_size=8), st.integers(2, 9))
def test_a_sequence_longer_than_the_block_is_scored_in_windows(sequences: Any, block: int) -> None:
    model = random_model(block_size=block)
    for sequence, scored in zip(
        sequences, Executor(model=model).score([ScoreRequest(each) for each in sequences]), strict=True
    ):
        assert scored.log_probs.tolist() == nll(model, sequence)


def test_context_is_not_scored_and_a_prefix_that_is_there_is_not_added_again() -> None:
    model = random_model()
    (first, second) = Executor(model=model).score([ScoreRequest((2, 3), (0, 1)), ScoreRequest((2,), (BEGIN, 0, 1))])
    assert first.log_probs.tolist() == [model.log_probs[1, 2], model.log_probs[2, 3]]
    assert second.log_probs.tolist() == [model.log_probs[1, 2]]
    assert sorted(model.rows) == [[BEGIN, 0, 1, 2], [BEGIN, 0, 1, 2, 3]]


def test_a_first_token_without_any_before_it_has_no_probability() -> None:
    model = random_model(prefix=False)
    (alone, pair) = Executor(model=model).score([ScoreRequest((3,)), ScoreRequest((3, 4))])
    assert np.isnan(alone.log_probs).tolist() == [True]
    assert (alone.count, alone.nll, alone.predicted.tolist()) == (0, 0.0, [-1])
    assert np.isnan(pair.log_probs).tolist() == [True, False]
    assert pair.nll == -model.log_probs[3, 4]


def test_prompts_are_padded_on_the_left_and_draws_follow_the_number_of_the_prompt() -> None:
    """V12: the same seed gives the same continuations in any batch."""
    prompts = [(0,), (1, 2, 3), (4, 5), (6,), (7, 7, 7, 7)] * 3
    sampling = Sampling(temperature=1.0, seed=5)
    made = [
        Executor(model=random_model(), max_rows=rows).generate(prompts, max_new_tokens=6, sampling=sampling)
        for rows in (1, 2, 7, 64)
    ]
    assert made[0] == made[1] == made[2] == made[3]
    assert len({tuple(each) for each in made[0]}) > 8
    other = Executor(model=random_model()).generate(
        prompts, max_new_tokens=6, sampling=Sampling(temperature=1.0, seed=6)
    )
    assert other != made[0]


def test_padding_of_prompts_is_on_the_left() -> None:
    class Watching(BigramModel):
        def generate(self, batch: Any, sampling: Any) -> Any:
            self.seen = batch.ids.tolist()
            return super().generate(batch, sampling)

    model = Watching(np.zeros((WIDTH, WIDTH)))
    Executor(model=model).generate([(1,), (2, 3)], max_new_tokens=1)
    assert model.seen == [[0, BEGIN, 1], [BEGIN, 2, 3]]


class Pair:
    """Two processes in one, each in a thread."""

    def __init__(self, count: int = 2) -> None:
        self.barrier, self.payloads = threading.Barrier(count), [None] * count
        self.count = count

    def member(self, rank: int) -> Any:
        pair = self

        class Member:
            def __init__(self) -> None:
                self.rank, self.world_size = rank, pair.count

            def gather(self, payload: Any) -> list[Any]:
                pair.payloads[rank] = payload
                pair.barrier.wait(10)
                found = list(pair.payloads)
                pair.barrier.wait(10)
                return found

        return Member()

    def run(self, work: Any) -> list[Any]:
        found: list[Any] = [None] * self.count

        def one(rank: int) -> None:
            try:
                found[rank] = work(self.member(rank))
            except Exception as error:
                found[rank] = error

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        return found


@pytest.mark.parametrize("number", [0, 1, 2, 3, 7])
def test_processes_share_the_requests_and_all_get_all_results_in_order(number: int) -> None:
    requests = [ScoreRequest(tuple(range(i % 7 + 1))) for i in range(number)]
    models = [random_model(), random_model()]
    found = Pair().run(lambda member: Executor(model=models[member.rank], exchange=member).score(requests))
    alone = Executor(model=random_model()).score(requests)
    for scored in found:
        assert [each.log_probs.tolist() for each in scored] == [each.log_probs.tolist() for each in alone]
    assert len(models[0].rows) + len(models[1].rows) == number
    assert abs(len(models[0].rows) - len(models[1].rows)) <= 1


def test_if_one_process_fails_the_others_fail_with_its_error() -> None:
    class Failing(BigramModel):
        def score(self, batch: ScoreBatch) -> TokenScores:
            raise ValueError("no weights")

    table = np.zeros((WIDTH, WIDTH))
    found = Pair().run(
        lambda member: Executor(model=(Failing if member.rank else BigramModel)(table), exchange=member).score(
            [ScoreRequest((0,)), ScoreRequest((1,))]
        )
    )
    assert isinstance(found[1], ValueError)
    assert isinstance(found[0], EvaluationError)
    assert str(found[0]) == "process 1 of the evaluation failed: ValueError: no weights"


def test_lost_or_doubled_results_are_an_error() -> None:
    class Losing:
        rank, world_size = 0, 1

        def __init__(self, change: Any) -> None:
            self.change = change

        def gather(self, payload: Any) -> list[Any]:
            pairs, error = payload
            return [(self.change(pairs), error)]

    for change in (lambda pairs: pairs[1:], lambda pairs: [*pairs, pairs[0]]):
        with pytest.raises(EvaluationError, match="results of"):
            Executor(model=random_model(), exchange=Losing(change)).score([ScoreRequest((0,)), ScoreRequest((1,))])


class Small(BigramModel):
    """Memory for so many sequences."""

    most = 2

    def score(self, batch: ScoreBatch) -> TokenScores:
        if len(batch.lengths) > self.most:
            raise MemoryError("too many")
        return super().score(batch)


def test_when_memory_runs_out_batches_get_smaller_and_no_score_changes() -> None:
    requests = [ScoreRequest(tuple(range(i % 7 + 1))) for i in range(20)]
    table = random_model().logits
    executor = Executor(model=Small(table), max_rows=16)
    found = executor.score(requests)
    whole = Executor(model=BigramModel(table), max_rows=16).score(requests)
    assert [each.log_probs.tolist() for each in found] == [each.log_probs.tolist() for each in whole]
    assert (executor.num_halvings, executor.max_rows) == (3, 2)


def test_when_memory_runs_out_for_one_sequence_it_is_named() -> None:
    model = Small(random_model().logits)
    model.most = 0
    with pytest.raises(EvaluationError, match="memory ran out for request 0 by itself: too many"):
        Executor(model=model).score([ScoreRequest((0, 1)), ScoreRequest((0, 1, 2))])


def test_a_model_is_asked_for_what_it_declares_alone() -> None:
    class Writer(BigramModel):
        capabilities = frozenset({"generate"})

    class Scorer(BigramModel):
        capabilities = frozenset({"logprobs"})

    table = np.zeros((WIDTH, WIDTH))
    with pytest.raises(EvaluationError, match="needs 'logprobs', and Writer declares generate"):
        Executor(model=Writer(table)).score([ScoreRequest((0,))])
    with pytest.raises(EvaluationError, match="needs 'generate', and Scorer declares logprobs"):
        Executor(model=Scorer(table)).generate([(0,)], max_new_tokens=1)
    with pytest.raises(ParameterError, match="max_new_tokens is 0"):
        Executor(model=Writer(table)).generate([(0,)], max_new_tokens=0)


def test_a_model_that_declares_what_it_cannot_do_is_named() -> None:
    class Boasting(LanguageModel):
        capabilities = frozenset({"logprobs", "generate"})
        block_size = 8
        fingerprint = "none"

    with pytest.raises(EvaluationError, match="Boasting cannot score tokens"):
        Executor(model=Boasting()).score([ScoreRequest((0, 1))])
    with pytest.raises(EvaluationError, match="Boasting cannot continue prompts"):
        Executor(model=Boasting()).generate([(0,)], max_new_tokens=1)


def test_an_evaluation_ends_where_it_is_asked_to() -> None:
    stop = StopRequest()
    model = random_model()

    def asked(done: int, total: int) -> None:
        stop.requested = True

    executor = Executor(model=model, max_rows=1, stop=stop, progress=asked)
    with pytest.raises(Interrupted):
        executor.score([ScoreRequest((0,))] * 10, chunk_size=2)
    assert len(model.rows) == 2
