"""What goes wrong while rows are made, and what is left then: nothing valid is lost, nothing is made twice.

The rest of these faults is tested beside what they hit: ``tests/core/generation/test_engine_backend.py`` and
``tests/core/plugins/test_registry.py``.
"""

from __future__ import annotations

import dataclasses
import errno
import gc
import itertools
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowsmith.config import GenerationConfig, RunConfig
from rowsmith.dialect import RecordDialect
from rowsmith.errors import GenerationError, RecordError, RowsmithError, RunDirectoryError
from rowsmith.generation import (
    BatchFinished,
    CompletionBlock,
    EngineBackend,
    GenerateJobResults,
    GenerationFailure,
    GenerationStatus,
)
from rowsmith.generation.actions import ColumnActions, ColumnOutcome
from rowsmith.generation.journal import _MAGIC, GenerationJournal, _frame
from rowsmith.generation.requests import CompletionRequest, FinishReason
from rowsmith.generation.stopping import PatiencePolicy
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema
from rowsmith.testing.fake_engine import Answer, FakeEngine, Reply
from rowsmith.vocabulary import Vocabulary
from rowsmith_plugins.processors.tabular import TabularProcessor

TIMED = {"elapsed_time", "tokens_per_second", "valid_tokens_per_second", "tokenization_overhead_sec", "df", "columns"}


class Dialect:
    """Records ``{"a": integer}``."""

    def decode(self, line: str) -> dict[str, Any]:
        try:
            record = json.loads(line)
        except ValueError as error:
            raise RecordError(f"Invalid JSON: {error}", "Invalid JSON") from None
        if not isinstance(record, dict) or type(record.get("a")) is not int:
            raise RecordError("not a record", "type")
        return record


def answer(request: CompletionRequest) -> Reply:
    """Records that depend on the request alone; some completions are damaged in one way or another."""
    chance = random.Random(request.request_id)
    text = "".join(f'{{"a":{request.request_id * 10 + place}}}\n' for place in range(chance.randrange(3)))
    tail = chance.choice(["", "", "", "prose\n", '{"a":', "\ud800\n"])
    return Reply(text=text + tail, finish_reason=FinishReason.LENGTH if tail else FinishReason.STOP)


def odd(rows: pd.DataFrame) -> pd.DataFrame:
    """A data action that rejects rows."""
    return rows[rows["a"] % 3 > 0]


def backend_of(
    handler: Callable[[CompletionRequest], Answer] = answer, target: int = 120, **engine: Any
) -> EngineBackend:
    backend = EngineBackend(
        RunConfig(generation=GenerationConfig(num_records=target)),
        None,
        engine=FakeEngine(handler, **{"block_size": 7, "texts_only": True, "max_num_prompts": 40, **engine}),
        processor=TabularProcessor(Dialect()),
        prompt_ids=[5],
        columns=["a"],
        policy=PatiencePolicy,
    )
    backend.initialize()
    backend.prepare_params()
    return backend


def made(backend: EngineBackend, journal: GenerationJournal | None = None) -> GenerateJobResults:
    """What is made, also by a job that fails."""
    backend.journal = journal
    try:
        return backend.generate(odd)
    except GenerationFailure as failure:
        return failure.results


def figures(results: GenerateJobResults) -> dict[str, Any]:
    found = {each.name: getattr(results, each.name) for each in dataclasses.fields(results)}
    return {name: value for name, value in found.items() if name not in TIMED}


def same(results: GenerateJobResults, expected: GenerateJobResults) -> None:
    pd.testing.assert_frame_equal(results.df, expected.df)
    assert figures(results) == figures(expected)


def failing_at(number: int, error: Exception) -> Callable[[CompletionRequest], Answer]:
    def handler(request: CompletionRequest) -> Answer:
        if request.request_id == number:
            raise error
        return answer(request)

    return handler


