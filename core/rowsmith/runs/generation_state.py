"""Which generation a run directory holds unfinished: the journal of each, named after what decides its rows."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from rowsmith import __version__
from rowsmith.config import to_mapping
from rowsmith.config.defaults import reopened
from rowsmith.generation.journal import GenerationJournal
from rowsmith.model.bundle import BUNDLE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rowsmith.model import Bundle
    from rowsmith.runs.stages import Run
    from rowsmith.storage.run_directory import RunDirectory

__all__ = ["journal_of", "journals"]

_PREFIX, _SUFFIX = "generation-", ".journal"
_SECTIONS = ("time_series", "backend", "processor", "stopping", "generation", "seed")


def journal_of(run: Run, bundle: Bundle) -> GenerationJournal:
    """The journal of a generation.

    Args:
        run: The run; ``resume`` says whether batches that are there are taken up.
        bundle: The trained model.
    """
    # A plan names what a configuration may leave open; a generation is the same by either.
    config = to_mapping(reopened(run.config, bundle.model_schema))
    decisive = {
        "rowsmith": __version__,
        "bundle": hashlib.sha256((bundle.directory / BUNDLE_FILE).read_bytes()).hexdigest(),
        **{name: config[name] for name in _SECTIONS},
    }
    fingerprint = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    path = run.directory.create().path(f"{_PREFIX}{fingerprint[:16]}{_SUFFIX}")
    return GenerationJournal(path, fingerprint, resume=run.resume)


def journals(directory: RunDirectory) -> Iterator[Path]:
    """The journals of unfinished generations."""
    yield from directory.root.glob(f"{_PREFIX}*{_SUFFIX}")
