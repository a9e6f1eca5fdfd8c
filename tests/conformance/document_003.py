"""Document 003, the abstract backend: a subclass written from it, and every method and attribute of ours.

Written from the document alone; only an engine has to be made in a way that it does not describe.
Run with ``python tests/conformance/document_003.py``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from sheet import Sheet, logged_by, raised, signature

from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith.config import GenerationConfig, RunConfig
from rowsmith.errors import RecordError
from rowsmith.generation import EngineBackend, GenerateJobResults, GenerationStatus, GeneratorBackend
from rowsmith.generation.stopping import PatiencePolicy
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.testing.fake_engine import FakeEngine
from rowsmith_plugins.processors.tabular import TabularProcessor

METHODS = ("initialize", "prepare_params", "generate", "teardown")
ATTRIBUTES = ("gen_method", "gen_results", "config", "model_metadata", "remote", "elapsed_time", "workdir")


class Own(GeneratorBackend):
    """A backend as the document has it."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.remote = False
        self.elapsed_time = 0.0
        self._torn_down = False
        self.steps: list[str] = []

    def initialize(self) -> None:
        self.gen_method = lambda prompts: [{"a": 1} for _ in prompts]
        self.steps.append("initialize")

    def prepare_params(self, **kwargs: Any) -> None:
        self.params = kwargs
        self.steps.append("prepare_params")

    def generate(self, data_actions_fn: Callable[[pd.DataFrame], pd.DataFrame] | None = None) -> GenerateJobResults:
        assert self.gen_method is not None
        frame = pd.DataFrame(self.gen_method(range(self.config.generation.num_records)))
        frame = frame if data_actions_fn is None else data_actions_fn(frame)
        count = len(frame)
        self.gen_results = GenerateJobResults(frame, GenerationStatus.COMPLETE, count, 0, count, 1.0, [1.0])
        self.steps.append("generate")
        return self.gen_results

    def teardown(self) -> None:
        if not self._torn_down:
            self._torn_down = True
            self.gen_method = None
            self.steps.append("teardown")


class Dialect:
    """Records of one number."""

    def decode(self, line: str) -> dict[str, Any]:
        try:
            return {"a": json.loads(line)["a"] + 0}
        except (ValueError, TypeError, KeyError):
            raise RecordError("no record", "type") from None


def abstract(sheet: Sheet) -> None:
    sheet.says("abstract methods", set(METHODS), set(GeneratorBackend.__abstractmethods__))
    sheet.says("initialize()", "", signature(GeneratorBackend.initialize))
    sheet.says("prepare_params(**kwargs)", "**kwargs", signature(GeneratorBackend.prepare_params))
    sheet.says("generate(data_actions_fn=None)", "data_actions_fn=None", signature(GeneratorBackend.generate))
    sheet.says("teardown()", "", signature(GeneratorBackend.teardown))
    sheet.says("GeneratorBackend()", "TypeError", raised(GeneratorBackend))
    for name in METHODS:
        body = {each: getattr(Own, each) for each in METHODS if each != name}
        sheet.says(f"a subclass without {name}", "TypeError", raised(type("Partial", (GeneratorBackend,), body)))
    for name in ATTRIBUTES:
        sheet.says(f"attribute {name}", True, name in GeneratorBackend.__annotations__)
    sheet.says("GeneratorBackend.gen_method", None, GeneratorBackend.gen_method)


def own(sheet: Sheet) -> None:
    backend = Own(RunConfig(generation=GenerationConfig(num_records=4)))
    try:
        backend.initialize()
        backend.prepare_params(temperature=0.5, top_p=0.9, max_new_tokens=5, repetition_penalty=1.1)
        first = backend.generate()
        second = backend.generate(lambda df: df.head(2))
    finally:
        backend.teardown()
        backend.teardown()
    steps = ["initialize", "prepare_params", "generate", "generate", "teardown"]
    sheet.says("a subclass of it goes its way", steps, backend.steps)
    sheet.says("... and returns results", (4, 2), (len(first.df), len(second.df)))
    sheet.says("... of the latest run", True, backend.gen_results is second)


