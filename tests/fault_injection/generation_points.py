"""Makes rows again and again, each time broken off at another call that reaches the disk, and takes them up.

A process of its own: it forks a child for each attempt, so that being killed is real, and imports no
model library, so that this is cheap. Prints what it found as JSON.

    python generation_points.py FOLDER [groups|series]
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith.components import Kind
from rowsmith.config import load_config
from rowsmith.config.defaults import processor_for
from rowsmith.errors import RowsmithError
from rowsmith.generation import CompletionBlock, CompletionRequest, Engine, EngineBackend, FinishReason, SamplingParams
from rowsmith.model import Bundle, TrainingReport, save_bundle
from rowsmith.plugins import Registry
from rowsmith.runs.jobs import generate_job
from rowsmith.runs.plan import Plan
from rowsmith.runs.stages import Run
from rowsmith.sequences import training_part
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table import read_table
from rowsmith.transforms import default_transforms, fit_transforms
from rowsmith.vocabulary import Vocabulary, model_schema_of

ROWS, SERIES = 60, 15  # each series is a write of its own
CALLS = ("fsync", "replace", "rename", "unlink")
DIED, FAILED = -signal.SIGKILL, 7


class KeyedEngine(Engine):
    """Completions that depend on the request alone; some are broken."""

    max_num_prompts = 12
    capabilities = frozenset({"forced-tokens"})

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def start(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to do."""

    def count_tokens(self, text: str) -> int:
        """The number of characters."""
        return len(text)

    def complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        """Random records of the vocabulary, in blocks of five."""
        for start in range(0, len(requests), 5):
            some = requests[start : start + 5]
            rows = [self._ids(request) for request in some]
            yield CompletionBlock(
                request_ids=np.array([request.request_id for request in some]),
                ids=np.array([ids + [0] * (max(map(len, rows)) - len(ids)) for ids in rows], dtype=np.int32),
                lengths=np.array([len(row) for row in rows], dtype=np.int32),
                finish_reasons=[FinishReason.STOP] * len(rows),
                decode=self.vocabulary.decode,
            )

    def _ids(self, request: CompletionRequest) -> list[int]:
        chance = random.Random(request.request_id)
        if request.forced_ids:
            return self._reading(request.forced_ids, chance)
        return self._row(chance) if self.vocabulary.schema.step is None else self._group(chance)

    def _reading(self, forced: tuple[int, ...], chance: random.Random) -> list[int]:
        ids = [*forced, *(chance.randrange(item.start, item.stop) for item in self.vocabulary.fields[len(forced) :])]
        if chance.random() < 0.2:
            ids[0] = ids[-1]
        return [*ids, self.vocabulary.eos_id]

    def _row(self, chance: random.Random) -> list[int]:
        ids = [chance.randrange(item.start, item.stop) for item in self.vocabulary.fields]
        if chance.random() < 0.2:
            ids[0] = ids[-1]
        return [*ids, self.vocabulary.eos_id]

    def _group(self, chance: random.Random) -> list[int]:
        step, *others = self.vocabulary.fields
        first = step.start + step.values.index(None)
        steps = [first, *(chance.choice([i for i in range(step.start, step.stop) if i != first]) for _ in range(4))]
        ids = [
            token
            for step_id in steps[: chance.randint(1, 5)]
            for token in (step_id, *(chance.randrange(item.start, item.stop) for item in others))
        ]
        if chance.random() < 0.2:
            ids[0] = steps[1]
        return [*ids, self.vocabulary.eos_id]


def build(context: Any, options: Any) -> EngineBackend:
    """The backend, as the configuration below names it."""
    return EngineBackend(
        context.config,
        context.metadata,
        engine=KeyedEngine(context.bundle.vocabulary),
        processor=context.resolve(Kind.PROCESSOR, processor_for(context.config, context.bundle.model_schema)),
        prompt_ids=[1],
        columns=context.bundle.table_schema.names,
        seeds=context.seeds,
        batch_finished=context.on_batch,
    )


