"""The backend ``timeseries``: any engine, asked for one series after another in windows of time.

The system writes the times wherever the interval is known, and the model the rest; so order is right by
construction. A series is longer than the model's context as it likes: each prompt holds its newest records.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsmith.assembly.prompts import prompt_ids, schema_prompt
from rowsmith.generation.actions import DataActionsFn
from rowsmith.generation.batches.accounting import Accounting
from rowsmith.generation.batches.tokens import TokenCounter
from rowsmith.generation.engine_backend import EngineBackend
from rowsmith.generation.processors import Processor
from rowsmith.generation.requests import Engine, SamplingParams
from rowsmith.generation.results import GenerateJobResults
from rowsmith.randomness.seeds import Seeds
from rowsmith.sequences import SeriesPlan, SeriesSpan, draw_spans, identifier_name
from rowsmith_backends.timeseries.codec import (
    RecordCodec,
    Written,
)
from rowsmith_backends.timeseries.completion import SeriesCompleter
from rowsmith_backends.timeseries.group import SeriesGroup, Windows
from rowsmith_backends.timeseries.job import SeriesJob
from rowsmith_backends.timeseries.options import TimeseriesOptions
from rowsmith_backends.timeseries.output import SeriesOutput
from rowsmith_backends.timeseries.record_times import RecordTiming
from rowsmith_backends.timeseries.results import results_of
from rowsmith_backends.timeseries.state import GroupProcessingResult, GroupState, ProgressSnapshot

if TYPE_CHECKING:
    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.config import RunConfig
    from rowsmith.table.schema import TableSchema

__all__ = ["GroupProcessingResult", "GroupState", "ProgressSnapshot", "TimeseriesBackend"]

CHOICE_STAGE = "timeseries.choice"
"""Stage whose seed the choice among several completions gets."""

_logger = logging.getLogger(__name__)

PSEUDO_GROUP = "series"
SNAPSHOTS = (25, 50, 75)


class TimeseriesBackend(EngineBackend):
    """Writes time series with any engine.

    Args:
        config: The run's configuration.
        model_metadata: Prompt layout, special tokens and context length.
        engine: Completes prompts.
        processor: Turns completions into records.
        plan: The time axis of the table, and the extents of the series learned from.
        codec: Writes records as the model reads them.
        table_schema: The user's columns.
        options: How many completions, groups and records at once.
        **kwargs: As for ``EngineBackend``: policy, seeds, workdir, batch_finished, clock.

    Attributes:
        all_groups_succeeded: Whether each group of the latest ``generate`` reached its stop.
        snapshots: The partial results that the latest ``generate`` saves on its way.
    """

    def __init__(
        self,
        config: RunConfig,
        model_metadata: ModelMetadata,
        *,
        engine: Engine,
        processor: Processor,
        plan: SeriesPlan,
        codec: RecordCodec,
        table_schema: TableSchema,
        options: TimeseriesOptions | None = None,
        tokenizer: Any = None,
        **kwargs: Any,
    ) -> None:
        chosen = options or TimeseriesOptions()
        config_of_prompt = model_metadata.prompt_config
        self._schema_fragment = schema_prompt(codec.schema.names, "", "{schema}")
        prompt = schema_prompt(codec.schema.names, model_metadata.instruction, config_of_prompt.template)
        prefix = [*prompt_ids(prompt, tokenizer, config_of_prompt), config_of_prompt.bos_token_id]
        super().__init__(
            config,
            model_metadata,
            engine=engine,
            processor=processor,
            prompt_ids=prefix,
            columns=table_schema.names,
            **kwargs,
        )
        self._grouped = True  # a series is a group, whatever the processor reads of it at a time
        self.plan = plan
        self.codec = codec
        self.record_timing = RecordTiming(codec.schema)
        self.all_groups_succeeded = False
        self.snapshots: list[ProgressSnapshot] = []
        self._unsaved: list[ProgressSnapshot] = []
        self._table_schema = table_schema
        self._samples_per_prompt = chosen.samples_per_prompt or (1 if "constrained" in engine.capabilities else 5)
        self._max_prompts_per_batch = min(
            chosen.max_prompts_per_batch, engine.max_num_prompts or chosen.max_prompts_per_batch
        )
        self._prefill_context_size = chosen.prefill_context_size
        self._time_column = plan.clock.column
        self._time_format = plan.clock.format
        self._is_elapsed_time = plan.clock.elapsed
        self._timestamp_interval_seconds = None if plan.interval is None else _whole(plan.interval.seconds)
        names = config.data.group_columns
        self._group_column = names[0] if len(names) == 1 else None
        given = model_metadata.initial_prefill
        self._group_prefills: Mapping[str, str] = {PSEUDO_GROUP: given} if isinstance(given, str) else given or {}
        self._seeds = kwargs.get("seeds") or Seeds(config.seed)
        self._next_group = 0
        self._next_row = 0

    @property
    def max_groups_per_batch(self) -> int:
        """Groups that are asked about at once."""
        return max(1, self._max_prompts_per_batch // self._samples_per_prompt)

    def generate(self, data_actions_fn: DataActionsFn | None = None) -> GenerateJobResults:
        """Write the series: each from its start to its stop, whatever number of records that takes.

        ``generation.num_records`` does not limit the output; ``generation.num_groups`` says how many series,
        by default as many as were learned from. An interrupt or a ``cancel`` ends the job with the series
        that are whole.

        Args:
            data_actions_fn: Applied once to the records of all whole series.

        Returns:
            The rows, series by series and in the order of time; groups that failed are named and have none.

        Raises:
            GenerationError: The backend is not ready. Or the job failed midway: then it is a
                ``GenerationFailure``, whose ``results`` hold the series that were whole.
        """
        params = self._ready_params()
        groups = self._new_groups()
        output = self._output(groups)
        job = self._job(params, groups, output, data_actions_fn)
        return self._made(job.run, lambda: self._series_results(job, output, data_actions_fn))

    def _series_results(
        self, job: SeriesJob, output: SeriesOutput, actions: DataActionsFn | None
    ) -> GenerateJobResults:
        results = results_of(job, output, actions, self._next_row, self.elapsed_time)
        self._next_row += sum(len(group.records) for group in job.groups)
        self.all_groups_succeeded = bool(results.all_groups_succeeded)
        if self.all_groups_succeeded:  # the final result replaces them
            for snapshot in self.snapshots:
                with contextlib.suppress(OSError):
                    snapshot.path.unlink(missing_ok=True)
                    snapshot.saved = False
        return results

    def _output(self, groups: list[SeriesGroup]) -> SeriesOutput:
        apart = len(groups) < 2 or self.config.data.group_columns
        return SeriesOutput(
            model_schema=self.codec.schema,
            table_schema=self._table_schema,
            plan=self.plan,
            group_column=self._group_column if self._group_prefills else None,
            identifier=None if apart else identifier_name(self._table_schema),
            first=groups[0].number if groups else 0,
        )

    def _job(
        self, params: SamplingParams, groups: list[SeriesGroup], output: SeriesOutput, actions: DataActionsFn | None
    ) -> SeriesJob:
        journal, self.journal = self.journal, None
        self.snapshots = self._new_snapshots(groups)
        self._unsaved = list(self.snapshots)
        return SeriesJob(
            completer=self._completer(params, journal is not None),
            groups=groups,
            account=Accounting(
                policy=self._policy() if self._policy is not None else None,
                patience=self.config.generation.patience,
                clock=self._clock,
            ),
            choices=self._seeds.integer(CHOICE_STAGE),
            most_groups=self.max_groups_per_batch,
            patience=self.config.generation.patience,
            threshold=self.config.generation.invalid_fraction_threshold,
            journal=journal,
            stop=self.stop,
            check=self._check_stop,
            batch_finished=self.batch_finished,
            progressed=lambda: self._save_snapshots(groups, output, actions),
        )

    def _completer(self, params: SamplingParams, for_journal: bool) -> SeriesCompleter:
        return SeriesCompleter(
            engine=self.engine,
            processor=self._processor,
            windows=self._windows(),
            params=params,
            samples=self._samples_per_prompt,
            counter=TokenCounter(self.engine.count_tokens),
            stop=self.stop,
            check=self._check_stop,
            for_journal=for_journal,
            complete=self.gen_method,
        )

    def _windows(self) -> Windows:
        vocabulary = self.engine.vocabulary
        return Windows(
            prefix=self._prompt_ids,
            codec=self.codec,
            timing=self.record_timing,
            context=self.model_metadata.max_seq_length,
            most_records=self._prefill_context_size,
            record_tokens=len(vocabulary.fields) if vocabulary is not None and vocabulary.closed else None,
            stops_itself="constrained" in self.engine.capabilities,
        )

    @property
    def _groups(self) -> list[str]:
        """The groups that a ``generate`` writes: those that prefills name, or new ones, which are numbered."""
        names = list(self._group_prefills)
        return [names[index % len(names)] if names else str(index + 1) for index in range(len(self._spans()))]

    @property
    def _start_timestamp_value(self) -> int:
        """Where the first of the groups begins, in ticks."""
        return min(span.start for span in self._spans())

    @property
    def _stop_timestamp_value(self) -> int:
        """Where the last of the groups ends, in ticks."""
        return max(span.stop for span in self._spans())

    def _spans(self) -> tuple[SeriesSpan, ...]:
        """Where the series of a ``generate`` begin and end; the same every time."""
        count = self.config.generation.num_groups or len(self._group_prefills) or None
        return tuple(draw_spans(self.plan, self.config, self._seeds, count))

    def _new_groups(self) -> list[SeriesGroup]:
        """The series to write."""
        spans = self._spans()
        first, self._next_group = self._next_group, self._next_group + len(spans)
        return [
            self._new_group(first + index, name, span)
            for index, (name, span) in enumerate(zip(self._groups, spans, strict=True))
        ]

    def _new_group(self, number: int, name: str, span: SeriesSpan) -> SeriesGroup:
        text = self._group_prefills.get(name, "")
        prefill = self._read_prefill(text)
        state = GroupState(
            group_id=name,
            initial_prefill=text,
            current_prefill=text,
            recent_records=[each.values for each in prefill],
            expected_records=span.length,
        )
        # Of regular series the range says how many records there are; of others, only a stop that the user asks for.
        counted = span.interval is None and self.config.time_series.stop_timestamp is None
        return SeriesGroup(number=number, state=state, span=span, counted=counted, prefill=prefill)

    def _read_prefill(self, text: str) -> tuple[Written, ...]:
        found: list[Written] = []
        for record in self._processor(0, text).valid_records if text.strip() else []:
            levels, running = self.record_timing.moved(record, found[-1].running if found else {})
            found.append(self.codec.written(record, levels, 0, running))
        return tuple(found)

    def _new_snapshots(self, groups: list[SeriesGroup]) -> list[ProgressSnapshot]:
        """Partial results at a quarter, a half and three quarters of the records, beside the model's folder."""
        if not hasattr(self, "workdir"):
            return []
        total = sum(group.span.length for group in groups)
        thresholds = {percent: -(-total * percent // 100) for percent in SNAPSHOTS}
        return [
            ProgressSnapshot(
                label=str(percent),
                threshold=threshold,
                path=Path(self.workdir.path(f"generated_partial_{percent}pct_records.csv")),
            )
            for percent, threshold in thresholds.items()
            # Of few records, several milestones are one; the last of them says how far it is.
            if threshold not in [thresholds[later] for later in SNAPSHOTS if later > percent]
        ]

    def _save_snapshots(self, groups: list[SeriesGroup], output: SeriesOutput, actions: DataActionsFn | None) -> None:
        so_far = sum(len(group.records) for group in groups if not group.state.failed)
        due = [each for each in self._unsaved if so_far >= each.threshold]
        if not due or all(group.finished for group in groups):  # when the result itself comes next
            return
        self._unsaved = self._unsaved[len(due) :]
        for snapshot in due:
            try:
                output.save(snapshot.path, [group for group in groups if not group.state.failed], actions)
            except OSError:
                _logger.warning("%s cannot be written", snapshot.path, exc_info=True)
            else:
                snapshot.saved = True


def _whole(seconds: float) -> float | int:
    return int(seconds) if seconds == int(seconds) else seconds
