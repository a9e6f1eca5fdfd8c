"""The backend ``remote`` with ``vllm serve``: rows, agreement, conformance, keys, and a server that is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from rowsmith.cli.root import cli
from rowsmith.config import GenerationConfig, RunConfig
from rowsmith.dialect import RecordDialect
from rowsmith.errors import GenerationError, ParameterError
from rowsmith.generation import GenerationFailure, GenerationStatus, SamplingParams
from rowsmith.generation.requests import CompletionRequest, Engine
from rowsmith.model import Bundle
from rowsmith.table.schema import ModelSchema
from rowsmith.testing.agreement import agreement
from rowsmith.testing.answers import answers
from rowsmith.testing.backend_conformance import BackendConformance
from rowsmith_backends.remote.backend import RemoteBackend, remote_engine
from rowsmith_backends.remote.options import RemoteOptions
from rowsmith_backends.sampling.bundle_prompts import bundle_prompt_ids
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine
from rowsmith_plugins.processors.tabular import TabularProcessor

from ...shared.base_models import make_base
from ...shared.fine_tuning import tune
from .serving import Serving, serve_vllm
from .tables import people

pytestmark = pytest.mark.vllm

KEY = "sk-of-these-tests"
VARIABLE = "KEY_OF_THESE_TESTS"
Remote = Callable[..., RemoteBackend]


@pytest.fixture(scope="module", autouse=True)
def _key() -> Iterator[None]:
    os.environ[VARIABLE] = KEY
    yield
    del os.environ[VARIABLE]


@pytest.fixture
def remote() -> Iterator[Remote]:
    """Makes backends that are ready to generate, and tears them down."""
    with ExitStack() as ends:

        def made(*given: Any, **options: Any) -> RemoteBackend:
            backend = make(*given, **options)
            ends.callback(backend.teardown)
            return backend

        yield made


def make(bundle: Bundle, url: str, num_records: int = 300, **options: Any) -> RemoteBackend:
    backend = RemoteBackend(
        RunConfig(generation=GenerationConfig(num_records=num_records)),
        bundle.metadata,
        bundle=bundle,
        options=RemoteOptions(url=url, api_key_env=VARIABLE, retries=2, **options),
        processor=TabularProcessor(RecordDialect(bundle.model_schema)),
    )
    backend.initialize()
    backend.prepare_params()
    return backend


# A model made from a table


@pytest.fixture(scope="module")
def server(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serve_vllm(bundle.model_directory, key=KEY, folder=tmp_path_factory.mktemp("log")) as serving:
        yield serving


def test_every_row_is_valid_and_the_same_seed_gives_the_same(remote: Remote, bundle: Bundle, server: Serving) -> None:
    backend = remote(bundle, server.url)
    results = backend.generate()
    assert results.status is GenerationStatus.COMPLETE
    assert (len(results.df), results.num_invalid_records) == (300, 0)
    backend.teardown()
    again = remote(bundle, server.url, concurrency=3).generate().df
    # Numbers of a batch differ in their last digits from those of another, and so, very rarely, a draw.
    assert (again == results.df).all(axis=1).mean() > 0.97
    assert len(results.df.drop_duplicates()) > 50


def test_a_trained_run_is_generated_by_naming_the_server(bundle: Bundle, server: Serving, tmp_path: Path) -> None:
    run, output = bundle.model_directory.parents[1], tmp_path / "rows.csv"
    chosen = [f"backend.options.url={server.url}", f"backend.options.api_key_env={VARIABLE}"]
    words = ["--set", "backend=remote", *(word for each in chosen for word in ("--set", each))]
    result = CliRunner().invoke(cli, ["generate", "--run-dir", str(run), *words, "-n", "200", "-o", str(output)])
    assert result.exit_code == 0, result.output
    table, real = pd.read_csv(output), people()
    assert list(table.columns) == list(real.columns)
    assert len(table) == 200
    assert table["age"].between(real["age"].min(), real["age"].max()).all()
    assert set(table["grown"]) <= {"yes", "no"}
    assert len(table.drop_duplicates()) > 20


def test_without_grammar_and_with_prompts_as_text(remote: Remote, bundle: Bundle, server: Serving) -> None:
    results = remote(bundle, server.url, 50, grammar="none", prompts="text").generate()
    assert len(results.df) == 50


def test_it_agrees_with_transformers(bundle: Bundle, server: Serving) -> None:
    local = ColumnarEngine(bundle.model_directory, bundle.vocabulary, dtype="float32", device="cpu")
    far = remote_engine(bundle, RemoteOptions(url=server.url, api_key_env=VARIABLE))
    local.start()
    far.start()
    firsts = bundle.vocabulary.fields[0]
    prompts = [(bundle.vocabulary.bos_id,), *((1, each) for each in range(firsts.start, firsts.start + 5))]
    found = agreement(local, far, prompts)
    found.check(margin=1e-3, tolerance=1e-3)
    assert found.num_tokens > 10
    far.stop()


def test_a_wrong_key_and_a_wrong_model_are_told(
    remote: Remote, bundle: Bundle, server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(GenerationError, match=r"has no model 'others'.*it serves 'people'"):
        remote(bundle, server.url, model="others")
    monkeypatch.setenv(VARIABLE, "sk-hunter2")
    with pytest.raises(GenerationError, match=rf"does not accept the API key.*{VARIABLE}") as caught:
        remote(bundle, server.url)
    assert "hunter2" not in str(caught.value)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(GenerationError, match=rf"wants an API key.*{VARIABLE}"):
        remote(bundle, server.url)


class TestServedScratch(BackendConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def make_engine(cls, bundle: Bundle, server: Serving) -> Callable[[], Engine]:
        return lambda: remote_engine(bundle, RemoteOptions(url=server.url, api_key_env=VARIABLE))

    @pytest.fixture(scope="class")
    @classmethod
    def prompt_ids(cls) -> tuple[int, ...]:
        return (1,)

    @pytest.fixture(scope="class")
    @classmethod
    def schema(cls, bundle: Bundle) -> ModelSchema:
        return bundle.model_schema


def test_the_process_of_the_model_is_killed_midway(remote: Remote, bundle: Bundle, server: Serving) -> None:
    processes = server.engine_processes()
    assert processes
    broken(remote(bundle, server.url, 100_000), lambda: [os.kill(each, signal.SIGKILL) for each in processes])


# An adapter over a base model


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "base", adds_bos=True)


@pytest.fixture(scope="module")
def tuned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tune(people(), tmp_path_factory.mktemp("tuned") / "run", base)


@pytest.fixture(scope="module")
def lora_server(tuned: Bundle, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serve_vllm(base, adapter=tuned.model_directory, key=KEY, folder=tmp_path_factory.mktemp("log")) as serving:
        yield serving


def test_an_adapter_writes_valid_rows_and_differs_from_its_base(
    remote: Remote, tuned: Bundle, lora_server: Serving
) -> None:
    backend = remote(tuned, lora_server.url, 30, model="people")
    results = backend.generate()
    assert len(results.df) == 30
    requests = [CompletionRequest(i, tuple(bundle_prompt_ids(tuned))) for i in range(8)]
    params = SamplingParams(max_new_tokens=40)
    own = answers(backend.engine, requests, params)
    assert own == answers(remote(tuned, lora_server.url, model="people").engine, requests, params)
    assert own != answers(remote(tuned, lora_server.url, model="base").engine, requests, params)
    with pytest.raises(ParameterError, match="log_probs are not asked of a server of an adapter"):
        answers(backend.engine, requests, SamplingParams(log_probs=True))


class TestServedAdapter(BackendConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def make_engine(cls, tuned: Bundle, lora_server: Serving) -> Callable[[], Engine]:
        options = RemoteOptions(url=lora_server.url, api_key_env=VARIABLE, model="people")
        return lambda: remote_engine(tuned, options)

    @pytest.fixture(scope="class")
    @classmethod
    def prompt_ids(cls, tuned: Bundle) -> tuple[int, ...]:
        return tuple(bundle_prompt_ids(tuned))

    @pytest.fixture(scope="class")
    @classmethod
    def schema(cls, tuned: Bundle) -> ModelSchema:
        return tuned.model_schema


def test_the_server_is_killed_midway(remote: Remote, tuned: Bundle, lora_server: Serving) -> None:
    broken(remote(tuned, lora_server.url, 100_000, model="people"), lora_server.kill)


def broken(backend: RemoteBackend, kill: Callable[[], object]) -> None:
    """A job whose server goes away ends soon, with an error that says so and the rows made before."""
    made: list[float] = []

    def seen(_: object) -> None:
        if not made:
            made.append(time.monotonic())
            kill()

    backend.batch_finished = seen
    with pytest.raises(GenerationFailure, match=r"rows, which are retained: the server http://127.0.0.1") as caught:
        backend.generate()
    assert isinstance(caught.value.results.df, pd.DataFrame)
    assert len(caught.value.results.df) > 0
    assert time.monotonic() - made[0] < 60
    backend.teardown()
