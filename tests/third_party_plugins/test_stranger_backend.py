"""Backends that somebody else wrote from docs/plugins/backends.md alone: four methods, and the other two or not."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs import define, field, frozen

from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith.cli.interrupts import interruptible
from rowsmith.components import Kind
from rowsmith.config import load_config
from rowsmith.errors import PluginContractError, RunDirectoryError
from rowsmith.generation import (
    CompletionBlock,
    GenerateJobResults,
    GenerationBatches,
    GenerationStatus,
    GeneratorBackend,
)
from rowsmith.model import Bundle, TrainingReport, save_bundle
from rowsmith.plugins import Registry
from rowsmith.runs.jobs import Outcome, generate_job
from rowsmith.runs.plan import Plan
from rowsmith.runs.reporting import Reporter
from rowsmith.runs.stages import Run
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table import read_table
from rowsmith.transforms import default_transforms, fit_transforms
from rowsmith.vocabulary import Vocabulary, model_schema_of

HOOKS = Path(__file__).parents[2] / "docs" / "examples" / "hooks"
ROWS = 240
PROMPT = LLMPromptConfig("", False, False, "<s>", 1, "</s>", 2)


@define
class Watch:
    """What the backends below were asked for, and when Ctrl-C comes."""

    asked: list[int] = field(factory=list)
    calls: int = 0
    ctrl_c_at: int = 0
    in_add: bool = False

    def begin(self, ctrl_c_at: int = 0, *, in_add: bool = False) -> None:
        """Forget what was; Ctrl-C comes with a batch, while it is made or while it is counted."""
        self.asked, self.calls, self.ctrl_c_at, self.in_add = [], 0, ctrl_c_at, in_add

    def made(self, block: CompletionBlock) -> CompletionBlock:
        """A batch is made."""
        self.calls += 1
        if self.calls == self.ctrl_c_at and not self.in_add:
            os.kill(os.getpid(), signal.SIGINT)
        self.asked += block.request_ids.tolist()
        return block

    def counted(self) -> None:
        """It is counted."""
        if self.calls == self.ctrl_c_at and self.in_add:
            os.kill(os.getpid(), signal.SIGINT)


class Notes(Reporter):
    """Keeps what the run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)


WATCH = Watch()


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Ctrl-C means afterwards what it meant before."""
    WATCH.begin()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def plain() -> Iterator[type[GeneratorBackend]]:
    """The backend of the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HOOKS))
        yield importlib.import_module("plain_backend").PlainBackend


@frozen
class Rows:
    """A run directory with everything but weights, and what makes its rows."""

    folder: Path

    def make(self, *, resume: bool = False, force: bool = False) -> tuple[Outcome, list[str]]:
        """Make the rows as ``rowsmith generate`` does; how it went, and what was told."""
        reporter = Notes()
        with interruptible() as stop:
            config = Plan.load(RunDirectory(self.folder)).config
            directory = RunDirectory(self.folder)
            run = Run(
                config=config, registry=Registry(), directory=directory, reporter=reporter, resume=resume, stop=stop
            )
            return generate_job(run, force=force), reporter.lines

    @property
    def result(self) -> dict[str, Any]:
        """What came of it, but for times."""
        figures = json.loads((self.folder / "metrics.json").read_text())["generation"]
        timed = ("elapsed_time", "tokens_per_second", "valid_tokens_per_second", "tokenization_overhead_sec")
        return {
            "rows": self.rows,
            "figures": {name: value for name, value in figures.items() if name not in timed},
            "journals": [path.name for path in self.folder.glob("*.journal")],
        }

    @property
    def rows(self) -> list[str]:
        return (self.folder / "synthetic.csv").read_text().splitlines()[1:]


