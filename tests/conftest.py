"""What all tests share: golden files, the bundled plugins, and an environment without settings of the machine."""

from __future__ import annotations

import gc
import importlib.metadata
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import settings

from .shared.checkout import BUNDLED, GROUP, ROOT, write_metadata

GOLDEN = Path(__file__).parent / "golden"

# Shared machines are slow at times; a test must not fail for that. A change is judged by the same examples wherever
# it is checked.
settings.register_profile("rowsmith", deadline=None, print_blob=True, derandomize=True)
# Far more examples, others every time, for a night: pytest tests/security --hypothesis-profile nightly
settings.register_profile("nightly", settings.get_profile("rowsmith"), max_examples=10_000, derandomize=False)
settings.load_profile("rowsmith")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew; review the difference")


class FrozenModules:
    """Spares the garbage collector the libraries that are imported.

    Every training collects garbage, which otherwise looks at each object of each library again: more than half of the
    time of a small training. What is frozen is freed as before, unless it is part of a cycle.
    """

    most_new = 200

    def __init__(self) -> None:
        self.modules = 0

    def _freeze(self) -> None:
        if len(sys.modules) >= self.modules + self.most_new:
            gc.collect()
            gc.freeze()
            self.modules = len(sys.modules)

    def pytest_collection_finish(self) -> None:
        self._freeze()

    def pytest_runtest_logfinish(self) -> None:
        self._freeze()

    def pytest_unconfigure(self) -> None:
        gc.unfreeze()


def pytest_configure(config: pytest.Config) -> None:
    # With the oldest Hypothesis that is tested, 6.100, examples become flaky where objects are frozen.
    if hypothesis.__version_info__ >= (6, 120):
        config.pluginmanager.register(FrozenModules())


@pytest.fixture(autouse=True, scope="session")
def _interrupts_are_heard() -> Iterator[None]:
    """A shell's background jobs, and so perhaps the tests and what they start, ignore interrupts."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True, scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The bundled plugins can be found, also in a checkout that is not installed."""
    if {point.name for point in importlib.metadata.entry_points(group=GROUP)} >= set(BUNDLED):
        yield
        return
    folder = tmp_path_factory.mktemp("installed")
    write_metadata(folder, "rowsmith", "0", BUNDLED)
    sys.path.append(str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.fixture(autouse=True)
def _levels_of_loggers_stay() -> Iterator[None]:
    """The command line sets them for its process, and here it is called in one with all other tests."""
    yield
    for name, logger in logging.Logger.manager.loggerDict.items():
        if name.startswith("rowsmith") and isinstance(logger, logging.Logger):
            logger.setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ROWSMITH_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with a golden file, or writes it with ``--update-golden``."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing; run pytest with --update-golden and review it"
        assert text == path.read_text(encoding="utf-8")

    return check
