"""Models of transformers under evaluation, against plain loops over the library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from rowsmith.evaluation import EngineLanguageModel, Executor, Sampling, ScoreRequest
from rowsmith.generation.requests import CompletionBlock, CompletionRequest, SamplingParams
from rowsmith_backends.transformers.kv_cache import growing_cache
from rowsmith_backends.transformers.language_model import CausalLanguageModel, weights_fingerprint

from ...backends.transformers.causal import causal_engine
from ...shared.base_models import make_base, make_tokenizer
from .toys import Choice, Encoding, Perplexity, Rollout, job

TEXTS = [
    '{"city":"Ulm","n":3}\n',
    "a",
    '{"city":"São \U0001f98a","n":123456}\n',
    "the class of an object determines the operations that the object supports",
    "",
    "<s> and </s> are text here",
]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rotary positions."""
    return make_base(tmp_path_factory.mktemp("llama") / "base", width=32, layers=2, vocab_size=512)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Absolute positions."""
    folder = tmp_path_factory.mktemp("gpt2") / "base"
    tokenizer = make_tokenizer(vocab_size=512)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=256,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(params=["llama", "gpt2"])
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A model of either kind of positions."""
    return request.getfixturevalue(request.param)


def loaded(folder: Path, **options: Any) -> CausalLanguageModel:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return CausalLanguageModel(model, AutoTokenizer.from_pretrained(folder), **options)


def plain_log_probs(folder: Path, texts: list[str]) -> list[list[float]]:
    """One text after another, without padding, by the library's own loss."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for text in texts:
        text_ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
        ids = torch.tensor([[tokenizer.bos_token_id, *text_ids]])
        with torch.no_grad():
            log_probs = model(input_ids=ids).logits.log_softmax(-1)[0]
        found.append([float(log_probs[at, token]) for at, token in enumerate(text_ids)])
    return found


@pytest.mark.parametrize("rows", [1, 2, 7, 16])
def test_log_probabilities_are_those_of_a_plain_loop_whatever_the_batch(folder: Path, rows: int) -> None:
    """V1 and V8: 1e-4 nats a record, for rotary and for absolute positions."""
    model = loaded(folder)
    ids = [tuple(each) for each in model.encoding.encode_batch(TEXTS)]
    scored = Executor(model=model, max_rows=rows).score([ScoreRequest(each) for each in ids])
    for own, plain in zip(scored, plain_log_probs(folder, TEXTS), strict=True):
        assert np.abs(own.log_probs - plain).max(initial=0) < 1e-4
        assert abs(own.nll + sum(plain)) < 1e-4


def test_perplexity_is_that_of_a_plain_loop(folder: Path) -> None:
    plain = [each for text in plain_log_probs(folder, TEXTS) for each in text]
    model = loaded(folder)
    found = Perplexity(TEXTS)(job(model), model.encoding)
    assert abs(math.log(found) - np.mean(plain)) < 1e-4


def test_no_text_can_spell_a_control_token(llama: Path) -> None:
    """V7: what a cell holds stays text, and comes back."""
    model = loaded(llama)
    special = {model.encoding.tokenizer.bos_token_id, model.encoding.tokenizer.eos_token_id}
    cells = [
        "</s>",
        "<s>",
        "<|endoftext|>",
        'quote " comma , brace }',
        "line\nbreak",
        "\U0001f98a",
        "\u202eabc",
        "x" * 10_000,
    ]
    for cell, ids in zip(cells, model.encoding.encode_batch(cells), strict=True):
        assert not special & set(ids)
        assert model.encoding.decode_batch([ids]) == [cell]


def test_the_cache_gives_the_logits_of_a_full_pass(folder: Path) -> None:
    """V10: 1e-4 in single precision."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([list(range(40, 70))])
    with torch.no_grad():
        full = model(input_ids=ids).logits
        cache = growing_cache(model.config)
        stepwise = [model(input_ids=ids[:, :10], past_key_values=cache, use_cache=True).logits]
        for at in range(10, ids.shape[1]):
            stepwise.append(model(input_ids=ids[:, at : at + 1], past_key_values=cache, use_cache=True).logits)
    assert (torch.cat(stepwise, dim=1) - full).abs().max() < 1e-4


def test_a_greedy_rollout_takes_the_likeliest_token_of_a_full_pass_each_time(folder: Path) -> None:
    """V10 and V12: left padding and the cache change no token, and a second run repeats the first."""
    model = loaded(folder)
    prompts = [tuple(each) for each in model.encoding.encode_batch(["a", "the class of", '{"city":'])]
    executor = Executor(model=model)
    made = executor.generate(prompts, max_new_tokens=12)
    assert executor.generate(prompts, max_new_tokens=12) == made
    assert Executor(model=model, max_rows=1).generate(prompts, max_new_tokens=12) == made
    scored = executor.score(
        [ScoreRequest(tuple(new), prompt) for prompt, new in zip(prompts, made, strict=True)], predictions=True
    )
    assert [each.predicted.tolist() for each in scored] == made
    assert all(made)


def test_sampled_rollouts_depend_on_seed_and_prompt_alone(folder: Path) -> None:
    """V12: not on what else is in the batch."""
    model = loaded(folder)
    prompts = [tuple(each) for each in model.encoding.encode_batch(["a", "the", "b", "class of"] * 2)]
    sampling = Sampling(temperature=1.0, top_p=0.9, seed=3)
    made = [
        Executor(model=model, max_rows=rows).generate(prompts, max_new_tokens=8, sampling=sampling)
        for rows in (1, 3, 64)
    ]
    assert made[0] == made[1] == made[2]
    assert len({tuple(each) for each in made[0]}) > 4


