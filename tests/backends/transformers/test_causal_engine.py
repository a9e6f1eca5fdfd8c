"""The engine of pretrained models keeps what every engine promises, and draws what the obvious way draws."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, RepetitionPenaltyLogitsProcessor

from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionRequest, Engine, FinishReason, SamplingParams
from rowsmith.randomness.draws import Draws
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema
from rowsmith.testing.agreement import agreement
from rowsmith.testing.answers import answers
from rowsmith.testing.backend_conformance import BackendConformance
from rowsmith_backends.grammar.completion_regex import completion_regex

from ...shared.base_models import make_base
from .causal import SCHEMA, causal_engine, prompt_of

LONGEST = 40


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "base", width=64)


@pytest.fixture(scope="module")
def engine(base: Path) -> Engine:
    made = causal_engine(base)
    made.start()
    return made


class TestCausalEngine(BackendConformance):
    log_prob_tolerance = 1e-3

    @pytest.fixture(scope="class")
    @classmethod
    def make_engine(cls, base: Path) -> Callable[[], Engine]:
        return lambda: causal_engine(base)

    @pytest.fixture(scope="class")
    @classmethod
    def prompt_ids(cls, base: Path) -> tuple[int, ...]:
        return prompt_of(base)

    @pytest.fixture(scope="class")
    @classmethod
    def schema(cls) -> ModelSchema:
        return SCHEMA


def _slowly(folder: Path, request: CompletionRequest, params: SamplingParams) -> list[int]:
    """One row, its whole text read again at every token."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    regex = completion_regex(SCHEMA, most_records=request.max_records)
    tokens = from_tokenizer(tokenizer, n_vocab=model.config.vocab_size, eos_token=tokenizer.eos_token_id)
    matcher = LLMatcher(tokens, LLMatcher.grammar_from_regex(regex))
    draws, ids = Draws(params.seed, np.array([request.request_id])), list(request.forced_ids)
    matcher.consume_tokens(ids)
    while len(ids) < (request.max_tokens or params.max_new_tokens):
        with torch.no_grad():
            before = torch.tensor([[*request.prompt_ids, *ids]])
            logits = model(before).logits[:, -1]
            logits = RepetitionPenaltyLogitsProcessor(params.repetition_penalty)(before, logits)[0].double()
        if params.constrained:
            logits[[not each for each in matcher.compute_logit_bias()]] = -torch.inf
        chances = torch.softmax(logits / (params.temperature or 1e-9), -1)
        if params.top_p < 1:
            ordered, order = chances.sort(descending=True)
            chances[order[ordered.cumsum(-1) - ordered >= params.top_p]] = 0
        ids.append(int((chances.cumsum(-1) <= draws.uniform(len(ids))[0] * chances.sum()).sum()))
        if ids[-1] == tokenizer.eos_token_id or (params.constrained and not matcher.consume_token(ids[-1])):
            break
        if params.constrained and matcher.is_stopped():
            break
    return ids


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(seed=5, max_new_tokens=LONGEST),
        SamplingParams(temperature=0.0, max_new_tokens=LONGEST),
        SamplingParams(seed=5, temperature=0.7, top_p=0.8, max_new_tokens=LONGEST),
        SamplingParams(seed=5, constrained=False, max_new_tokens=LONGEST),
        SamplingParams(seed=5, max_new_tokens=LONGEST, extra={"repetition_penalty": 1.5}),
        SamplingParams(seed=5, constrained=False, max_new_tokens=LONGEST, extra={"repetition_penalty": 0.5}),
    ],
    ids=["sampled", "greedy", "top_p", "free", "penalized", "rewarded"],
)
def test_a_batch_draws_what_one_row_after_another_draws(engine: Engine, base: Path, params: SamplingParams) -> None:
    """Promise B27: with the repetition penalty of transformers, among others."""
    short, long = prompt_of(base, "n\n"), prompt_of(base)
    forced = tuple(AutoTokenizer.from_pretrained(base)('{"city":"Ulm"', add_special_tokens=False).input_ids)
    requests = [
        *(CompletionRequest(i, long) for i in range(20)),
        CompletionRequest(20, short),
        CompletionRequest(21, long, forced_ids=forced),
        CompletionRequest(22, short, forced_ids=forced[:2], max_records=1),
        CompletionRequest(23, long, max_tokens=9),
    ]
    found = answers(engine, requests, params)
    for number in (0, 7, 19, 20, 21, 23):
        assert list(found[number].ids) == _slowly(base, requests[number], params)
    if params.constrained:
        assert list(found[22].ids) == _slowly(base, requests[22], params)


