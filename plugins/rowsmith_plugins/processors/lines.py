"""Reading of records from lines of text, shared by all bundled processors.

A record runs from the first brace of its line to the last; text around it is ignored, but
a line without a complete record is an invalid record, so all output of a model is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Protocol

from attrs import frozen

from rowsmith.errors import RecordError
from rowsmith.generation.processors import TRUNCATED, ParsedResponse, Span

__all__ = ["Line", "RecordDecoder", "add_line", "read_lines"]

_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_TRUNCATED = ("The completion ended before the record did", TRUNCATED)
_NOT_UNICODE = ("The record holds text that is not valid Unicode", "Invalid text")


class RecordDecoder(Protocol):
    """Protocol of decoders of one record, such as a record dialect."""

    def decode(self, line: str) -> dict[str, Any]:
        """Read and validate one record.

        Args:
            line: The record, without a line end.

        Raises:
            RecordError: It is not a record of the table.
        """
        ...


@frozen
class Line:
    """A line of a completion that is not blank.

    Attributes:
        text: The record, or the invalid text.
        span: Its span in the completion, including the line end.
        values: The values of a valid record; None for an invalid one.
        error: Why a record is invalid.
    """

    text: str
    span: Span
    values: dict[str, Any] | None
    error: tuple[str, str] | None = None


def read_lines(text: str, dialect: RecordDecoder, start: int = 0, end: int | None = None) -> Iterator[Line]:
    """Read the lines of a completion, or of a part of it.

    Args:
        text: The completion.
        dialect: Reads and validates one record.
        start: Where the part begins.
        end: Where it ends; None for the end of the completion.
    """
    for match in _LINE.finditer(text[start:end]):
        line = match.group()
        if line.strip():
            yield _read(line, start + match.start(), dialect, last=start + match.end() == len(text))


def add_line(response: ParsedResponse, line: Line, error: tuple[str, str] | None) -> None:
    """Add a record to a response.

    Args:
        response: The response.
        line: The record.
        error: Why it is invalid; None for a valid one.
    """
    if error is None and line.values is not None:
        response.valid_records.append(line.values)
        spans = response.valid_spans
    else:
        # Invalid text must be writable to a file.
        response.invalid_records.append(line.text.encode("utf-8", "backslashreplace").decode("utf-8"))
        response.errors.append(error or line.error or _TRUNCATED)
        spans = response.invalid_spans
    if spans is not None:
        spans.append(line.span)


def _read(line: str, start: int, dialect: RecordDecoder, *, last: bool) -> Line:
    left, right = _record_range(line)
    record = line[left:right]
    # Text after the record is not part of it; the line end is.
    span = (start + left, start + (len(line) if line[right:].strip() == "" else right))
    try:
        return Line(record, span, dialect.decode(_checked(record)))
    except RecordError as error:
        cut_off = last and _is_truncated(line)
        return Line(record, span, None, _TRUNCATED if cut_off else (error.detailed, error.summary))


def _record_range(line: str) -> tuple[int, int]:
    """The range of the record in its line: between its outer braces, or the whole line."""
    left, right = line.find("{"), line.rfind("}") + 1
    whole = 0 <= left < right and "}" not in line[:left] and "{" not in line[right:]
    return (left, right) if whole else (0, len(line.rstrip("\n")))


def _checked(record: str) -> str:
    try:
        record.encode("utf-8")
    except UnicodeEncodeError:
        raise RecordError(*_NOT_UNICODE) from None
    return record


def _is_truncated(line: str) -> bool:
    # Only the last line of a completion has no line end; a record that starts there is cut off.
    return not line.endswith("\n") and "{" in line and not line.rstrip().endswith("}")
