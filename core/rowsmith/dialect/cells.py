"""Reading one cell of a record by itself, with the same result as reading the whole record."""

from __future__ import annotations

from rowsmith.dialect.records import speller
from rowsmith.dialect.text import json_string
from rowsmith.dialect.validation import compile_validator
from rowsmith.table.schema import ModelColumn, ModelSchema

__all__ = ["CellReader"]


class CellReader:
    """Reads the cells of one column.

    A record whose cells are all valid is valid, and its values are those of its cells. The reverse
    need not hold: a valid record may be split into cells differently.

    Args:
        column: The column.
    """

    def __init__(self, column: ModelColumn) -> None:
        self._start = "{" + json_string(column.name) + ":"
        self._name = column.name
        self._validate = compile_validator(ModelSchema(columns=(column,)))
        self._spell = speller(column)

    def read(self, text: str) -> str | None:
        """The spelled value of a cell.

        Args:
            text: The JSON text of the value.

        Returns:
            The value as the spelled table writes it; None for null.

        Raises:
            RecordError: It is not one value of this column on one line.
        """
        # A line feed is whitespace in JSON, but ends the record in a completion.
        value = self._validate(self._start + text.replace("\n", "\x00") + "}")[self._name]
        return None if value is None else self._spell(value)
