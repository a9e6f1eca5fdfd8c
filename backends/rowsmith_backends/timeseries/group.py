"""One series that is being written: its records so far, and its next prompt."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from attrs import define, field, frozen

from rowsmith.generation.batches.batch import Batch
from rowsmith.generation.requests import CompletionBlock, CompletionRequest
from rowsmith.sequences import TICKS, SeriesSpan
from rowsmith_backends.timeseries.codec import Ids, RecordCodec, Written
from rowsmith_backends.timeseries.record_times import RecordTiming
from rowsmith_backends.timeseries.state import GroupState

__all__ = ["SeriesGroup", "Windows"]

_PROMPT_BITS, _SAMPLE_BITS = 32, 8

# Beyond this, a series whose steps are learned is taken for one that will never reach its stop.
_MOST_TIMES_EXPECTED, _MOST_BEYOND = 4, 100


@define(kw_only=True, eq=False)
class SeriesGroup:
    """A series in progress.

    Attributes:
        number: Keys its draws; unique while a backend lives.
        state: Its progress, for observers.
        span: Where it begins and ends.
        counted: Whether its number of records is planned, and not its stop.
        prefill: Records before the first one, that are read and not written.
        records: Its records so far.
        num_prompts: Prompts so far.
        reason: Why it failed; empty when it has not.
        batch: Its newest completions; None between batches.
        fractions: Share of valid records of each batch before.
        completions: Its completions, for the journal.
        early_ends: How often in a row the model has ended it too early.
    """

    number: int
    state: GroupState
    span: SeriesSpan
    counted: bool = False
    prefill: tuple[Written, ...] = ()
    records: list[Written] = field(factory=list)
    num_prompts: int = 0
    reason: str = ""
    batch: Batch | None = None
    fractions: list[float] = field(factory=list)
    completions: list[CompletionBlock] = field(factory=list)
    early_ends: int = 0

    @property
    def finished(self) -> bool:
        """Whether it has reached its stop, or was given up."""
        return self.state.completed or self.state.failed

    def due(self, count: int) -> int | None:
        """The time of the record after ``count`` ones, in ticks; None where the model says when it comes."""
        if count and self.span.interval is None:
            return None
        return self.span.start if self.span.interval is None else self.span.interval.after(self.span.start, count)

    def ends_before(self, time: int) -> bool:
        """Whether a record at some time lies beyond the stop."""
        return not self.counted and time > self.span.stop

    def ends_after(self, count: int) -> bool:
        """Whether it is whole with ``count`` records."""
        if self.counted:
            return count >= self.span.length
        following = self.due(count)
        return following is not None and self.ends_before(following)

    @property
    def longest(self) -> int:
        """Tokens of its longest record; 0 when there is none."""
        return max((len(each.ids) for each in chain(self.prefill, self.records)), default=0)

    @staticmethod
    def number_of(request_id: int) -> int:
        """The number of the series that a completion belongs to."""
        return request_id >> (_PROMPT_BITS + _SAMPLE_BITS)

    def request_id(self, sample: int) -> int:
        """Names one completion of the present prompt."""
        return (self.number << (_PROMPT_BITS + _SAMPLE_BITS)) | (self.num_prompts << _SAMPLE_BITS) | sample

    @property
    def first_step(self) -> int | None:
        """The step that the first record is written with, in ticks: none, unless others are read before it."""
        if not self.prefill or self.span.interval is None:
            return None
        return self.span.interval.after(self.span.start, 1) - self.span.start

    def reset(self) -> None:
        """Discard what was written."""
        state = self.state
        self.records, self.completions, self.num_prompts, self.reason, self.early_ends = [], [], 0, "", 0
        self.batch, self.fractions = None, []
        self.state = GroupState(
            group_id=state.group_id,
            initial_prefill=state.initial_prefill,
            current_prefill=state.initial_prefill,
            recent_records=[each.values for each in self.prefill],
            expected_records=state.expected_records,
        )

    @property
    def runaway(self) -> bool:
        """Whether it has so many records that it will never reach its stop."""
        return len(self.records) > _MOST_TIMES_EXPECTED * self.span.length + _MOST_BEYOND

    def extend(self, records: Sequence[Written], windows: Windows) -> None:
        """Append records.

        Args:
            records: They follow the records so far.
            windows: Selects those that the next prompt holds.
        """
        self.records.extend(records)
        recent = windows.recent(self)
        self.state.recent_records = [each.values for each in recent]
        self.state.current_prefill = "".join(each.line for each in recent)
        self.state.total_valid_records = len(self.records)
        self.state.last_timestamp_seconds = _seconds(self.records[-1].time) if self.records else None


def _seconds(time: int) -> float | int:
    return time / TICKS if time % TICKS else time // TICKS


@frozen(kw_only=True, eq=False)
class Windows:
    """Makes prompts: what precedes a series in training, and the newest records that fit.

    Attributes:
        prefix: Ids that every prompt begins with.
        codec: Writes records.
        timing: Their timing columns.
        context: The most tokens of a prompt and its completion.
        most_records: The most records of a window; None for as many as fit.
        record_tokens: Tokens of every record; None when they differ.
        stops_itself: Whether the engine ends a completion after one record.
    """

    prefix: Ids
    codec: RecordCodec
    timing: RecordTiming
    context: int
    most_records: int | None = None
    record_tokens: int | None = None
    stops_itself: bool = False

    def forced(self, group: SeriesGroup) -> Ids:
        """The ids that the next record begins with, as far as its time is known."""
        count = len(group.records)
        due = group.due(count)
        if due is None:
            return ()
        step = due - group.records[-1].time if count else group.first_step
        if step is None and group.prefill:
            return ()
        return self.codec.forced(self.timing.labels(due, step), self.timing.leading)

    def requests(self, group: SeriesGroup, samples: int) -> list[CompletionRequest]:
        """What to ask for the series: some completions of one prompt."""
        reserve = self._reserve(group)
        prompt = (*self.prefix, *(token for each in self.recent(group) for token in each.ids))
        room = self.context - len(prompt)
        limit = room if self.stops_itself else min(reserve, room)
        forced = self.forced(group)
        return [
            CompletionRequest(group.request_id(sample), prompt, limit, forced, max_records=1)
            for sample in range(samples)
        ]

    def _reserve(self, group: SeriesGroup) -> int:
        """Tokens that are reserved for the next record and what ends it."""
        if self.record_tokens is not None:
            return self.record_tokens + 1
        room = self.context - len(self.prefix)
        return min(room, 2 * group.longest + 16) if group.longest else room

    def recent(self, group: SeriesGroup) -> list[Written]:
        """The newest records of a series, as many as the next prompt holds."""
        room = self.context - len(self.prefix) - self._reserve(group)
        recent: list[Written] = []
        for each in chain(reversed(group.records), reversed(group.prefill)):
            room -= len(each.ids)
            if room < 0 or len(recent) == self.most_records:
                break
            recent.append(each)
        return recent[::-1]
