"""Document 002, generation of time series: every class constructed, every method called, every attribute read.

Written from the document alone; the engine, which it takes from elsewhere, is the one of ``tests/backends/timeseries``.
Run with ``python tests/conformance/document_002.py``.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib.util
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from sheet import Sheet, logged_by, raised, signature

from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith.config import load_config
from rowsmith.generation import GenerateJobResults, GenerationStatus, GeneratorBackend
from rowsmith.storage.run_directory import RunDirectory
from rowsmith_backends import VllmBackend
from rowsmith_backends.timeseries_backend import (
    GroupProcessingResult,
    GroupState,
    ProgressSnapshot,
    TimeseriesBackend,
)

STATE = {
    "group_id": "g",
    "initial_prefill": "i",
    "current_prefill": "c",
    "recent_records": [],
    "expected_records": 0,
    "last_timestamp_seconds": None,
    "low_valid_fraction_count": 0,
    "completed": False,
    "failed": False,
    "total_valid_records": 0,
    "total_invalid_records": 0,
}


def engines() -> Any:
    """The engine of the tests of time series, which writes days without a model."""
    path = Path(__file__).parents[1] / "backends" / "timeseries" / "conftest.py"
    name = "rowsmith_series_engines"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def backend(*, spans: tuple[Any, ...] = (), spoil: Any = None, engine: Any = None, **more: Any) -> TimeseriesBackend:
    """A backend of three series of 5, 8 and 3 days, or of others."""
    tools = engines()
    made = tools.Series(spans=spans) if spans else tools.Series()
    given = {} if spoil is None else {"spoil": spoil}
    found: TimeseriesBackend = made.backend(engine or tools.DayEngine(**given), **more)
    return found


def garbage(group: int, ask: int, sample: int, text: str) -> str:
    return "nonsense\n"


def days(spans: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(engines().span("2020-01-01", count) for count in spans)


def states(sheet: Sheet) -> None:
    sheet.says("ProgressSnapshot(...)", "label, threshold, path, saved=False", signature(ProgressSnapshot))
    snapshot = ProgressSnapshot("50", 10, Path("x.csv"))
    sheet.says("ProgressSnapshot is a dataclass", True, dataclasses.is_dataclass(snapshot))
    for name, value in {"label": "50", "threshold": 10, "path": Path("x.csv"), "saved": False}.items():
        sheet.says(f"snapshot.{name}", value, getattr(snapshot, name))
    sheet.says("ProgressSnapshot.saved", False, ProgressSnapshot.saved)
    given = (
        "group_id, initial_prefill, current_prefill, recent_records=list(), expected_records=0, "
        "last_timestamp_seconds=None, low_valid_fraction_count=0, completed=False, failed=False, "
        "total_valid_records=0, total_invalid_records=0"
    )
    sheet.says("GroupState(...)", given, signature(GroupState))
    state = GroupState("g", "i", "c")
    sheet.says("GroupState is a dataclass", True, dataclasses.is_dataclass(state))
    for name, value in STATE.items():
        sheet.says(f"state.{name}", value, getattr(state, name))
        setattr(state, name, value)
    for name, value in list(STATE.items())[4:]:
        sheet.says(f"GroupState.{name}", value, getattr(GroupState, name))
    sheet.says("recent_records are its own", True, GroupState("a", "", "").recent_records is not state.recent_records)
    sheet.says("GroupProcessingResult is an Enum", True, issubclass(GroupProcessingResult, enum.Enum))
    members = [(each.name, each.value) for each in GroupProcessingResult]
    sheet.says("its members", [("IN_PROGRESS", 1), ("COMPLETED", 2), ("FAILED", 3)], members)


def constructor(sheet: Sheet) -> None:
    metadata = ModelMetadata("m", LLMPromptConfig("", False, False, "<s>", 1, "</s>", 2), base_max_seq_length=64)
    sheet.says("TimeseriesBackend(...)", "config, model_metadata, **kwargs", signature(TimeseriesBackend))
    alone = raised(TimeseriesBackend, load_config(values={}), metadata)
    sheet.says("TimeseriesBackend(config, model_metadata)", "nothing", alone, amended="F2")
    sheet.says("a VllmBackend", True, issubclass(TimeseriesBackend, VllmBackend), amended="F3")
    sheet.says("a GeneratorBackend", True, issubclass(TimeseriesBackend, GeneratorBackend))
    for name in ("initialize", "prepare_params", "teardown"):
        sheet.says(f"it has {name}", True, callable(getattr(TimeseriesBackend, name)))
    sheet.says("generate(...)", "data_actions_fn=None", signature(TimeseriesBackend.generate))


def attributes(sheet: Sheet) -> None:
    tools = engines()
    made = backend(engine=tools.DayEngine(constrained=False))
    for when in ("before", "after"):
        sheet.says(f"_schema_fragment {when} generate", True, '"level":' in made._schema_fragment)
        sheet.says(f"_samples_per_prompt {when}", 5, made._samples_per_prompt)
        sheet.says(f"_max_prompts_per_batch {when}", 100, made._max_prompts_per_batch)
        sheet.says(f"_prefill_context_size {when}", 3, made._prefill_context_size, amended="F9")
        sheet.says(f"_time_column {when}", "t", made._time_column)
        sheet.says(f"_time_format {when}", "%Y-%m-%d", made._time_format)
        sheet.says(f"_is_elapsed_time {when}", False, made._is_elapsed_time)
        sheet.says(f"_start_timestamp_value {when}", tools.ticks("2020-01-01"), made._start_timestamp_value)
        sheet.says(f"_stop_timestamp_value {when}", tools.ticks("2020-01-12"), made._stop_timestamp_value)
        interval = made._timestamp_interval_seconds
        sheet.says(f"_timestamp_interval_seconds {when}", (86_400, int), (interval, type(interval)))
        sheet.says(f"_group_column {when}", None, made._group_column)
        sheet.says(f"_group_prefills {when}", {}, dict(made._group_prefills))
        sheet.says(f"_groups {when}", ["1", "2", "3"], made._groups)
        made.generate()
    sheet.says("_samples_per_prompt, all are valid anyway", 5, backend()._samples_per_prompt, amended="F7")


def output(sheet: Sheet) -> None:
    spans = days((5, 8, 3))
    results = backend(spans=spans, generation={"num_records": 2}).generate()
    sheet.says("generate() gives", True, isinstance(results, GenerateJobResults))
    sheet.says("... with a DataFrame", True, isinstance(results.df, pd.DataFrame))
    sheet.says("(stop - start) / interval records", 4 + 7 + 2, len(results.df), amended="F6")
    sheet.says("num_records=2 does not limit it", 16, len(results.df))
    sheet.says("target reached: STOP_METRIC_REACHED", "stop_metric_reached", str(results.status), amended="F29")
    told: list[Any] = []
    backend(spans=spans, generation={"num_records": 2}, batch_finished=told.append).generate()
    sheet.says("num_records is what progress is of", 2, told[-1].target_num_records, amended="F38")
    lengths = sorted(results.df.groupby("series").size())
    sheet.says("every series from start to stop", [3, 5, 8], lengths)
    steps = results.df.groupby("series")["t"].apply(lambda each: pd.to_datetime(each).diff().dropna().unique().tolist())
    sheet.says("at the interval", True, all(each == [pd.Timedelta(days=1)] for each in steps))
    out_of_order = backend(spans=spans, spoil=lambda group, ask, sample, text: text.replace("1 day", "2 days"))
    invalid = out_of_order.generate()
    sheet.says("another step than the interval is invalid", True, invalid.num_invalid_records > 0 and invalid.df.empty)
    engine = engines().DayEngine()
    backend(spans=spans, engine=engine).generate()
    sheet.says("all active groups in one call", 3, engine.calls[0])
    engine = engines().DayEngine()
    backend(spans=spans, engine=engine, options={"max_prompts_per_batch": 2}).generate()
    sheet.says("slots refilled from pending groups", 2, max(engine.calls))
    text = '{"t~step":null,"t":"2020-01-01","t~weekday":"2","level":"a"}\n'
    kept = backend(spans=spans, initial_prefill={"north": text, "south": text})
    sheet.says("groups of initial_prefill", ["north", "south"], kept._groups)
    sheet.says("their prefills", {"north": text, "south": text}, dict(kept._group_prefills))
    sheet.says("they succeed", True, bool(kept.generate().all_groups_succeeded))


def ends(sheet: Sheet) -> None:
    spans = days((5, 8, 3))
    well = backend(spans=spans)
    sheet.says("status when all groups complete", GenerationStatus.COMPLETE, well.generate().status)
    sheet.says("all_groups_succeeded", True, well.all_groups_succeeded)

    def second_fails(group: int, ask: int, sample: int, text: str) -> str:
        return "nonsense\n" if group == 1 and ask > 1 else text

    badly = backend(spans=spans, spoil=second_fails)
    results = badly.generate()
    sheet.says("a group fails after patience bad batches", ["2"], list(results.failed_groups))
    sheet.says("it has no data", 2, results.df["series"].nunique())
    sheet.says("all_groups_succeeded then", False, badly.all_groups_succeeded)

    def two_bad(group: int, ask: int, sample: int, text: str) -> str:
        return text if ask % 3 == 2 else "nonsense\n"

    sheet.says("fewer bad batches fail none", [], list(backend(spans=spans, spoil=two_bad).generate().failed_groups))
    for count in (1, 2, 3, 4, 9):
        status = backend(spoil=garbage, generation={"num_groups": count}).generate().status
        sheet.says(f"no records of {count} groups", GenerationStatus.STOP_NO_RECORDS, status)


def snapshots(sheet: Sheet) -> None:
    def stuck(group: int, ask: int, sample: int, text: str) -> str:
        return text if not ask else "nonsense\n"

    with tempfile.TemporaryDirectory() as folder:
        engine = engines().DayEngine(most=7, constrained=False, spoil=stuck)
        directory = RunDirectory(Path(folder))
        made = backend(spans=days((8,)), engine=engine, workdir=directory, options={"samples_per_prompt": 1})
        made.generate()
        sheet.says("milestones", ["25", "50", "75"], [each.label for each in made.snapshots])
        sheet.says("several at once: all saved", [True] * 3, [each.saved for each in made.snapshots])
        sheet.says("... and on the disk", [True] * 3, [each.path.exists() for each in made.snapshots])
        sheet.says("... as CSV", 7, len(pd.read_csv(made.snapshots[0].path)))
        few = backend(spans=days((2,)), workdir=directory)
        few.generate()
        thresholds = [each.threshold for each in few.snapshots]
        sheet.says("each threshold once", sorted(set(thresholds)), thresholds)


def actions(sheet: Sheet) -> None:
    spans = days((5, 8, 3))
    for words, fn in (
        ("the same", lambda df: df),
        ("selected columns", lambda df: df[["t", "level"]]),
        ("a fresh frame", lambda df: pd.DataFrame({"t": df["t"].tolist(), "level": df["level"].tolist()})),
        ("other values", lambda df: df.assign(level="x")),
    ):
        results = backend(spans=spans).generate(fn)
        sheet.says(f"data_actions_fn: {words}", (16, True), (len(results.df), bool(results.all_groups_succeeded)))


def logs(sheet: Sheet) -> None:
    made = backend(spans=days((5, 8, 3)))
    logged = logged_by(made.generate, level=logging.DEBUG)
    sheet.says("progress of the groups is logged each round", 8, sum(line.startswith("round") for line in logged))
    sheet.says("... and of each group", 3, sum(line.startswith("group") for line in logged))


def compared() -> Sheet:
    """Everything that the document says."""
    sheet = Sheet("002 timeseries_backend")
    for part in (states, constructor, attributes, output, ends, snapshots, actions, logs):
        part(sheet)
    return sheet


if __name__ == "__main__":
    found = compared()
    print(found)
    raise SystemExit(bool(found.faults()))