def made(answer: Callable[[Any], str], count: int, options: frozenset[str], **more: Any) -> EngineBackend:
    metadata = ModelMetadata("m", LLMPromptConfig("", False, False, "<s>", 1, "</s>", 2), base_max_seq_length=64)
    return EngineBackend(
        RunConfig(generation=GenerationConfig(num_records=count)),
        metadata,
        engine=FakeEngine(answer, sampling_options=options),
        processor=TabularProcessor(Dialect()),
        prompt_ids=[5],
        columns=["a"],
        **more,
    )


def ours(sheet: Sheet) -> None:
    takes = frozenset({"repetition_penalty"})
    answer = lambda request: json.dumps({"a": request.request_id}) + "\n"  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        backend = made(answer, 150, takes, workdir=RunDirectory(Path(folder)))
        sheet.says("EngineBackend is a GeneratorBackend", True, isinstance(backend, GeneratorBackend))
        sheet.says("gen_method before initialize()", None, backend.gen_method)
        sheet.says("prepare_params() before initialize()", True, raised(backend.prepare_params) != "nothing")
        backend.initialize()
        sheet.says("gen_method after initialize()", True, callable(backend.gen_method))
        sheet.says("generate() before prepare_params()", True, raised(backend.generate) != "nothing")
        for given in ({"temperature": 0.5}, {"top_p": 0.9}, {"max_new_tokens": 9}, {"repetition_penalty": 1.2}):
            sheet.says(f"prepare_params({given})", "nothing", raised(backend.prepare_params, **given))
        for given in ({"temperature": -1}, {"top_p": 2}, {"max_new_tokens": 0}, {"repetition_penalty": -1}):
            sheet.says(f"prepare_params({given})", "ParameterError", raised(backend.prepare_params, **given))
        backend.prepare_params(temperature=0.5, top_p=0.9, max_new_tokens=30, repetition_penalty=1.2)
        logged = logged_by(backend.generate)
        first = backend.gen_results
        batches = [line for line in logged if line.startswith("batch ")]
        sheet.says(
            "generate() goes on until the target", (GenerationStatus.COMPLETE, 150), (first.status, len(first.df))
        )
        count = len(first.batch_valid_record_fractions)
        sheet.says("progress and errors logged after each batch", count, len(batches))
        sheet.says("... with error statistics", True, all("no errors" in line for line in batches))
        sheet.says("elapsed_time of the run", first.elapsed_time, backend.elapsed_time)
        second = backend.generate(lambda df: df[df["a"] % 2 == 0])
        sheet.says("generate(data_actions_fn) again", (150, True), (len(second.df), (second.df["a"] % 2 == 0).all()))
        sheet.says("gen_results is the latest", True, backend.gen_results is second)
        sheet.says("remote", False, backend.remote)
        sheet.says("config", 150, backend.config.generation.num_records)
        sheet.says("model_metadata.max_seq_length", 64, backend.model_metadata.max_seq_length)
        sheet.says("workdir", Path(folder), backend.workdir.root)
        for _ in range(3):
            sheet.says("teardown(), again and again", "nothing", raised(backend.teardown))
        sheet.says("gen_method after teardown()", None, backend.gen_method)
    hopeless = made(lambda request: "prose\n" * request.request_id, 99, takes, policy=lambda: PatiencePolicy(0.5, 2))
    hopeless.initialize()
    hopeless.prepare_params()
    sheet.says("a stopping condition ends it", GenerationStatus.STOP_NO_RECORDS, hopeless.generate().status)
    other = made(answer, 9, frozenset())
    other.initialize()
    refused = raised(other.prepare_params, repetition_penalty=1.2)
    sheet.says("repetition_penalty where it cannot be had", "ParameterError", refused)


def compared() -> Sheet:
    """Everything that the document says."""
    sheet = Sheet("003 backend")
    for part in (abstract, own, ours):
        part(sheet)
    return sheet


if __name__ == "__main__":
    found = compared()
    print(found)
    raise SystemExit(bool(found.faults()))
