"""Series of days, and an engine that writes them without a model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from attrs import define, field

from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith.config import RunConfig, load_config
from rowsmith.dialect import RecordDialect
from rowsmith.generation.requests import CompletionBlock, CompletionRequest, Engine, FinishReason, SamplingParams
from rowsmith.randomness.draws import Draws
from rowsmith.sequences import TICKS, Interval, SeriesPlan, SeriesSpan, TimeAxis
from rowsmith.table.schema import (
    ColumnSchema,
    ColumnType,
    JsonKind,
    ModelColumn,
    ModelSchema,
    TableSchema,
    Timing,
    TimingRole,
)
from rowsmith.vocabulary import BOS, EOS, Vocabulary
from rowsmith_backends import TimeseriesBackend
from rowsmith_backends.timeseries.codec import codec_of_vocabulary
from rowsmith_backends.timeseries.options import TimeseriesOptions
from rowsmith_plugins.processors.tabular import TabularProcessor

DAY = 86_400 * TICKS
LEVELS = tuple("abcdefgh")


def ticks(text: str) -> int:
    return int(np.datetime64(text, "us").astype(np.int64))


def day_schema() -> ModelSchema:
    """Records ``{"t~step", "t", "t~weekday", "level"}`` of January 2020."""
    places = [f"2020-01-{day:02d}" for day in range(1, 32)]
    step = Timing(role=TimingRole.STEP, amounts=(("1 day", 86_400.0), ("2 days", 172_800.0), ("0 days", 0.0)))
    place = Timing(role=TimingRole.POSITION, amounts=tuple((text, ticks(text) / TICKS) for text in places))
    text = JsonKind.STRING
    return ModelSchema(
        columns=(
            ModelColumn(name="t~step", kind=text, nullable=True, values=("0 days", "1 day", "2 days"), timing=step),
            ModelColumn(name="t", kind=text, nullable=False, values=tuple(places), timing=place),
            ModelColumn(
                name="t~weekday",
                kind=text,
                nullable=False,
                values=tuple("0123456"),
                timing=Timing(role=TimingRole.WEEKDAY),
            ),
            ModelColumn(name="level", kind=text, nullable=False, values=LEVELS),
        )
    )


@define
class DayEngine(Engine):
    """Completes each prompt with the forced tokens and draws; ``spoil`` may make a completion another one.

    Attributes:
        spoil: Given the group's number, the number of the ask, the sample and the honest text, what it writes.
        forces: Whether it writes forced tokens itself.
        most: Records that it writes when it is not told to stop after one.
        asked: All requests.
        calls: The sizes of the calls.
        on_call: Called before each call.
    """

    spoil: Callable[[int, int, int, str], str] = lambda group, ask, sample, text: text
    forces: bool = True
    most: int = 1
    constrained: bool = True
    asked: list[CompletionRequest] = field(factory=list)
    calls: list[int] = field(factory=list)
    on_call: Callable[[int], Any] = lambda number: None
    max_num_prompts: int | None = None
    vocabulary: Vocabulary = field(factory=lambda: Vocabulary(schema=day_schema()))

    def __attrs_post_init__(self) -> None:
        found = {"constrained"} if self.constrained else set()
        self.capabilities = frozenset(found | ({"forced-tokens"} if self.forces else set()))

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def count_tokens(self, text: str) -> int:
        return text.count(":")

    def complete(self, requests: Sequence[CompletionRequest], params: SamplingParams) -> Iterator[CompletionBlock]:
        self.on_call(len(self.calls))
        self.calls.append(len(requests))
        self.asked.extend(requests)
        for request in requests[::-1]:  # in any order
            text = self._text(request, params.seed)
            key = request.request_id
            text = self.spoil(key >> 40, (key >> 8) & 0xFFFFFFFF, key & 0xFF, text)
            yield CompletionBlock(
                request_ids=np.array([key]),
                lengths=np.array([text.count(":") + 1], dtype=np.int32),
                finish_reasons=[FinishReason.STOP],
                texts=[text],
            )

    def _text(self, request: CompletionRequest, seed: int) -> str:
        draws = Draws(seed, np.array([request.request_id]))
        lines, forced = [], [*request.prompt_ids[len(request.prompt_ids) - self._begun(request) :], *request.forced_ids]
        given = len(forced) - len(request.forced_ids)
        for number in range(self.most):
            ids = list(forced) if not number else []
            for place in range(len(ids), len(self.vocabulary.fields)):
                item = self.vocabulary.fields[place]
                offset = int(draws.integers(f"{number}.{place}", item.generated)[0])
                ids.append(item.start + (1 if place == 0 else offset))
            lines.append(self.vocabulary.decode(ids[given if not number else 0 :]))
        return "".join(lines)

    def _begun(self, request: CompletionRequest) -> int:
        """Ids at the end of the prompt that belong to a record which is not whole."""
        if self.forces:
            return 0
        after = list(request.prompt_ids)
        after = after[len(after) - after[::-1].index(self.vocabulary.bos_id) :]
        return len(after) % len(self.vocabulary.fields)


def span(start: str, days: int, regular: bool = True) -> SeriesSpan:
    first = ticks(start)
    interval = Interval(ticks=DAY) if regular else None
    return SeriesSpan(start=first, stop=first + (days - 1) * DAY, length=days, interval=interval)


def day_table() -> TableSchema:
    time = ColumnSchema(name="t", type=ColumnType.DATETIME, datetime_format="%Y-%m-%d")
    return TableSchema(columns=(time, ColumnSchema(name="level", type=ColumnType.CATEGORICAL)))


@define
class Series:
    """Makes backends over a fake engine.

    Attributes:
        spans: What was learned.
    """

    spans: tuple[SeriesSpan, ...] = (span("2020-01-01", 5), span("2020-01-03", 8), span("2020-01-10", 3))
    table_schema: TableSchema = field(factory=day_table)

    def config(self, **sections: Any) -> RunConfig:
        series = {"is_timeseries": True, "timestamp_column": "t", **sections.pop("time_series", {})}
        return load_config(values={"time_series": series, **sections})

    def backend(self, engine: Engine, context: int = 1 + 31 * 4, options: Any = None, **sections: Any) -> Any:
        extra = {name: sections.pop(name) for name in ("workdir", "policy", "batch_finished") if name in sections}
        prefill = sections.pop("initial_prefill", None)
        vocabulary = Vocabulary(schema=day_schema())
        clock = TimeAxis(column="t", format="%Y-%m-%d")
        metadata = ModelMetadata(
            model_name_or_path="none",
            prompt_config=LLMPromptConfig(
                template="",
                add_bos_token_to_prompt=False,
                add_eos_token_to_prompt=False,
                bos_token=BOS,
                bos_token_id=vocabulary.bos_id,
                eos_token=EOS,
                eos_token_id=vocabulary.eos_id,
            ),
            base_max_seq_length=context,
            initial_prefill=prefill,
        )
        backend = TimeseriesBackend(
            self.config(**sections),
            metadata,
            engine=engine,
            processor=TabularProcessor(RecordDialect(day_schema())),
            plan=SeriesPlan(clock=clock, inner=clock, spans=self.spans),
            codec=codec_of_vocabulary(vocabulary),
            table_schema=self.table_schema,
            options=TimeseriesOptions(**(options or {})),
            **extra,
        )
        backend.initialize()
        backend.prepare_params()
        return backend


@pytest.fixture
def series() -> Series:
    return Series()


@pytest.fixture
def tools() -> Any:
    """The engine, spans and times, for tests that build their own."""

    class Tools:
        engine = DayEngine
        span = staticmethod(span)
        ticks = staticmethod(ticks)
        schema = staticmethod(day_schema)
        series = Series
        event = threading.Event

    return Tools