def people() -> Iterator[str]:
    """Lines of a plain table."""
    chance = random.Random(1)
    yield "id,age,city"
    for i in range(1000, 1300):
        yield f"{i},{chance.randrange(20, 60)},{chance.choice(['Rome', 'Ulm'])}"


def visits() -> Iterator[str]:
    """Lines of a table of groups."""
    chance = random.Random(1)
    yield "who,year,city,home"
    for i in range(100):
        home, first = chance.choice(["Rome", "Ulm"]), chance.randrange(1990, 2000)
        for place in range(chance.randint(1, 6)):
            yield f"p{i:03},{first + place * chance.randint(0, 2)},{chance.choice(['Rome', 'Ulm'])},{home}"


def readings() -> Iterator[str]:
    """Lines of a table of time series."""
    chance = random.Random(1)
    yield "who,day,level"
    for i in range(30):
        for day in range(chance.randint(2, 6)):
            yield f"p{i:03},2020-01-{10 + i % 5 + day},{chance.randrange(5)}"


LINES = {"records": people, "groups": visits, "series": readings}
SETTINGS = {
    "records": [f"generation.num_records={ROWS}"],
    "groups": [
        "data.group_training_examples_by=who",
        "data.order_training_examples_by=year",
        f"generation.num_groups={ROWS}",
    ],
    "series": [
        "data.group_training_examples_by=who",
        "time_series.is_timeseries=true",
        "time_series.timestamp_column=day",
        "generation.patience=2",
        "data.holdout=0",
        f"generation.num_groups={SERIES}",
    ],
}


def make_model(folder: Path, kind: str) -> None:
    """A run directory with everything but weights."""
    folder.mkdir()
    source = folder.parent / "people.csv"
    source.write_text("\n".join(LINES[kind]()) + "\n")
    config = load_config(
        None,
        [f"data.source={source}", *SETTINGS[kind]],
        {"backend": {"factory": "generation_points:build"}},
    )
    run = Run(config=config, registry=Registry(), directory=RunDirectory(folder))
    part = training_part(read_table(source), config, run.seeds)
    table = part.table
    context = run.context().evolve(table_schema=table.schema)
    names = default_transforms(config.grouped, config.time_series.is_timeseries)
    transforms = [(name, context.resolve(Kind.TRANSFORM, name)) for name in names]
    fitted, columns = fit_transforms(table.columns, table.schema, transforms)  # type: ignore[arg-type]
    schema = model_schema_of(columns, fitted.schema_after)
    model = run.directory.folder("bundle") / "model"
    model.mkdir()
    (model / "weights").write_bytes(b"none")
    report = TrainingReport(
        steps=1, total_steps=1, tokens=1, seconds=1.0, epochs=1.0, validation_loss=None, best_step=1, parameters=1,
        dtype="float32", stop_reason="",
    )  # fmt: skip
    prompt = LLMPromptConfig("", False, False, "<s>", 1, "</s>", 2)
    save_bundle(
        Bundle(
            directory=run.bundle_directory,
            table_schema=table.schema,
            model_schema=schema,
            transforms=fitted,
            metadata=ModelMetadata("model", prompt, base_max_seq_length=32),
            vocabulary=Vocabulary(schema=schema),
            report=report,
            train_rows=len(table),
            series=part.series,
        )
    )
    Plan(config=config).save(run.directory)


def inject(fault: Callable[[], None], at: int, counted: Path | None = None) -> None:
    """Let the ``at``-th call that reaches the disk go wrong; 0 only counts them."""
    calls = [0]

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            calls[0] += 1
            if counted is not None:
                counted.write_text(str(calls[0]))
            if calls[0] == at:
                fault()
            return original(*args, **options)

        return call

    for name in CALLS:
        setattr(os, name, wrapped(getattr(os, name)))


