"""What becomes of a job whose vLLM dies, hangs or does not start."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from rowsmith.config import GenerationConfig, RunConfig
from rowsmith.errors import GenerationError
from rowsmith.generation.engine_backend import EngineBackend
from rowsmith.generation.results import GenerationFailure
from rowsmith.generation.status import GenerationStatus
from rowsmith.testing.backend_conformance import LineProcessor
from rowsmith_backends.vllm.engine import VllmEngine, VllmModel

from ...shared.scratch_training import Trained, closed_table, train
from .conftest import children
from .test_vllm_columnar import vllm_engine

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(closed_table(600), tmp_path_factory.mktemp("trained") / "model", max_steps=10)


def _backend(engine: VllmEngine, trained: Trained) -> EngineBackend:
    schema = trained.prepared.vocabulary.schema
    backend = EngineBackend(
        RunConfig(generation=GenerationConfig(num_records=1_000_000)),
        None,
        engine=engine,
        processor=LineProcessor(schema),
        prompt_ids=(1,),
        columns=schema.names,
    )
    backend.initialize()
    backend.prepare_params(max_new_tokens=20)
    return backend


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.parametrize(
    ("sent", "message"), [(signal.SIGKILL, "ended by SIGKILL"), (signal.SIGSTOP, "no sign of life for 8 s")]
)
def test_rows_made_before_vllm_died_or_hung_are_kept(trained: Trained, sent: signal.Signals, message: str) -> None:
    """Promise B26; an interrupt ends a job and not the engine."""
    before, own = children(), _memory(os.getpid())
    engine = vllm_engine(trained, timeout=8.0, max_num_seqs=32)
    told: list[int] = []

    def report(_: object) -> None:
        told.append(1)
        if len(told) == 3:
            (process,) = children() - before
            assert os.getsid(process) == process, "an interrupt from the keyboard must not reach it"
            os.kill(process, sent)

    backend = _backend(engine, trained)
    for _ in range(2):
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        results = backend.generate()
        assert results.status is GenerationStatus.INCOMPLETE
        assert len(results.df) > 0
    backend.batch_finished = report
    with pytest.raises(GenerationFailure, match=message) as caught:
        backend.generate()
    assert caught.value.results.status is GenerationStatus.INCOMPLETE
    assert len(caught.value.results.df) > 100
    with pytest.raises(GenerationFailure, match="not running"):
        backend.generate()
    backend.teardown()
    backend.teardown()
    assert children() == before
    assert _memory(os.getpid()) < own + 300_000, "the model must not have been loaded in this process"


def test_a_model_that_cannot_be_loaded_is_told(trained: Trained, tmp_path: Path) -> None:
    before = children()
    engine = vllm_engine(trained, max_num_seqs=32)
    engine._model = VllmModel(folder=tmp_path, tokenizer=tmp_path)
    with pytest.raises(GenerationError, match="vLLM did not start: "):
        engine.start()
    engine.stop()
    assert children() == before
