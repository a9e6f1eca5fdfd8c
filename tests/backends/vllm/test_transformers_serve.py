"""The backend ``remote`` with ``transformers serve``, which takes text and no grammar."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rowsmith.config import GenerationConfig, RunConfig
from rowsmith.dialect import RecordDialect
from rowsmith.generation import GenerationFailure, GenerationStatus
from rowsmith.model import Bundle
from rowsmith_backends.remote.backend import RemoteBackend
from rowsmith_backends.remote.options import RemoteOptions
from rowsmith_plugins.processors.tabular import TabularProcessor

from .serving import Serving, serve_transformers

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def server(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serve_transformers(bundle.model_directory, folder=tmp_path_factory.mktemp("log")) as serving:
        yield serving


def backend(bundle: Bundle, server: Serving, num_records: int) -> RemoteBackend:
    made = RemoteBackend(
        RunConfig(generation=GenerationConfig(num_records=num_records)),
        bundle.metadata,
        bundle=bundle,
        options=RemoteOptions(url=server.url, model=str(bundle.model_directory), concurrency=1, retries=2),
        processor=TabularProcessor(RecordDialect(bundle.model_schema)),
    )
    made.initialize()
    made.prepare_params()
    return made


def test_rows_are_drawn_and_the_same_seed_gives_the_same(bundle: Bundle, server: Serving) -> None:
    frames = []
    for _ in range(2):
        made = backend(bundle, server, 30)
        results = made.generate()
        assert results.status is GenerationStatus.COMPLETE
        assert results.valid_record_fraction > 0.5
        frames.append(results.df)
        made.teardown()
    assert len(frames[0].drop_duplicates()) > 10
    assert frames[0].equals(frames[1])


def test_the_server_is_killed_midway(bundle: Bundle, server: Serving) -> None:
    made = backend(bundle, server, 10_000)
    made.batch_finished = lambda _: server.kill()
    with pytest.raises(GenerationFailure, match=r"rows, which are retained: the server http://127.0.0.1") as caught:
        made.generate()
    assert len(caught.value.results.df) > 0
    made.teardown()
