"""Processor of plain tables: every line of a completion that is not blank is one record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith.errors import PluginContractError
from rowsmith.generation.processors import ParsedResponse, Processor
from rowsmith_plugins.processors.lines import RecordDecoder, add_line, read_lines

if TYPE_CHECKING:
    from rowsmith.context import BuildContext
    from rowsmith.generation.batches.columns import ColumnReader
    from rowsmith.vocabulary import Vocabulary

__all__ = ["RecordDecoder", "TabularProcessor", "build"]


class TabularProcessor(Processor):
    """Processor that reads each line of a completion as a valid or an invalid record.

    Args:
        dialect: Reads and validates one record.
    """

    def __init__(self, dialect: RecordDecoder) -> None:
        self._dialect = dialect

    def __call__(self, prompt_number: int, text: str) -> ParsedResponse:
        """See the base class."""
        response = ParsedResponse([], [], [], prompt_number, valid_spans=[], invalid_spans=[])
        for line in read_lines(text, self._dialect):
            add_line(response, line, line.error)
        return response

    def column_reader(self, vocabulary: Vocabulary) -> ColumnReader | None:
        """See the base class; there is one if the columns equal those of the vocabulary and records have no groups."""
        from rowsmith.dialect import RecordDialect
        from rowsmith.generation.batches.columns import ColumnReader

        dialect = self._dialect
        # A subclass may override how text is read.
        if type(self) is not TabularProcessor or not isinstance(dialect, RecordDialect):
            return None
        alone = vocabulary.schema.step is None
        return ColumnReader(vocabulary, dialect) if alone and dialect.schema == vocabulary.schema else None


def build(context: BuildContext, options: None) -> TabularProcessor:
    """Build the processor for the model's columns.

    Args:
        context: Gives the model's columns.
        options: None; there are none.

    Raises:
        PluginContractError: The columns are unknown.
    """
    from rowsmith.dialect import RecordDialect

    if context.model_schema is None:
        raise PluginContractError(
            "the tabular processor needs the model's columns; build it after the transforms are fitted"
        )
    return TabularProcessor(RecordDialect(context.model_schema))
