"""What of the backend ``vllm`` needs no vLLM; the rest of this folder does."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionRequest, FinishReason
from rowsmith_backends.vllm.answers import OrderedCompletions
from rowsmith_backends.vllm.engine import VllmEngine
from rowsmith_backends.vllm.messages import CompletionRows, Job, Setup
from rowsmith_backends.vllm.process import VllmProcess

EOS = 2
ROOT = Path(__file__).parents[3]


def test_importing_it_imports_no_vllm():
    """Promise B21."""
    roots = [str(ROOT / root) for root in ("core", "assemblers", "backends", "plugins")]
    program = (
        f"import sys; sys.path[:0] = {roots!r}; from rowsmith_backends import VllmBackend; "
        "from rowsmith.generation import GeneratorBackend; assert issubclass(VllmBackend, GeneratorBackend); "
        "assert 'vllm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def _rows(answers: dict[int, list[int]], stopped: bool = True) -> CompletionRows:
    return CompletionRows(
        indices=np.array([*answers], dtype=np.int32),
        lengths=np.array([len(ids) for ids in answers.values()], dtype=np.int32),
        ids=np.array([token for ids in answers.values() for token in ids], dtype=np.int32),
        stopped=np.full(len(answers), stopped),
        log_probs=None,
    )


def _decode(ids: list[int]) -> str:
    return "".join("r\n" for token in ids if token != EOS)


def _answers(count: int, **request: object) -> OrderedCompletions:
    requests = [CompletionRequest(10 + index, (1,), max_tokens=50, **request) for index in range(count)]
    return OrderedCompletions(requests, _decode, EOS, includes_forced=False)


@given(st.permutations(range(6)), st.integers(1, 6))
def test_answers_come_in_the_order_of_their_requests(order: list[int], max_running: int):
    answers, found = _answers(6), []
    for start in range(0, 6, max_running):
        answers.add(_rows({index: [5] * (index + 1) for index in order[start : start + max_running]}), range(6))
        for block in answers.ready():
            found += [(int(name), block.row_ids(row)) for row, name in enumerate(block.request_ids)]
    assert found == [(10 + index, [5] * (index + 1)) for index in range(6)]
    assert [*answers.flush()] == []


def test_what_is_there_when_the_engine_fails_is_handed_on():
    answers = _answers(3)
    answers.add(_rows({2: [5], 1: [6, 7]}), range(3))
    assert [*answers.ready()] == []
    (block,) = answers.flush()
    assert block.request_ids.tolist() == [11, 12]


def test_forced_ids_stand_before_what_was_written():
    answers = _answers(1, forced_ids=(7, 8))
    answers.add(_rows({0: [9, EOS]}), [0])
    (block,) = answers.ready()
    assert block.row_ids(0) == [7, 8, 9, EOS]


def test_the_last_record_ends_a_completion_whatever_the_engine_needs_to_stop():
    for written, stopped in (([5, 6, EOS], True), ([5, 6], False)):
        answers = _answers(1, max_records=2)
        answers.add(_rows({0: written}, stopped), [0])
        (block,) = answers.ready()
        assert (block.row_ids(0), block.finish_reasons[0]) == ([5, 6], FinishReason.STOP)


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_the_process_says_what_is_missing(tmp_path: Path):
    process = VllmProcess(Setup(engine={}, adapter=None), tmp_path / "log", timeout=60)
    with pytest.raises(GenerationError, match=r"vLLM did not start: .*No module named 'vllm'"):
        process.start(60)
    assert process.stop() is None
    with pytest.raises(GenerationError, match="not running"):
        list(process.complete(Job(prompts=[], max_running=1)))
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_its_files_go_even_if_its_process_cannot_be_ended(tmp_path: Path):
    """Promise B12: one failing step does not keep the next from running."""

    class Stuck:
        def stop(self) -> None:
            raise OSError("stuck")

    engine = VllmEngine.__new__(VllmEngine)
    engine._process = Stuck()
    engine._scratch = tempfile.TemporaryDirectory(dir=tmp_path)
    with pytest.raises(OSError, match="stuck"):
        engine.stop()
    assert not list(tmp_path.iterdir())
    engine.stop()
