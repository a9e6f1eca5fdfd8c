"""Check that the records of a completion continue the series that it was made for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, evolve, field, frozen

from rowsmith.generation.batches.records import record_text
from rowsmith.generation.processors import TRUNCATED, ParsedResponse
from rowsmith_backends.timeseries.codec import RecordCodec, Written
from rowsmith_backends.timeseries.group import SeriesGroup
from rowsmith_backends.timeseries.record_times import RecordTiming

__all__ = ["Continuation", "check_continuation"]


@frozen(kw_only=True)
class Continuation:
    """The records with which one completion continues its series.

    Attributes:
        records: The records that continue the series, in order.
        reached: Whether the series has reached its stop with them.
        ended: Whether the model has ended the series before that.
        valid: Records of the completion that were accepted.
        invalid: Records of the completion that were refused.
    """

    records: tuple[Written, ...] = ()
    reached: bool = False
    ended: bool = False
    valid: int = 0
    invalid: int = 0


def check_continuation(
    group: SeriesGroup, response: ParsedResponse, codec: RecordCodec, timing: RecordTiming
) -> tuple[Continuation, ParsedResponse]:
    """Accept the records that continue a series, and refuse the others.

    Args:
        group: The series.
        response: What a processor read.
        codec: Writes records.
        timing: Their timing columns.

    Returns:
        What it is worth, and the response as it counts: records out of order are invalid, those after the stop
        are neither, nor is a last one that was cut off after whole ones.
    """
    check = _Check(group=group, codec=codec, timing=timing)
    spans = _spans(response.valid_spans, len(response.valid_records))
    broken = min((span[0] for span in response.invalid_spans or ()), default=None)
    counted = ParsedResponse([], [], [], response.prompt_number)
    counted.valid_spans, counted.invalid_spans = ([], []) if response.valid_spans is not None else (None, None)
    for record, span in zip(response.valid_records, spans, strict=True):
        late = broken is not None and span is not None and span[0] > broken
        error = check.look_at(record, late)
        if check.reached and error is None and not check.took:
            continue
        _count(counted, record, span, error)
    _keep_invalid(counted, response, bool(check.records))
    continuation = Continuation(
        records=tuple(check.records),
        reached=check.reached,
        valid=len(counted.valid_records),
        invalid=len(counted.invalid_records),
    )
    return continuation, counted


@define(kw_only=True, eq=False)
class _Check:
    """Reads the records of one completion in order."""

    group: SeriesGroup
    codec: RecordCodec
    timing: RecordTiming
    records: list[Written] = field(factory=list)
    reached: bool = False
    failed: bool = False
    took: bool = False

    def look_at(self, record: dict[str, Any], late: bool) -> tuple[str, str] | None:
        """Take a record over; why it cannot be, or None."""
        self.took = False
        if self.reached:
            return None
        if self.failed or late:
            self.failed = True
            return "Invalid due to previous record error", "TimeSeries"
        time, step, error = self._place(record)
        if error is not None:
            self.failed = True
            return error, "TimeSeries"
        if self.group.ends_before(time):
            self.reached = True
            return None
        labels = self.timing.labels(time, step)
        if self.group.span.interval is None:
            labels[self.timing.step.name] = record[self.timing.step.name]
        before = next((part[-1] for part in (self.records, self.group.records, self.group.prefill) if part), None)
        levels, running = self.timing.moved(record, {} if before is None else before.running)
        written = self.codec.written(record, {**labels, **levels}, time, running)
        to_clear = (self.timing.step.name, *self.timing.changes())
        self.records.append(written if self._count else _first(written, self.group.prefill, to_clear))
        self.took = True
        self.reached = self.group.ends_after(self._count)
        return None

    @property
    def _count(self) -> int:
        return len(self.group.records) + len(self.records)

    def _place(self, record: dict[str, Any]) -> tuple[int, int | None, str | None]:
        """The time and the step of the next record, and what is wrong with it."""
        name, label = self.timing.step.name, record[self.timing.step.name]
        if not self._count:
            start, step = self.group.span.start, self.group.first_step
            expected = self.timing.labels(start, step)[name]
            free = bool(self.group.prefill) and step is None
            return start, step, None if free or label == expected else f"'{name}' must be {expected!r}"
        last = (self.records or self.group.records)[-1].time
        due = self.group.due(self._count)
        if due is not None:
            step = due - last
            expected = self.timing.labels(due, step)[name]
            return due, step, None if label == expected else f"'{name}' must be {expected!r}, with no gaps"
        found = None if label is None else self.timing.later(self.group.span.start, last, str(label))
        if found is None:
            return last, None, f"'{name}' must say how far the record is from the one before"
        return found, found - last, None


def _spans(known: Sequence[tuple[int, int]] | None, count: int) -> Sequence[tuple[int, int] | None]:
    return [None] * count if known is None else known


def _first(written: Written, prefill: Sequence[Written], to_clear: Sequence[str]) -> Written:
    """The first record of a series as it is returned, when others were read before it.

    What is constant and written in the first record that was read belongs to the series.
    """
    if not prefill:
        return written
    constant = {
        name: value
        for name, value in prefill[0].spelled.items()
        if written.spelled[name] is None and all(each.spelled[name] is None for each in prefill[1:])
    }
    return evolve(written, spelled={**written.spelled, **constant, **dict.fromkeys(to_clear)})


def _count(
    counted: ParsedResponse, record: dict[str, Any], span: tuple[int, int] | None, error: tuple[str, str] | None
) -> None:
    if error is None:
        counted.valid_records.append(record)
    else:
        counted.invalid_records.append(record_text(record))
        counted.errors.append(error)
    spans = counted.valid_spans if error is None else counted.invalid_spans
    if spans is not None and span is not None:
        spans.append(span)


def _keep_invalid(counted: ParsedResponse, response: ParsedResponse, going: bool) -> None:
    """Count what the processor refused, but for a last record that the limit of tokens cut off."""
    spans = _spans(response.invalid_spans, len(response.invalid_records))
    for text, error, span in zip(response.invalid_records, response.errors, spans, strict=True):
        if going and error[1] == TRUNCATED:
            continue
        counted.invalid_records.append(text)
        counted.errors.append(error)
        if counted.invalid_spans is not None and span is not None:
            counted.invalid_spans.append(span)
