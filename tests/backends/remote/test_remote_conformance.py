"""The engine of the backend ``remote`` keeps what every engine promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rowsmith.generation.requests import Engine
from rowsmith.model import Bundle
from rowsmith.table.schema import ModelSchema
from rowsmith.testing.agreement import agreement
from rowsmith.testing.backend_conformance import BackendConformance
from rowsmith_backends.remote.backend import remote_engine
from rowsmith_backends.remote.options import RemoteOptions
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine

from .serving import Local, serving


@pytest.fixture(scope="module")
def address(bundle: Bundle, served: ColumnarEngine) -> Iterator[str]:
    with serving(Local(bundle=bundle, engine=served)) as found:
        yield found


class TestRemoteEngine(BackendConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def make_engine(cls, bundle: Bundle, address: str) -> Callable[[], Engine]:
        return lambda: remote_engine(bundle, RemoteOptions(url=address))

    @pytest.fixture(scope="class")
    @classmethod
    def prompt_ids(cls) -> tuple[int, ...]:
        return (1,)

    @pytest.fixture(scope="class")
    @classmethod
    def schema(cls, bundle: Bundle) -> ModelSchema:
        return bundle.model_schema


def test_it_agrees_with_the_engine_behind_the_server(bundle: Bundle, served: ColumnarEngine, address: str) -> None:
    remote = remote_engine(bundle, RemoteOptions(url=address))
    remote.start()
    found = agreement(served, remote, [(1,)] * 2)
    remote.stop()
    found.check(margin=0.0, tolerance=1e-5)
    assert found.num_tokens >= 6
