"""What turns the text of a completion into records."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from rowsmith.generation.batches.columns import ColumnReader
    from rowsmith.generation.requests import Completion
    from rowsmith.vocabulary import Vocabulary

__all__ = ["TRUNCATED", "ParsedResponse", "Processor", "read_completion"]

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
        valid_spans: Range of each valid record in the text, line end included; None if unknown.
        invalid_spans: The same for invalid records.
        group_sizes: Records of each valid group, in order; together they are the valid records. None when
            the processor reports no groups.
        num_invalid_groups: Groups that failed; records of theirs are not among the valid ones.
    """

    valid_records: list[dict[str, Any]]
    invalid_records: list[str]
    errors: list[tuple[str, str]]
    prompt_number: int | None = None
    valid_spans: list[Span] | None = field(default=None, kw_only=True)
    invalid_spans: list[Span] | None = field(default=None, kw_only=True)
    group_sizes: list[int] | None = field(default=None, kw_only=True)
    num_invalid_groups: int = field(default=0, kw_only=True)


class Processor(abc.ABC):
    """Turns the text of a completion into valid and invalid records.

    Attributes:
        grouped: Whether records belong together in groups. Then jobs count groups, never split them, and
            take a completion for one group where a response reports none.
    """

    grouped: bool = False

    @abc.abstractmethod
    def __call__(self, prompt_number: int, text: str) -> ParsedResponse:
        """Parse and validate one completion.

        Args:
            prompt_number: The prompt that was completed.
            text: The completion.

        Returns:
            Every record of the text, as valid or as invalid, never as both.
        """

    def read_completion(self, prompt_number: int, completion: Completion) -> ParsedResponse:
        """Parse and validate one completion of which more than the text is known.

        Jobs call this method. By default it passes the text on; override it to judge how the completion ended.

        Args:
            prompt_number: The prompt that was completed.
            completion: Its text, and what is known of its tokens and of its end.
        """
        return self(prompt_number, completion.text)

    def column_reader(self, vocabulary: Vocabulary) -> ColumnReader | None:
        """A reader that may replace this processor where an engine gives token ids.

        It must give the records that the processor would, for every completion that it reads, and the same groups.

        Args:
            vocabulary: What the ids mean.

        Returns:
            The reader; None, as here, for a processor that wants the text of every completion.
        """
        return None


def read_completion(processor: Processor, prompt_number: int, completion: Completion) -> ParsedResponse:
    """What a processor makes of a completion; one that does not inherit from ``Processor`` is given the text alone."""
    read = getattr(processor, "read_completion", None)
    response: ParsedResponse = (
        processor(prompt_number, completion.text) if read is None else read(prompt_number, completion)
    )
    return response