@pytest.fixture
def rows(tmp_path: Path, plain: type[Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Rows]:
    """Makes run directories for a backend of this module."""
    monkeypatch.setitem(sys.modules, "stranger_backends", _module(plain))

    def make(backend: str, folder: str = "run") -> Rows:
        source = tmp_path / "people.csv"
        lines = [f"{i},{'Rome' if i % 3 else 'Ulm'},{'yes' if i % 2 else 'no'}" for i in range(100, 160)]
        source.write_text("\n".join(["id,city,smoker", *lines]) + "\n")
        config = load_config(
            None,
            [f"data.source={source}", f"generation.num_records={ROWS}"],
            {"backend": {"factory": f"stranger_backends:{backend}"}},
        )
        run = Run(config=config, registry=Registry(), directory=RunDirectory(tmp_path / folder).create())
        table = read_table(source)
        context = run.context().evolve(table_schema=table.schema)
        transforms = [(name, context.resolve(Kind.TRANSFORM, name)) for name in default_transforms(False, False)]
        fitted, columns = fit_transforms(table.columns, table.schema, transforms)  # type: ignore[arg-type]
        schema = model_schema_of(columns, fitted.schema_after)
        model = run.directory.folder("bundle") / "model"
        model.mkdir()
        (model / "weights").write_bytes(b"none")
        save_bundle(
            Bundle(
                directory=run.bundle_directory,
                table_schema=table.schema,
                model_schema=schema,
                transforms=fitted,
                metadata=ModelMetadata("m", PROMPT, base_max_seq_length=32),
                vocabulary=Vocabulary(schema=schema),
                report=TrainingReport(
                    steps=1, total_steps=1, tokens=1, seconds=1.0, epochs=1.0, validation_loss=None, best_step=1,
                    parameters=1, dtype="float32", stop_reason="",
                ),
                train_rows=len(table),
            )
        )  # fmt: skip
        Plan(config=config).save(run.directory)
        return Rows(tmp_path / folder)

    return make


def _module(plain: type[Any]) -> ModuleType:
    class Both(plain):  # type: ignore[misc]
        """The backend as the page has it."""

        def complete(self, batches: GenerationBatches) -> CompletionBlock:
            return WATCH.made(super().complete(batches))

        def add(self, block: CompletionBlock, batches: GenerationBatches) -> None:
            WATCH.counted()
            super().add(block, batches)

    class Catching(Both):
        """Hands its rows on when it is interrupted, and keeps nothing."""

        use_journal = GeneratorBackend.use_journal
        use_stop_request = GeneratorBackend.use_stop_request

    class Bare(Catching):
        """Four methods, and no thought of interrupts."""

        def generate(self, data_actions_fn: Any = None) -> GenerateJobResults:
            batches = GenerationBatches(ROWS, data_actions_fn=data_actions_fn, columns=self.columns)
            while not batches.finished:
                self.add(self.complete(batches), batches)
            batches.job_complete()
            return GenerateJobResults.from_batches(batches, ROWS, self.columns, 0.0)

    class Hasty(Both):
        """Adds batches to a journal that it has not read."""

        def replay_journal(self, batches: GenerationBatches) -> None: ...

    module = ModuleType("stranger_backends")
    for each in (Both, Catching, Bare, Hasty):
        setattr(module, each.__name__, each)
    return module


def test_a_plain_backend_ends_in_order_and_goes_on_after_its_last_whole_batch(rows: Callable[..., Rows]) -> None:
    whole = rows("Both", "whole")
    whole.make()
    in_one_go, expected = WATCH.asked, whole.result
    assert len(expected["rows"]) == ROWS

    broken = rows("Both")
    WATCH.begin(ctrl_c_at=3)
    outcome, told = broken.make()
    assert (outcome.results.status, outcome.interrupted) == (GenerationStatus.INCOMPLETE, True)
    assert broken.rows == expected["rows"][: len(broken.rows)] != []
    assert any("--resume goes on after them" in line for line in told)
    kept = len(WATCH.asked)

    WATCH.begin()
    outcome, _ = broken.make(resume=True)
    assert outcome.complete
    assert broken.result == expected  # no row is lost, none is made twice
    assert WATCH.asked == in_one_go[kept:]  # and no batch that was whole was asked for again


def test_an_interrupt_waits_until_the_batch_that_is_counted_is_kept(rows: Callable[..., Rows]) -> None:
    broken = rows("Both")
    WATCH.begin(ctrl_c_at=2, in_add=True)
    outcome, _ = broken.make()
    assert outcome.interrupted
    assert len(broken.rows) == len(WATCH.asked)  # the batch is whole
    kept = len(WATCH.asked)
    WATCH.begin()
    outcome, _ = broken.make(resume=True)
    assert outcome.complete
    assert WATCH.asked == list(range(kept, kept + len(WATCH.asked)))


def test_a_backend_that_keeps_nothing_hands_its_rows_on_and_says_what_follows(rows: Callable[..., Rows]) -> None:
    broken = rows("Catching")
    WATCH.begin(ctrl_c_at=3)
    outcome, told = broken.make()
    assert outcome.interrupted
    assert 0 < len(broken.rows) < ROWS
    (line,) = [line for line in told if "--resume" in line]
    assert "Catching" in line
    assert "saved no finished batch" in line
    assert "'rowsmith generate --force' makes all rows again" in line
    with pytest.raises(RunDirectoryError, match="--force"):  # nothing is overwritten by the way
        broken.make(resume=True)
    WATCH.begin()
    assert broken.make(force=True)[0].complete
    assert (min(WATCH.asked), len(broken.rows)) == (0, ROWS)


def test_a_backend_that_does_neither_is_interrupted_where_it_is_and_begins_again(rows: Callable[..., Rows]) -> None:
    broken = rows("Bare")
    WATCH.begin(ctrl_c_at=3)
    with pytest.raises(KeyboardInterrupt) as raised:
        broken.make()
    (note,) = raised.value.__notes__
    assert "no row was returned" in note
    assert "Bare" in note
    assert "saved no finished batch" in note
    assert not (broken.folder / "synthetic.csv").exists()
    WATCH.begin()
    outcome, told = broken.make(resume=True)
    assert outcome.complete
    assert any("generation starts from the beginning" in line for line in told)
    assert (min(WATCH.asked), len(broken.rows)) == (0, ROWS)


def test_a_journal_that_is_not_read_first_takes_no_batch(rows: Callable[..., Rows]) -> None:
    with pytest.raises(PluginContractError, match="before `entries` was read"):
        rows("Hasty").make()