@pytest.fixture(scope="module")
def expected() -> GenerateJobResults:
    results = made(backend_of())
    assert results.status is GenerationStatus.COMPLETE
    assert len(results.batch_valid_record_fractions) > 4
    return results


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a job that was not cut off."""
    path = tmp_path_factory.mktemp("whole") / "journal"
    with GenerationJournal(path, "job") as journal:
        made(backend_of(), journal)
    return path


# F3: killed while rows are made


@pytest.mark.parametrize("number", [0, 3, 10, 57, 120, 160])
def test_a_job_goes_on_after_its_last_finished_batch(number: int, tmp_path: Path, expected: GenerateJobResults) -> None:
    with GenerationJournal(tmp_path / "journal", "job") as journal:
        first = made(backend_of(failing_at(number, OSError("gone"))), journal)
    assert first.status is GenerationStatus.INCOMPLETE
    assert first.df["a"].tolist() == expected.df["a"].tolist()[: len(first.df)]
    backend = backend_of()
    with GenerationJournal(tmp_path / "journal", "job", resume=True) as journal:
        same(made(backend, journal), expected)
    asked = [request.request_id for request in backend.engine.requests]
    assert asked == list(range(asked[0], asked[-1] + 1))
    # Of what was asked before, no more than the batch under way, of 10 prompts at first, is asked again.
    assert number - 40 < asked[0] <= number
    assert number < 10 or asked[0] >= 10


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0, 1), flipped=st.booleans())
def test_a_journal_cut_or_damaged_anywhere_gives_the_same_rows(
    share: float, flipped: bool, tmp_path: Path, whole: Path, expected: GenerateJobResults
) -> None:
    good = whole.read_bytes()
    place = min(int(share * len(good)), len(good) - 1)
    damaged = good[:place] + (bytes([good[place] ^ 1]) + good[place + 1 :] if flipped else b"")
    (tmp_path / "journal").write_bytes(damaged)
    for _ in range(2):
        with GenerationJournal(tmp_path / "journal", "job", resume=True) as journal:
            same(made(backend_of(), journal), expected)


@pytest.mark.parametrize("outside", [2**30, 4_096, -(2**30)])
def test_a_batch_whose_texts_lead_beyond_the_file_is_made_again(
    outside: int, tmp_path: Path, whole: Path, expected: GenerateJobResults
) -> None:
    good = whole.read_bytes()
    bounds = [len(_MAGIC)]
    while bounds[-1] < len(good):
        bounds.append(bounds[-1] + 24 + int.from_bytes(good[bounds[-1] : bounds[-1] + 8], "little"))
    frames = [good[start:stop] for start, stop in itertools.pairwise(bounds)]
    batch = frames[2][24:]
    text = pa.ipc.open_stream(batch).read_all().column("text").chunk(0)
    offsets = text.buffers()[1].to_pybytes()[: 4 * len(text) + 4]
    assert batch.count(offsets) == 1
    frames[2] = _frame(batch.replace(offsets, offsets[:-4] + outside.to_bytes(4, "little", signed=True)))
    (tmp_path / "journal").write_bytes(_MAGIC + b"".join(frames))
    backend = backend_of()
    with GenerationJournal(tmp_path / "journal", "job", resume=True) as journal:
        same(made(backend, journal), expected)
    assert backend.engine.requests[0].request_id == 10


def test_a_finished_job_is_taken_up_without_asking_the_engine(
    tmp_path: Path, whole: Path, expected: GenerateJobResults
) -> None:
    (tmp_path / "journal").write_bytes(whole.read_bytes())
    backend = backend_of()
    seen: list[int] = []
    backend.batch_finished = lambda finished: seen.append(len(list(finished.batch.invalid_records())))
    with GenerationJournal(tmp_path / "journal", "job", resume=True) as journal:
        same(made(backend, journal), expected)
    assert backend.engine.requests == []
    assert sum(seen) == expected.num_invalid_records


def test_an_interrupt_while_a_job_is_taken_up_loses_nothing_of_it(
    tmp_path: Path, whole: Path, expected: GenerateJobResults
) -> None:
    (tmp_path / "journal").write_bytes(whole.read_bytes())
    backend = backend_of()

    def ask(finished: BatchFinished) -> None:
        backend.stop.requested = finished.number == 2

    backend.batch_finished = ask
    with GenerationJournal(tmp_path / "journal", "job", resume=True) as journal:
        first = made(backend, journal)
    assert (first.stop_reason, len(first.batch_valid_record_fractions)) == ("interrupted", 3)
    assert (tmp_path / "journal").read_bytes() == whole.read_bytes()
    backend = backend_of()
    with GenerationJournal(tmp_path / "journal", "job", resume=True) as journal:
        same(made(backend, journal), expected)
    assert backend.engine.requests == []


@pytest.mark.parametrize(("fingerprint", "resume"), [("other", True), ("job", False)])
def test_another_job_and_one_that_starts_afresh_find_nothing(
    fingerprint: str, resume: bool, tmp_path: Path, whole: Path, expected: GenerateJobResults
) -> None:
    (tmp_path / "journal").write_bytes(whole.read_bytes())
    backend = backend_of()
    with GenerationJournal(tmp_path / "journal", fingerprint, resume=resume) as journal:
        same(made(backend, journal), expected)
    assert backend.engine.requests[0].request_id == 0


def test_a_journal_of_another_target_is_left_where_the_batches_part(
    tmp_path: Path, whole: Path, expected: GenerateJobResults
) -> None:
    (tmp_path / "journal").write_bytes(whole.read_bytes())
    with GenerationJournal(tmp_path / "journal", "job", resume=True) as journal:
        results = made(backend_of(target=700), journal)
    assert results.status is GenerationStatus.COMPLETE
    assert results.df["a"].is_unique
    assert results.df["a"].tolist()[:90] == expected.df["a"].tolist()[:90]


def test_a_journal_is_private(tmp_path: Path) -> None:
    with GenerationJournal(tmp_path / "journal", "job") as journal:
        made(backend_of(), journal)
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600
    journal.remove()
    journal.remove()
    assert list(tmp_path.iterdir()) == []


# F3, F4, F6: broken off at any call that reaches the disk, result files included


@pytest.mark.parametrize(
    "kind", ["records", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("groups", "series"))]
)
def test_a_run_broken_off_at_any_call_that_reaches_the_disk_ends_as_if_it_had_not_been(
    kind: str, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("generation_points.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path, kind],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == {}
    assert found["calls"] > 15
    assert found["made"] == found["wanted"] > 10


# F5: interrupted


@pytest.mark.parametrize("number", [0, 9, 57, 130])
def test_an_interrupt_keeps_the_rows_and_the_job_goes_on(
    number: int, tmp_path: Path, expected: GenerateJobResults
) -> None:
    with GenerationJournal(tmp_path / "journal", "job") as journal:
        first = made(backend_of(failing_at(number, KeyboardInterrupt())), journal)  # type: ignore[arg-type]
    assert (first.status, first.stop_reason) == (GenerationStatus.INCOMPLETE, "interrupted")
    assert first.df["a"].tolist() == expected.df["a"].tolist()[: len(first.df)]
    assert len(first.df) > number / 4 - 10
    with GenerationJournal(tmp_path / "journal", "job", resume=True) as journal:
        same(made(backend_of(), journal), expected)


# F6, F7: the journal cannot be written


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("call", [1, 4])
def test_a_full_disk_ends_the_job_with_its_rows_and_the_file_named(
    code: int, call: int, tmp_path: Path, expected: GenerateJobResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    sync = os.fsync

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == call:
            raise OSError(code, os.strerror(code))
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    backend = backend_of()
    with GenerationJournal(tmp_path / "journal", "job") as journal:
        backend.journal = journal
        with pytest.raises(GenerationFailure, match="which are retained") as caught:
            backend.generate(odd)
    assert str(tmp_path / "journal") in str(caught.value)
    assert os.strerror(code) in str(caught.value)
    assert ("bytes" in str(caught.value)) is (code == errno.ENOSPC)
    assert isinstance(caught.value.__cause__, RunDirectoryError)
    first = caught.value.results
    assert first.df["a"].tolist() == expected.df["a"].tolist()[: len(first.df)]
    with GenerationJournal(tmp_path / "journal", "job", resume=True) as journal:
        same(made(backend_of(), journal), expected)


# F9: out of memory


class OutOfMemoryError(RuntimeError):
    """Named like that of torch, which need not be there."""


def test_out_of_memory_halves_what_is_asked_for_and_changes_no_row(expected: GenerateJobResults) -> None:
    sizes: list[int] = []

    class Small(FakeEngine):
        def complete(self, requests: Any, params: Any) -> Iterator[Any]:
            sizes.append(len(requests))
            for number, block in enumerate(super().complete(requests, params)):
                if number == 2 and len(requests) > 20:
                    raise OutOfMemoryError("no memory for 3 GiB")
                yield block

    backend = backend_of()
    backend.engine = Small(answer, block_size=7, texts_only=True, max_num_prompts=40)
    backend.gen_method = backend.engine.complete
    results = made(backend)
    pd.testing.assert_frame_equal(results.df, expected.df)
    assert results.batch_valid_record_fractions[:-1] == expected.batch_valid_record_fractions[:-1]
    assert max(sizes[-5:]) <= 20
    assert sum(size > 20 for size in sizes) <= 3


@pytest.mark.parametrize("error", [OutOfMemoryError("no memory"), MemoryError(), RuntimeError("DefaultCPUAllocator")])
def test_a_job_that_never_has_memory_ends_soon_with_a_typed_error(error: Exception) -> None:
    calls: list[int] = []

    class Never(FakeEngine):
        def complete(self, requests: Any, params: Any) -> Any:
            calls.append(len(requests))
            raise error

    backend = backend_of(target=100_000)
    backend.engine = Never(answer)
    backend.gen_method = backend.engine.complete
    with pytest.raises(GenerationFailure, match="memory ran out with 1 completions"):
        backend.generate()
    assert calls == [10, 5, 2, 1]


def test_what_is_asked_for_is_halved_eight_times_at_most() -> None:
    calls: list[int] = []

    class Never(FakeEngine):
        def complete(self, requests: Any, params: Any) -> Any:
            calls.append(len(requests))
            if len(calls) > 1:
                raise MemoryError
            return super().complete(requests, params)

    backend = backend_of(target=100_000)
    backend.engine = Never(answer, block_size=7, texts_only=True, max_num_prompts=100_000)
    backend.gen_method = backend.engine.complete
    with pytest.raises(GenerationFailure, match="after 8 smaller attempts") as caught:
        backend.generate()
    assert len(calls) == 10
    assert calls[1] >= 256
    assert all(later == before // 2 for before, later in itertools.pairwise(calls[1:]))
    assert len(caught.value.results.df) > 0


# F11: the engine dies


def test_a_dead_engine_gives_one_error_with_the_rows_and_so_do_later_calls(expected: GenerateJobResults) -> None:
    def dead(request: CompletionRequest) -> Answer:
        if request.request_id >= 100:
            raise ConnectionError("the server has gone")
        return answer(request)

    backend = backend_of(dead)
    for _ in range(2):
        with pytest.raises(GenerationError, match="the server has gone") as caught:
            backend.generate(odd)
        assert caught.value.results.status is GenerationStatus.INCOMPLETE
    backend.teardown()


# F13: what an engine answers is wrong


@pytest.mark.parametrize(
    "text", ["", "\n", "\x00", '{"a":', '{"a":1', "\ud800\udfff", "\ufffd\n", '{"a":"\udc80"}\n', "{}\n"]
)
def test_texts_that_hold_no_record_are_counted_and_shift_no_other(text: str) -> None:
    def handler(request: CompletionRequest) -> Answer:
        return text if request.request_id % 2 else f'{{"a":{request.request_id}}}\n'

    def shuffled(requests: Any) -> Any:
        return random.Random(3).sample(list(requests), len(requests))

    results = backend_of(handler, target=40, order=shuffled).generate()
    rows = results.df["a"].tolist()
    assert len(rows) == 40
    assert rows == sorted({row for row in rows if row % 2 == 0})
    spoiled = results.num_prompts - results.num_valid_records
    assert results.num_invalid_records == (spoiled if text.strip() else 0)


# F24: cancelled from another thread


def test_a_job_can_be_cancelled_at_any_time_and_the_next_one_works(expected: GenerateJobResults) -> None:
    chance = random.Random(8)
    for _ in range(20):
        cancelled_at(chance.randrange(180), expected)


def cancelled_at(number: int, expected: GenerateJobResults) -> None:
    """Cancel while the engine works on a request, and then run the whole job in the same process."""
    reached, cancelled = threading.Event(), threading.Event()

    def handler(request: CompletionRequest) -> Answer:
        if request.request_id == number:
            reached.set()
            cancelled.wait(30)
        return answer(request)

    backend = backend_of(handler)

    def cancel() -> None:
        reached.wait(30)
        backend.cancel()
        cancelled.set()

    thread = threading.Thread(target=cancel)
    thread.start()
    first = made(backend)
    reached.set()
    thread.join()
    assert first.df["a"].tolist() == expected.df["a"].tolist()[: len(first.df)]
    assert first.status is GenerationStatus.COMPLETE or first.stop_reason == "interrupted"
    same(made(backend_of()), expected)


def test_cancelling_a_job_that_is_not_there_does_nothing(expected: GenerateJobResults) -> None:
    backend = backend_of()
    backend.cancel()
    same(made(backend), expected)


def test_errors_of_a_job_are_of_one_family() -> None:
    with pytest.raises(RowsmithError):
        backend_of(failing_at(0, OSError("gone"))).generate()


# F23: a job of very many batches


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory and open files are read from /proc")
def test_thousands_of_batches_leave_nothing_behind() -> None:
    schema = ModelSchema(
        columns=tuple(
            ModelColumn(name=f"c{place}", kind=JsonKind.STRING, nullable=True, values=("x", "y", "z"))
            for place in range(15)
        )
    )
    vocabulary = Vocabulary(schema=schema)
    processor = TabularProcessor(RecordDialect(schema))

    def ids(request: CompletionRequest) -> list[int]:
        chance = random.Random(request.request_id)
        return [*(chance.randrange(item.start, item.stop) for item in vocabulary.fields), vocabulary.eos_id]

    class Engine(FakeEngine):
        def complete(self, requests: Any, params: Any) -> Iterator[CompletionBlock]:
            self.requests.clear()
            for block in super().complete(requests, params):
                yield attrs.evolve(block, decode=vocabulary.decode)

    class Same(ColumnActions):
        def __call__(self, rows: pd.DataFrame, accepted: Any) -> Any:
            raise NotImplementedError

        def on_columns(self, columns: pa.Table, record_ids: Any) -> ColumnOutcome:
            return ColumnOutcome(columns, {})

        def to_frame(self, columns: pa.Table) -> pd.DataFrame:
            return columns.to_pandas()

    used: list[tuple[int, int]] = []

    def watch(finished: BatchFinished) -> None:
        if finished.number in (400, 2_000):
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            used.append((pages, len(os.listdir("/proc/self/fd"))))

    backend = EngineBackend(
        RunConfig(generation=GenerationConfig(num_records=10_100)),
        None,
        engine=Engine(ids, block_size=5, max_num_prompts=5),
        processor=processor,
        prompt_ids=[1],
        columns=schema.names,
        batch_finished=watch,
    )
    backend.engine.vocabulary = vocabulary
    backend.initialize()
    backend.prepare_params()
    assert len(backend.generate(Same()).df) == 10_100
    (early, files), (late, files_late) = used
    assert late <= 1.05 * early
    assert files_late == files
