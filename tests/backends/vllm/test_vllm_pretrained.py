"""Fine-tuned models in vLLM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rowsmith.config import RunConfig
from rowsmith.generation.requests import CompletionRequest, Engine, SamplingParams
from rowsmith.model import Bundle
from rowsmith.table import from_frame
from rowsmith.table.schema import ModelSchema
from rowsmith.testing.agreement import agreement
from rowsmith.testing.answers import answers
from rowsmith.testing.backend_conformance import BackendConformance
from rowsmith_backends.pretrained.loading import load_base, load_bundle_model
from rowsmith_backends.sampling.bundle_prompts import bundle_prompt_ids
from rowsmith_backends.transformers.backend import TransformersBackend
from rowsmith_backends.transformers.options import TransformersOptions
from rowsmith_backends.vllm.backend import VllmBackend
from rowsmith_backends.vllm.engine import VllmEngine
from rowsmith_backends.vllm.options import VllmOptions
from rowsmith_plugins.evaluations.record_lines import record_lines

from ...shared.base_models import make_base
from ...shared.fine_tuning import tune
from .same_answers import check_same_answers

FLOAT32 = TransformersOptions(dtype="float32", device="cpu")
pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "base", adds_bos=True)


@pytest.fixture(scope="module")
def bundle(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An adapter of a rank for which vLLM has no room of its own, and a stretched context."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"city": draw.choice(["Ulm", "Rome", "São"], 300), "n": draw.integers(0, 9, 300)})
    folder = tmp_path_factory.mktemp("tuned") / "run"
    return tune(frame, folder, base, rank=12, rope_scaling_factor=2.0, training={"max_steps": 20})


def vllm_engine(bundle: Bundle, **options: object) -> VllmEngine:
    chosen = VllmOptions(dtype="float32", cpu_cache_gib=0.5, **options)
    backend = VllmBackend(RunConfig(), bundle.metadata, bundle=bundle, options=chosen, processor=None)
    assert isinstance(backend.engine, VllmEngine)
    return backend.engine


class TestPretrainedVllm(BackendConformance):
    max_tokens = 150

    @pytest.fixture(scope="class")
    @classmethod
    def make_engine(cls, bundle: Bundle) -> Callable[[], Engine]:
        return lambda: vllm_engine(bundle)

    @pytest.fixture(scope="class")
    @classmethod
    def prompt_ids(cls, bundle: Bundle) -> tuple[int, ...]:
        return tuple(bundle_prompt_ids(bundle))

    @pytest.fixture(scope="class")
    @classmethod
    def schema(cls, bundle: Bundle) -> ModelSchema:
        return bundle.model_schema

    def test_the_adapter_is_served_and_not_its_base(
        self, engine: Engine, bundle: Bundle, base: Path, prompt_ids: tuple[int, ...]
    ) -> None:
        """Promise B23."""
        asked = [CompletionRequest(0, prompt_ids, max_tokens=30)]
        found = answers(engine, asked, SamplingParams(log_probs=True, seed=1))[0]
        with torch.no_grad():
            tuned, plain = (
                _scores(model, prompt_ids, found.ids)
                for model in (
                    load_bundle_model(bundle, dtype=torch.float32),
                    load_base(base, dtype=torch.float32, rope_scaling=bundle.metadata.rope_scaling),
                )
            )
        np.testing.assert_allclose(found.log_probs, tuned, atol=1e-3)
        assert np.abs(found.log_probs - plain).max() > 0.1

    def test_it_agrees_with_transformers(self, engine: Engine, bundle: Bundle, prompt_ids: tuple[int, ...]) -> None:
        """Promise B24."""
        other = TransformersBackend(RunConfig(), bundle.metadata, bundle=bundle, options=FLOAT32, processor=None).engine
        other.start()
        for constrained in (True, False):
            found = agreement(other, engine, [prompt_ids] * 2, max_tokens=40, constrained=constrained)
            found.check()
            assert found.num_tokens > 10
        requests = [CompletionRequest(name, prompt_ids, max_tokens=40) for name in range(12)]
        mine, others = (answers(each, requests, SamplingParams(seed=5)) for each in (engine, other))
        same = sum(mine[name] == others[name] for name in mine)
        assert same >= 11, "a draw on the edge may fall to either side, and that seldom"

    def test_its_language_model_answers_as_that_of_transformers(self, engine: Engine, bundle: Bundle) -> None:
        """Of ``language_model()``: log-probabilities within 1e-3 nats a token, after a prompt, and continuations."""
        options = VllmOptions(dtype="float32", enforce_eager=True, cpu_cache_gib=0.5)
        backend = VllmBackend(RunConfig(), bundle.metadata, bundle=bundle, options=options, processor=None)
        backend.engine = engine
        mine = backend.language_model()
        assert mine.capabilities == {"generate", "logprobs", "column-orders"}
        assert len(mine.prefix_ids) > 1
        other = TransformersBackend(RunConfig(), bundle.metadata, bundle=bundle, options=FLOAT32, processor=None)
        rows = from_frame(pd.DataFrame({"city": ["Ulm", "Rome", "São", "Ulm"], "n": [0, 4, 8, 8]}))
        texts = [line.text for line in record_lines(bundle, rows)[0]]
        check_same_answers(mine, other.language_model(), texts, given=4)

    def test_free_completions_are_drawn_as_well(self, engine: Engine, prompt_ids: tuple[int, ...]) -> None:
        asked = [CompletionRequest(name, prompt_ids, max_tokens=20) for name in range(4)]
        found = answers(engine, asked, SamplingParams(constrained=False, temperature=1.5))
        assert len({answer.ids for answer in found.values()}) == 4


def _scores(model: torch.nn.Module, prompt: tuple[int, ...], ids: tuple[int, ...]) -> list[float]:
    logits = model(torch.tensor([[*prompt, *ids]])).logits[0].log_softmax(-1)
    return [float(logits[len(prompt) + place - 1, token]) for place, token in enumerate(ids)]
