"""What turns the text of a completion into records."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from rowsmith.generation.columns import ColumnReader
    from rowsmith.vocabulary import Vocabulary

__all__ = ["TRUNCATED", "ParsedResponse", "Processor"]

TRUNCATED = "Truncated record"
"""Category of a record that the completion ends in the middle of."""

Span = tuple[int, int]


@define
class ParsedResponse:
    """What a processor made of one completion.

    Attributes:
        valid_records: Records that passed, in the order of the text.
        invalid_records: Text of the records that failed.
        errors: One ``(detailed, summary)`` for each invalid record; a detailed message may quote cell
            text, a summary never does.
        prompt_number: The prompt that was completed.
        valid_spans: Where each valid record stands in the text, line end included; None when unknown.
        invalid_spans: The same for invalid records.
    """

    valid_records: list[dict[str, Any]]
    invalid_records: list[str]
    errors: list[tuple[str, str]]
    prompt_number: int | None = None
    valid_spans: list[Span] | None = field(default=None, kw_only=True)
    invalid_spans: list[Span] | None = field(default=None, kw_only=True)


class Processor(abc.ABC):
    """Turns the text of a completion into valid and invalid records."""

    @abc.abstractmethod
    def __call__(self, prompt_number: int, text: str) -> ParsedResponse:
        """Parse and validate one completion.

        Args:
            prompt_number: The prompt that was completed.
            text: The completion.

        Returns:
            Every record of the text, as valid or as invalid, never as both.
        """

    def column_reader(self, vocabulary: Vocabulary) -> ColumnReader | None:
        """A reader that may take the place of this processor where an engine gives token ids.

        It must give the records that the processor would, for every completion that it reads.

        Args:
            vocabulary: What the ids mean.

        Returns:
            The reader; None, as here, for a processor that wants the text of every completion.
        """
        return None
