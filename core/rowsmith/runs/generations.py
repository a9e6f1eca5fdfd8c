"""The generations of one model, counted in its run directory, so that each makes further rows; and their journals.

::

    generations.json    how many have begun; the first unused number; those not finished

The file is read and written under a lock of its own, for a moment only, so that several processes may draw from one
model at the same time. Where it cannot be written, as in a read-only folder, this process counts for itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import evolve, field, frozen

from rowsmith import __version__
from rowsmith.config import to_mapping
from rowsmith.config.defaults import reopened
from rowsmith.errors import RunDirectoryError
from rowsmith.generation.journal import GenerationJournal
from rowsmith.model.bundle import BUNDLE_FILE
from rowsmith.randomness.seeds import Seeds
from rowsmith.storage.file_lock import hold_lock
from rowsmith.transforms.numbering import BLOCK, FURTHER_BLOCK, Numbering

if TYPE_CHECKING:
    from pathlib import Path

    from rowsmith.config import RunConfig
    from rowsmith.model import Bundle
    from rowsmith.runs.stages import Run
    from rowsmith.storage.run_directory import RunDirectory

__all__ = ["GENERATIONS_FILE", "Generation", "Generations", "journal_of", "journals"]

GENERATIONS_FILE = "generations.json"
T = TypeVar("T")

_LOCK = ".generations.lock"
_PATIENCE = 10.0
_PAUSE = 0.02
_FEWEST = 100_000
_ROWS_OF_GROUP = 1_000
_PREFIX, _SUFFIX = "generation-", ".journal"
_OF_CONDITIONS = ("given", "candidates", "constraints")
"""Settings that a generation without conditions does not depend on."""
_SECTIONS = ("time_series", "backend", "processor", "stopping", "generation", "seed")


@frozen
class Generation:
    """One of the successive generations of a model.

    Attributes:
        number: Its index among them, from 0.
        first: Its first number (see ``numbering``).
    """

    number: int
    first: int

    def seed(self, own: int) -> int:
        """The seed of its draws; that of the first generation is the run's own."""
        return own if self.number == 0 else Seeds(own).integer(f"sample.{self.number}")


@frozen
class _State:
    begun: int = 0
    taken: int = 0
    unfinished: Mapping[int, int] = field(factory=dict)

    def after(self, rows: int) -> tuple[_State, Generation]:
        """The state once a generation of about so many rows has begun, and that generation."""
        first = self.taken
        if first < BLOCK < first + rows and first:
            first = FURTHER_BLOCK
        begun = Generation(self.begun, first)
        return _State(self.begun + 1, first + rows, {**self.unfinished, begun.number: first}), begun

    def over(self, generation: Generation, rows: int, reserved: int) -> _State:
        """The state once a generation is over, whose numbers beyond its rows are free again if they are the last."""
        end = generation.first + rows
        taken = end if self.taken == generation.first + reserved else max(self.taken, end)
        return evolve(self.closed(generation), taken=taken)

    def closed(self, generation: Generation) -> _State:
        """The state without a generation that is not finished."""
        rest = {number: first for number, first in self.unfinished.items() if number != generation.number}
        return evolve(self, unfinished=rest)

    def to_mapping(self) -> dict[str, Any]:
        unfinished = {str(number): first for number, first in self.unfinished.items()}
        return {"begun": self.begun, "taken": self.taken, "unfinished": unfinished}


