"""A processor that rejects records that were generated before."""

from rowsmith import RecordError
from rowsmith.context import BuildContext
from rowsmith.dialect import RecordDialect, split_lines
from rowsmith.generation import ParsedResponse, Processor

ECHO = "Echo of an earlier record"


class NoEchoProcessor(Processor):
    """Reads one record a line and keeps the first of each.

    Args:
        dialect: Reads and checks one record.
    """

    def __init__(self, dialect: RecordDialect) -> None:
        self._dialect = dialect
        self._seen: set[str] = set()

    def __call__(self, prompt_number: int, text: str) -> ParsedResponse:
        """Read a completion; every line is one valid or one invalid record."""
        response = ParsedResponse([], [], [], prompt_number)
        for line in filter(str.strip, split_lines(text)):
            try:
                record = self._dialect.decode(line)
                if line in self._seen:
                    raise RecordError(ECHO, ECHO)
            except RecordError as error:
                response.invalid_records.append(line)
                response.errors.append((error.detailed, error.summary))
            else:
                self._seen.add(line)
                response.valid_records.append(record)
        return response


def build(context: BuildContext, options: None) -> NoEchoProcessor:
    """Build the component for the columns that the model speaks."""
    if context.model_schema is None:
        raise ValueError("a processor is built after the transforms are fitted")
    return NoEchoProcessor(RecordDialect(context.model_schema))
