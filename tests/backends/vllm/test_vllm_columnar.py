"""Models trained from scratch in vLLM."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from transformers import AutoModelForCausalLM

from rowsmith.dialect import RecordDialect
from rowsmith.evaluation import EngineLanguageModel
from rowsmith.generation.requests import CompletionRequest, Engine, SamplingParams
from rowsmith.table.schema import ModelSchema
from rowsmith.testing.agreement import agreement
from rowsmith.testing.answers import answers
from rowsmith.testing.backend_conformance import BackendConformance
from rowsmith_backends.sampling.bundle_tokens import BundleTokens, load_tokenizer
from rowsmith_backends.sampling.encoding import TokenizerEncoding
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine
from rowsmith_backends.transformers.columnar_model import ColumnarLanguageModel
from rowsmith_backends.vllm.engine import VllmEngine, VllmModel
from rowsmith_backends.vllm.options import VllmOptions

from ...shared.scratch_training import Trained, open_table, train
from .same_answers import check_same_answers

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(open_table(600), tmp_path_factory.mktemp("trained") / "model", max_steps=10)


def vllm_engine(trained: Trained, **options: object) -> VllmEngine:
    vocabulary = trained.prepared.vocabulary
    return VllmEngine(
        VllmModel(folder=trained.directory, tokenizer=trained.directory),
        BundleTokens(trained.directory, vocabulary),
        vocabulary.schema,
        bos_id=vocabulary.bos_id,
        eos_id=vocabulary.eos_id,
        context=trained.prepared.metadata.max_seq_length,
        options=VllmOptions(dtype="float32", cpu_cache_gib=0.5, **options),
    )


class TestColumnarVllm(BackendConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def make_engine(cls, trained: Trained) -> Callable[[], Engine]:
        return lambda: vllm_engine(trained)

    @pytest.fixture(scope="class")
    @classmethod
    def prompt_ids(cls) -> tuple[int, ...]:
        return (1,)

    @pytest.fixture(scope="class")
    @classmethod
    def schema(cls, trained: Trained) -> ModelSchema:
        return trained.prepared.vocabulary.schema

    @pytest.fixture(scope="class")
    @classmethod
    def transformers(cls, trained: Trained) -> Engine:
        made = ColumnarEngine(trained.directory, trained.prepared.vocabulary, dtype="float32", device="cpu")
        made.start()
        return made

    def test_it_agrees_with_transformers(self, engine: Engine, transformers: Engine) -> None:
        """Promise B22."""
        for constrained in (True, False):
            found = agreement(transformers, engine, [(1,)] * 2, max_tokens=20, constrained=constrained)
            found.check()
            assert found.num_tokens > 3

    @pytest.mark.parametrize("top_p", [1.0, 0.7])
    def test_it_draws_what_transformers_draws(self, engine: Engine, transformers: Engine, top_p: float) -> None:
        requests = [CompletionRequest(name, (1,), max_tokens=40) for name in range(300)]
        params = SamplingParams(seed=5, temperature=0.9, top_p=top_p)
        mine, others = (answers(each, requests, params) for each in (engine, transformers))
        same = sum(mine[name] == others[name] for name in mine)
        assert same >= 297, "a draw on the edge may fall to either side, and that seldom"

    def test_its_language_model_answers_as_that_of_transformers(
        self, engine: Engine, transformers: ColumnarEngine, trained: Trained
    ) -> None:
        """Log-probabilities within 1e-3 nats a token, and continuations under the grammar of records."""
        vocabulary, folder = trained.prepared.vocabulary, trained.directory
        about = {"prefix_ids": (1,), "eos_id": vocabulary.eos_id, "block_size": 128, "fingerprint": "tiny"}
        tokenizer = load_tokenizer(folder)
        mine = EngineLanguageModel(engine, encoding=TokenizerEncoding(tokenizer), constrained=True, **about)
        other = ColumnarLanguageModel(
            AutoModelForCausalLM.from_pretrained(folder, dtype="float32"), tokenizer, vocabulary, transformers, **about
        )
        texts = list(RecordDialect(vocabulary.schema).encode(open_table(6)[0]))
        check_same_answers(mine, other, texts, given=2)