class Generations:
    """Counts the generations of a model.

    Args:
        directory: The run directory of the model.
        in_memory: Whether this process may count for itself where the file cannot be written.
        note: Called with a message when it does.
    """

    def __init__(
        self, directory: RunDirectory, *, in_memory: bool = False, note: Callable[[str], None] | None = None
    ) -> None:
        self._directory = directory
        self._in_memory = in_memory
        self._note = note
        self._state: _State | None = None

    def unfinished(self) -> list[Generation]:
        """The generations that have begun and were not finished, the last one first."""
        found = self._read().unfinished
        return [Generation(number, found[number]) for number in sorted(found, reverse=True)]

    def next(self) -> Generation:
        """The generation that would begin now; none does."""
        return self._read().after(_FEWEST)[1]

    def begin(self, config: RunConfig) -> Generation:
        """Begin a generation.

        Args:
            config: Says about how many rows it makes.

        Raises:
            RunDirectoryError: The count cannot be written, and ``in_memory`` is not set.
        """
        return self._change(lambda state: state.after(_reserved(config)))

    def begin_first(self, config: RunConfig) -> Generation:
        """Begin the run's own generation, or take it up, whatever came after it.

        Raises:
            RunDirectoryError: As for ``begin``.
        """
        first = Generation(0, 0)

        def begun(state: _State) -> tuple[_State, Generation]:
            if state.begun == 0:
                return state.after(_reserved(config))
            return evolve(state, unfinished={**state.unfinished, 0: 0}), first

        return self._change(begun)

    def finish(self, generation: Generation, numbering: Numbering, config: RunConfig) -> None:
        """End a generation.

        Args:
            generation: The generation.
            numbering: Its ``rows`` is how many numbers were used.
            config: What it began with.

        Raises:
            RunDirectoryError: As for ``begin``.
        """
        self._change(lambda state: (state.over(generation, numbering.rows, _reserved(config)), None))

    def drop(self, generation: Generation) -> None:
        """Abandon an interrupted generation; its numbers stay used, since some of its rows may exist.

        Raises:
            RunDirectoryError: As for ``begin``.
        """
        self._change(lambda state: (state.closed(generation), None))

    def copy_to(self, directory: RunDirectory) -> None:
        """Let the generations of a copy of the model follow those of this one."""
        directory.write_json(GENERATIONS_FILE, evolve(self._read(), unfinished={}).to_mapping())

    def _change(self, change: Callable[[_State], tuple[_State, T]]) -> T:
        if self._state is None:
            try:
                with self._held():
                    state, result = change(self._read())
                    self._directory.write_json(GENERATIONS_FILE, state.to_mapping())
                    return result
            except RunDirectoryError as error:
                if not self._in_memory:
                    raise
                if self._note is not None:
                    self._note(f"the generations are counted by this process alone: {error}")
        self._state, result = change(self._read())
        return result

    def _read(self) -> _State:
        if self._state is not None:
            return self._state
        if not self._directory.exists(GENERATIONS_FILE):
            return _State()
        found = self._directory.read_json(GENERATIONS_FILE)
        try:
            unfinished = {int(number): int(first) for number, first in found["unfinished"].items()}
            return _State(int(found["begun"]), int(found["taken"]), unfinished)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            path = self._directory.path(GENERATIONS_FILE)
            raise RunDirectoryError(f"{path} is damaged. Remove it; rows of earlier calls may come again.") from error

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        root = self._directory.root
        if not os.access(root, os.W_OK):
            raise RunDirectoryError(f"{root} cannot be written to.")
        deadline = time.monotonic() + _PATIENCE
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(hold_lock(root / _LOCK, root))
                    break
                except RunDirectoryError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(_PAUSE)
            yield


def _reserved(config: RunConfig) -> int:
    """Numbers that are reserved for a generation until it ends: more than it is likely to use."""
    wanted = config.generation
    groups = 0 if wanted.num_groups is None else wanted.num_groups
    return max(_FEWEST, 2 * (wanted.num_records or 0), _ROWS_OF_GROUP * groups)


def journal_of(run: Run, bundle: Bundle) -> GenerationJournal:
    """The journal of a generation.

    Args:
        run: The run; ``resume`` says whether the batches of an existing journal are used.
        bundle: The trained model.
    """
    # A plan names what a configuration may leave open; a generation is the same by either.
    config = to_mapping(reopened(run.config, bundle.model_schema))
    decisive = {
        "rowsmith": __version__,
        "bundle": hashlib.sha256((bundle.directory / BUNDLE_FILE).read_bytes()).hexdigest(),
        **{name: config[name] for name in _SECTIONS},
    }
    if not run.config.generation.given and not run.config.generation.constraints:
        # As written by versions without conditions.
        decisive["generation"] = {k: v for k, v in config["generation"].items() if k not in _OF_CONDITIONS}
    fingerprint = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    path = run.directory.create().path(f"{_PREFIX}{fingerprint[:16]}{_SUFFIX}")
    return GenerationJournal(path, fingerprint, resume=run.resume)


def journals(directory: RunDirectory) -> Iterator[Path]:
    """The journals of unfinished generations."""
    yield from directory.root.glob(f"{_PREFIX}*{_SUFFIX}")
