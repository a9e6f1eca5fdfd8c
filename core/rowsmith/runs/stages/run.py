"""What all stages of a run share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from attrs import field, frozen

from rowsmith.components import ComponentRef, Kind
from rowsmith.context import BuildContext
from rowsmith.errors import PluginContractError
from rowsmith.interruption import StopRequest
from rowsmith.model.distributed import DistributedEnv
from rowsmith.observers import RunInfo
from rowsmith.randomness.seeds import Seeds
from rowsmith.runs.reporting import Reporter
from rowsmith.transforms.numbering import Numbering

if TYPE_CHECKING:
    from rowsmith.config import RunConfig
    from rowsmith.generation.batches.accounting import BatchFinished
    from rowsmith.plugins import Registry
    from rowsmith.plugins.permissions import Caller
    from rowsmith.storage.run_directory import RunDirectory

__all__ = ["BUNDLE_FOLDER", "Run", "build_component"]

BUNDLE_FOLDER = "bundle"

T = TypeVar("T")


@frozen(kw_only=True)
class Run:
    """What all stages of one run share.

    Attributes:
        config: The run's configuration.
        registry: Finds components.
        directory: The run directory.
        reporter: Receives progress.
        on_batch: Called with every batch before its texts and errors are released.
        resume: Whether finished work found in the run directory is resumed.
        stop: Whether the run is requested to end.
        ranks: This process among those that train together.
        numbering: The first number of a generation's new keys, and how many are used.
        caller: Settings and permissions given with the call; None permits everything.
    """

    config: RunConfig
    registry: Registry
    directory: RunDirectory
    reporter: Reporter = field(factory=Reporter)
    on_batch: Callable[[BatchFinished], None] | None = None
    resume: bool = False
    stop: StopRequest = field(factory=StopRequest)
    ranks: DistributedEnv = field(factory=DistributedEnv)
    numbering: Numbering = field(factory=Numbering)
    caller: Caller | None = None

    @property
    def seeds(self) -> Seeds:
        """Randomness by stage."""
        return Seeds(self.config.seed)

    @property
    def info(self) -> RunInfo:
        """The run as observers see it."""
        return RunInfo(config=self.config, run_directory=str(self.directory.root))

    @property
    def bundle_directory(self) -> Path:
        """Where the bundle is, or goes."""
        return self.directory.path(BUNDLE_FOLDER)

    def context(self) -> BuildContext:
        """What components are built with, before any stage has run."""
        return BuildContext(
            config=self.config,
            registry=self.registry,
            seeds=self.seeds,
            run_directory=self.directory,
            caller=self.caller,
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[list[str]]:
        """Report a stage; what the block appends is reported when the stage ends."""
        self.reporter.stage_started(name)
        started, detail = time.monotonic(), list[str]()
        yield detail
        self.reporter.stage_finished(name, time.monotonic() - started, ", ".join(detail))


def build_component(context: BuildContext, kind: Kind, ref: ComponentRef, expected: type[T]) -> T:
    """Build a component and check its type.

    Raises:
        PluginContractError: It is not what its kind demands.
    """
    built = context.resolve(kind, ref)
    if not isinstance(built, expected):
        raise PluginContractError(
            f"{kind.value} {ref.name or ref.factory!r} gave a {type(built).__name__}; it must be a {expected.__name__}"
        )
    return built