def child(folder: Path, *, resume: bool, prepare: Callable[[], None] = lambda: None) -> tuple[int, str]:
    """Make the rows in another process; its exit status, and what error it told."""
    told = folder.with_suffix(".error")
    told.unlink(missing_ok=True)
    process = os.fork()
    if process == 0:
        status = 1
        try:
            prepare()
            config = Plan.load(RunDirectory(folder)).config
            run = Run(config=config, registry=Registry(), directory=RunDirectory(folder), resume=resume)
            generate_job(run)
            status = 0
        except RowsmithError as error:
            told.write_text(f"{type(error).__name__}: {error}")
            status = FAILED
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return status, told.read_text() if told.exists() else ""


def result(folder: Path) -> dict[str, Any]:
    """What a finished run directory holds, but for times."""
    metrics = json.loads((folder / "metrics.json").read_text())
    timed = ("elapsed_time", "tokens_per_second", "valid_tokens_per_second", "tokenization_overhead_sec")
    rejected = (folder / "rejected.jsonl").read_text()
    if metrics["generation"]["all_groups_succeeded"] is not None:
        # Series end in another order when some are there already, and so do their batches.
        rejected = "".join(sorted(json.loads(line)["reason"] for line in rejected.splitlines()))
    return {
        "rows": (folder / "synthetic.csv").read_text(),
        "rejected": rejected,
        "figures": {name: value for name, value in metrics["generation"].items() if name not in timed},
        # A partial result that could not be written, or not be removed, ends no job.
        "files": sorted(path.name for path in folder.iterdir() if not path.name.startswith((".", "generated_partial"))),
    }


def _part_of(rows: str, expected: dict[str, Any]) -> bool:
    """Whether some rows are the first of a table; of series, which end in no order, whole ones of it."""
    if expected["figures"]["all_groups_succeeded"] is None:
        return bool(expected["rows"].startswith(rows))
    whole, part = ([line.split(",", 1)[1] for line in text.splitlines()] for text in (expected["rows"], rows))
    return Counter(part) <= Counter(whole)


def attempt(folder: Path, expected: dict[str, Any], at: int, fault: str) -> list[str]:
    """Break off at one call, look, take up, and compare."""
    faults = {"kill": lambda: os.kill(os.getpid(), signal.SIGKILL)}
    number = getattr(errno, fault, 0)

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    status, told = child(folder, resume=False, prepare=lambda: inject(faults.get(fault, fail), at))
    problems = []
    if fault == "kill" and status != DIED:
        problems.append(f"ended with {status}")
    if fault != "kill" and status not in (0, FAILED):
        problems.append(f"ended with {status}")
    if status == FAILED and (os.strerror(number) not in told or str(folder) not in told):
        problems.append(f"told {told!r}")
    rows = folder / "synthetic.csv"
    if rows.exists() and not _part_of(rows.read_text(), expected):
        problems.append("left half a table")
    if status == 0 and result(folder) == expected:
        return problems
    status, told = child(folder, resume=True)
    if status != 0 or result(folder) != expected:
        problems.append(f"did not go on: {status} {told}")
    return problems


def main(root: Path, kind: str) -> None:
    """Try every call with every fault."""
    make_model(root / "model", kind)
    shutil.copytree(root / "model", root / "whole")
    status, told = child(root / "whole", resume=False, prepare=lambda: inject(lambda: None, 0, root / "count"))
    assert status == 0, told
    expected, count = result(root / "whole"), int((root / "count").read_text())
    problems = {}
    for fault in ("kill", "ENOSPC"):
        for at in range(1, count + 1):
            folder = root / f"{fault}-{at}"
            shutil.copytree(root / "model", folder)
            found = attempt(folder, expected, at, fault)
            if found:
                problems[folder.name] = found
    made = {line.split(",")[0] for line in expected["rows"].splitlines()[1:]}
    print(
        json.dumps(
            {"calls": count, "made": len(made), "wanted": SERIES if kind == "series" else ROWS, "problems": problems}
        )
    )


if __name__ == "__main__":
    # The configuration names this module, whatever it was started as.
    sys.modules["generation_points"] = sys.modules["__main__"]
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "records")