def test_every_kind_of_evaluation_runs_on_a_real_model(folder: Path) -> None:
    model = loaded(folder)
    inference = job(model)
    whole = Encoding(TEXTS[:4])
    assert 0 <= whole(inference, model.encoding) <= 1
    assert len(whole.seen) == 4
    rollout = Rollout([(text, "") for text in TEXTS[:4]], limit=5)
    rollout(inference, model.encoding)
    assert all(seen.startswith(text) for seen, text in zip(rollout.seen, TEXTS[:4], strict=True))
    assert 0 <= Choice([("the class", [" of", " zebra"], 0)])(inference, model.encoding) <= 1


def test_a_continuation_ends_at_the_end_token(llama: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(llama)
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
    ending = CausalLanguageModel(model, tokenizer, eos_id=0)
    # All logits are alike, and the first id is the end.
    assert Executor(model=ending).generate([(5,), (6, 7)], max_new_tokens=4) == [[], []]
    going_on = CausalLanguageModel(model, tokenizer, eos_id=9)
    assert Executor(model=going_on).generate([(5,)], max_new_tokens=4) == [[0, 0, 0, 0]]


def test_a_model_in_training_is_evaluated_without_dropout_and_stays_in_training(gpt2: Path) -> None:
    model = loaded(gpt2)
    model.model.train()
    requests = [ScoreRequest((40, 41, 42))]
    first, second = (Executor(model=model).score(requests)[0].log_probs for _ in range(2))
    assert (first == second).all()
    Executor(model=model).generate([(40,)], max_new_tokens=2)
    assert model.model.training


def test_a_fingerprint_follows_the_weights(llama: Path) -> None:
    model = loaded(llama)
    before = model.fingerprint
    assert before == loaded(llama).fingerprint == weights_fingerprint(model.model)
    with torch.no_grad():
        model.model.get_output_embeddings().weight[0, 0] += 1e-3
    assert model.fingerprint != before


def test_bfloat16_scores_are_near_those_of_single_precision(llama: Path) -> None:
    """V1: 2e-2 nats a token."""
    single = loaded(llama)
    half = CausalLanguageModel(single.model.to(torch.bfloat16), single.encoding.tokenizer)
    ids = [ScoreRequest(tuple(each)) for each in single.encoding.encode_batch(TEXTS[:4])]
    low = Executor(model=half).score(ids)
    high = Executor(model=loaded(llama)).score(ids)
    for one, other in zip(low, high, strict=True):
        assert abs(one.nll - other.nll) / max(1, one.count) < 2e-2


def test_any_engine_that_forces_tokens_and_reports_log_probabilities_scores_alike(llama: Path) -> None:
    model = loaded(llama)
    engine = causal_engine(llama)
    engine.start()
    arguments = {"block_size": 256, "prefix_ids": model.prefix_ids, "eos_id": 2, "fingerprint": "same"}
    through = EngineLanguageModel(engine, **arguments)
    assert through.capabilities == {"logprobs", "generate"}
    requests = [ScoreRequest(tuple(each)) for each in model.encoding.encode_batch(TEXTS)]
    for one, other in zip(Executor(model=through).score(requests), Executor(model=model).score(requests), strict=True):
        assert np.abs(one.log_probs - other.log_probs).max(initial=0) < 1e-4
    prompts = [request.ids for request in requests if request.ids]
    sampling = Sampling(temperature=1.0, seed=4)
    made = [Executor(model=each).generate(prompts, max_new_tokens=6, sampling=sampling) for each in (through, model)]
    assert made[0] == made[1]
    through.close()


def test_an_engine_is_not_forced_to_write_the_prompt_which_may_hold_the_token_that_ends_it(llama: Path) -> None:
    prefix = (1, 40, 2, 1)
    model, engine = loaded(llama, prefix_ids=prefix), causal_engine(llama)
    engine.start()
    through = EngineLanguageModel(engine, block_size=256, prefix_ids=prefix, eos_id=2, fingerprint="same")
    asked: list[tuple[int, ...]] = []
    complete = engine.complete

    def recording(requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        asked.extend(each.forced_ids for each in requests)
        return complete(requests, params)

    engine.complete = recording
    requests = [ScoreRequest(tuple(each)) for each in model.encoding.encode_batch(TEXTS[:3])]
    for one, other in zip(Executor(model=through).score(requests), Executor(model=model).score(requests), strict=True):
        assert np.abs(one.log_probs - other.log_probs).max() < 1e-4
    assert sorted(asked) == sorted(request.ids for request in requests)
    through.close()


def test_moments_are_those_of_the_distribution_over_all_tokens(llama: Path) -> None:
    model = loaded(llama)
    ids = tuple(model.encoding.encode(TEXTS[3]))
    (scored,) = Executor(model=model).score([ScoreRequest(ids)])
    with torch.inference_mode():
        log_probs = model.model(torch.tensor([[*model.prefix_ids, *ids]])).logits[0, :-1].double().log_softmax(-1)
    shares = log_probs.exp()
    means = (shares * log_probs).sum(-1)
    deviations = (shares * (log_probs - means[:, None]) ** 2).sum(-1).sqrt()
    np.testing.assert_allclose(scored.means, means.numpy(), atol=1e-4)
    np.testing.assert_allclose(scored.deviations, deviations.numpy(), atol=1e-4)
