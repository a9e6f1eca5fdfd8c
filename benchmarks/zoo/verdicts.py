"""The verdicts of a zoo, a line of JSON each, so that an interrupted one goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cattrs
from attrs import asdict, frozen

from benchmarks.zoo.drawing import Animal
from benchmarks.zoo.invariants import Fault
from benchmarks.zoo.judging import Verdict

_converter = cattrs.Converter()


@frozen(kw_only=True)
class Judged:
    """A table and what became of it.

    Attributes:
        name: Package and table.
        form: How it was learned.
        verdict: The verdict.
        rows: Its rows; 0 where it never was read.
        columns: Its columns.
        seconds: How long it took in all.
        silent: The faults that were not told.
        told: Those that were.
        message: Of a refusal or a crash; empty otherwise.
        notes: What the run said.
        training: How training ended.
    """

    name: str
    form: str
    verdict: Verdict
    rows: int = 0
    columns: int = 0
    seconds: float = 0.0
    silent: tuple[Fault, ...] = ()
    told: tuple[Fault, ...] = ()
    message: str = ""
    notes: tuple[str, ...] = ()
    training: str = ""

    @property
    def animal(self) -> Animal:
        """What was drawn."""
        return Animal(self.name, self.form)


class VerdictFile:
    """Keeps verdicts.

    Args:
        path: The file; the first line holds the settings of the zoo.
        settings: What all its verdicts depend on.

    Raises:
        SystemExit: The file holds the verdicts of other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or not path.stat().st_size:
            path.write_text(json.dumps(dict(settings)) + "\n", encoding="utf-8")
        found = settings_of(path)
        if found != dict(settings):
            raise SystemExit(
                f"{path} holds verdicts of other settings, {found} and not {dict(settings)}; give another --output"
            )
        whole = path.read_bytes()
        if not whole.endswith(b"\n"):  # Broken off in the middle of a line.
            path.write_bytes(whole[: whole.rfind(b"\n") + 1])

    def judged(self) -> dict[Animal, Judged]:
        """The verdicts so far."""
        return {each.animal: each for each in read_verdicts(self._path)}

    def add(self, judged: Judged) -> None:
        """Keep one more."""
        line = json.dumps(asdict(judged), ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def settings_of(path: Path) -> dict[str, Any]:
    """The settings in the first line of a file."""
    with path.open(encoding="utf-8") as file:
        settings: dict[str, Any] = json.loads(file.readline())
    return settings


def read_verdicts(path: Path) -> Iterator[Judged]:
    """The verdicts of a file, but for a last line that was broken off."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]:
        if line.endswith("\n"):
            yield _converter.structure(json.loads(line), Judged)


def counts(judged: Sequence[Judged]) -> dict[Verdict, int]:
    """How many there are of each verdict."""
    return {verdict: sum(each.verdict is verdict for each in judged) for verdict in Verdict}
