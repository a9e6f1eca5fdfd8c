"""A small trained model, and servers of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rowsmith.config import GenerationConfig, RunConfig
from rowsmith.context import BuildContext
from rowsmith.model import Bundle, load_bundle
from rowsmith.plugins import Registry
from rowsmith.randomness.seeds import Seeds
from rowsmith.synthesizer import Synthesizer
from rowsmith_backends.remote.backend import RemoteBackend, build
from rowsmith_backends.remote.options import RemoteOptions
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine

from .serving import Local, serving

QUICK = {"timeout": 5.0, "connect_timeout": 2.0, "retries": 1}


@pytest.fixture(scope="session")
def people() -> pd.DataFrame:
    chance = np.random.default_rng(3)
    ages = chance.integers(18, 40, 200)
    return pd.DataFrame({"age": ages, "grown": np.where(ages > 20, "yes", "no"), "visits": chance.integers(0, 5, 200)})


@pytest.fixture(scope="session")
def run_directory(people: pd.DataFrame, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("remote") / "run"
    config = {
        "model": {"name": "scratch", "options": {"width": 32, "layers": 1, "dtype": "float32"}},
        "training": {"max_steps": 20},
    }
    Synthesizer(config=config, run_directory=directory, registry=registry).fit(people)
    return directory


@pytest.fixture(scope="session")
def bundle(run_directory: Path, registry: Registry) -> Bundle:
    context = BuildContext(config=RunConfig(), registry=registry, seeds=Seeds(0))
    return load_bundle(run_directory / "bundle", context)


@pytest.fixture(scope="session")
def served(bundle: Bundle) -> Iterator[ColumnarEngine]:
    engine = ColumnarEngine(bundle.model_directory, bundle.vocabulary, dtype="float32", device="cpu")
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowsmith_backends.remote.endpoint._FIRST_PAUSE", 0.05)


@pytest.fixture
def local(bundle: Bundle, served: ColumnarEngine) -> Local:
    """What the next server does."""
    return Local(bundle=bundle, engine=served)


@pytest.fixture
def url(local: Local) -> Iterator[str]:
    """The address of a server."""
    with serving(local) as address:
        yield address


Make = Callable[..., RemoteBackend]


@pytest.fixture
def make(bundle: Bundle, registry: Registry, request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes backends, ready to generate, and tears them down."""
    with ExitStack() as ends:

        def made(num_records: int = 30, *, ready: bool = True, **options: Any) -> RemoteBackend:
            if "url" not in options:
                options["url"] = request.getfixturevalue("url")
            context = BuildContext(
                config=RunConfig(generation=GenerationConfig(num_records=num_records)),
                registry=registry,
                seeds=Seeds(0),
                bundle=bundle,
                metadata=bundle.metadata,
                table_schema=bundle.table_schema,
                model_schema=bundle.model_schema,
            )
            backend = build(context, RemoteOptions(**QUICK | options))
            ends.callback(backend.teardown)
            if ready:
                backend.initialize()
                backend.prepare_params()
            return backend

        yield made
