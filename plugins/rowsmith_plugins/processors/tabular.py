"""Reads plain tables: every line of a completion that holds text is one record.

A record runs from the first brace of its line to the last; text around it belongs to no record, but
a line without a whole record is an invalid one, so that nothing a model writes goes uncounted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from rowsmith.errors import PluginContractError, RecordError
from rowsmith.generation.processors import TRUNCATED, ParsedResponse, Processor

if TYPE_CHECKING:
    from rowsmith.context import BuildContext
    from rowsmith.generation.columns import ColumnReader
    from rowsmith.vocabulary import Vocabulary

__all__ = ["RecordDecoder", "TabularProcessor", "build"]

_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_CUT_OFF = ("The completion ended before the record did", TRUNCATED)
_NOT_UNICODE = ("The record holds text that is not valid Unicode", "Invalid text")


class RecordDecoder(Protocol):
    """What turns the text of one record into its values, such as a record dialect."""

    def decode(self, line: str) -> dict[str, Any]:
        """Read and validate one record.

        Args:
            line: The record, without a line end.

        Raises:
            RecordError: It is not a record of the table.
        """
        ...


class TabularProcessor(Processor):
    """Turns each line of a completion into a valid or an invalid record.

    Args:
        dialect: Reads and validates one record.
    """

    def __init__(self, dialect: RecordDecoder) -> None:
        self._dialect = dialect

    def __call__(self, prompt_number: int, text: str) -> ParsedResponse:
        """See the base class."""
        response = ParsedResponse([], [], [], prompt_number, valid_spans=[], invalid_spans=[])
        for start, end in _lines(text):
            self._read(text, start, end, response)
        return response

    def column_reader(self, vocabulary: Vocabulary) -> ColumnReader | None:
        """See the base class; there is one when the columns are the vocabulary's."""
        from rowsmith.dialect import RecordDialect
        from rowsmith.generation.columns import ColumnReader

        dialect = self._dialect
        # A subclass may read text in its own way.
        if type(self) is not TabularProcessor or not isinstance(dialect, RecordDialect):
            return None
        return ColumnReader(vocabulary, dialect) if dialect.schema == vocabulary.schema else None

    def _read(self, text: str, start: int, end: int, response: ParsedResponse) -> None:
        line = text[start:end]
        left, right = _record_range(line)
        record = line[left:right]
        # What follows the record up to the line end is not part of it; the line end itself is.
        span = (start + left, end if line[right:].strip() == "" else start + right)
        try:
            values = self._dialect.decode(_checked(record))
        except RecordError as error:
            response.invalid_records.append(record.encode("utf-8", "backslashreplace").decode("utf-8"))
            response.errors.append(_CUT_OFF if _is_cut_off(line) else (error.detailed, error.summary))
            spans = response.invalid_spans
        else:
            response.valid_records.append(values)
            spans = response.valid_spans
        if spans is not None:
            spans.append(span)


def build(context: BuildContext, options: None) -> TabularProcessor:
    """Build the processor for the columns that the model speaks.

    Args:
        context: Gives the model's columns.
        options: None; there are none.

    Raises:
        PluginContractError: The columns are not known yet.
    """
    from rowsmith.dialect import RecordDialect

    if context.model_schema is None:
        raise PluginContractError(
            "the tabular processor needs the model's columns; build it after the transforms are fitted"
        )
    return TabularProcessor(RecordDialect(context.model_schema))


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Where the lines that hold text stand, line ends included."""
    for match in _LINE.finditer(text):
        if match.group().strip():
            yield match.span()


def _record_range(line: str) -> tuple[int, int]:
    """Where the record stands in its line: between its outer braces, or the whole of the line."""
    left, right = line.find("{"), line.rfind("}") + 1
    whole = 0 <= left < right and "}" not in line[:left] and "{" not in line[right:]
    return (left, right) if whole else (0, len(line.rstrip("\n")))


def _checked(record: str) -> str:
    try:
        record.encode("utf-8")
    except UnicodeEncodeError:
        raise RecordError(*_NOT_UNICODE) from None
    return record


def _is_cut_off(line: str) -> bool:
    # Only the last line of a completion has no line end; a record that was begun there is cut off.
    return not line.endswith("\n") and "{" in line and not line.rstrip().endswith("}")