def test_rows_are_the_same_in_batches_of_any_size(engine: Engine, base: Path) -> None:
    requests = [CompletionRequest(i, prompt_of(base)) for i in range(10)]
    params = SamplingParams(seed=2, max_new_tokens=LONGEST)
    expected = answers(engine, requests, params)
    for options in ({"batch_size": 4}, {"batch_tokens": 300}, {"batch_tokens": 1}):
        other = causal_engine(base, **options)
        other.start()
        assert answers(other, requests, params) == expected


_SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("qwen2", "gpt_neox", "llama")]


@pytest.mark.parametrize("architecture", ["mistral", "gemma2", "gpt2", *_SLOW])
def test_every_architecture_is_padded_and_cached_right(architecture: str, tmp_path: Path) -> None:
    folder = make_base(tmp_path / "base", width=64, architecture=architecture, vocab_size=512)
    made = causal_engine(folder)
    made.start()
    requests = [CompletionRequest(0, prompt_of(folder)), CompletionRequest(1, prompt_of(folder, "x"))]
    params = SamplingParams(seed=1, max_new_tokens=30)
    found = answers(made, requests, params)
    assert [list(found[i].ids) for i in (0, 1)] == [_slowly(folder, request, params) for request in requests]


def test_without_a_grammar_a_completion_still_ends_after_its_most_records(engine: Engine, base: Path) -> None:
    requests = [CompletionRequest(i, prompt_of(base), max_records=1) for i in range(20)]
    found = answers(engine, requests, SamplingParams(constrained=False, max_new_tokens=LONGEST))
    tokenizer = AutoTokenizer.from_pretrained(base)
    ended = [answer for answer in found.values() if "\n" in answer.text]
    assert ended
    for answer in ended:
        assert answer.finish_reason is FinishReason.STOP
        assert "\n" not in tokenizer.decode(answer.ids[:-1])


def test_forced_ids_that_begin_no_record_are_refused(engine: Engine, base: Path) -> None:
    forced = tuple(AutoTokenizer.from_pretrained(base)("hello", add_special_tokens=False).input_ids)
    with pytest.raises(GenerationError, match="'hello'"):
        answers(engine, [CompletionRequest(0, prompt_of(base), forced_ids=forced)], SamplingParams())


def test_prompts_that_leave_no_room_are_refused(engine: Engine) -> None:
    for prompt in ((), (5,) * 256):
        with pytest.raises(GenerationError, match="context"):
            answers(engine, [CompletionRequest(0, prompt)], SamplingParams())


def test_control_tokens_are_never_written_into_cells(tmp_path: Path) -> None:
    folder = make_base(tmp_path / "base", width=64, vocab_size=512)
    schema = ModelSchema(columns=(ModelColumn(name="t", kind=JsonKind.STRING, nullable=False),))
    made = causal_engine(folder, schema)
    made.start()
    special = AutoTokenizer.from_pretrained(folder).all_special_ids
    found = answers(made, [CompletionRequest(i, (1,)) for i in range(20)], SamplingParams(max_new_tokens=100))
    for answer in found.values():
        assert not set(answer.ids[:-1]) & set(special)
        assert re.fullmatch(r'(\{"t":"(.|\n)*)?', answer.text)


def test_a_model_that_has_not_learned_the_grammar_is_warned_about(base: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = causal_engine(base)
    made.start()
    answers(made, [CompletionRequest(0, prompt_of(base))], SamplingParams(max_new_tokens=20))
    assert "train longer" in caplog.text


def test_two_engines_of_one_model_agree_and_of_two_do_not(engine: Engine, base: Path, tmp_path: Path) -> None:
    prompts = [prompt_of(base), prompt_of(base, "n\n")]
    other = causal_engine(make_base(tmp_path / "other", width=64, seed=1))
    other.start()
    for constrained in (True, False):
        agreement(engine, engine, prompts, constrained=constrained).check(margin=0.0, tolerance=0.0)
        with pytest.raises(AssertionError, match="differ"):
            agreement(engine, other, prompts, constrained=constrained).check()
