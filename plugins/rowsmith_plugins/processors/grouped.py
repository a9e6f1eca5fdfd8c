"""Processor of grouped tables: one record per line; a group is accepted or rejected as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from rowsmith.errors import DataError, PluginContractError
from rowsmith.generation.processors import ParsedResponse, Processor
from rowsmith.generation.requests import Completion, FinishReason
from rowsmith_plugins.processors.delineation import Delineator, Part
from rowsmith_plugins.processors.lines import Line, RecordDecoder, add_line, read_lines
from rowsmith_plugins.processors.options import GroupedOptions

if TYPE_CHECKING:
    from rowsmith.context import BuildContext
    from rowsmith.generation.batches.columns import ColumnReader
    from rowsmith.table.schema import ModelColumn, TableSchema
    from rowsmith.vocabulary import Vocabulary

__all__ = ["GroupColumns", "GroupedProcessor", "build"]

_SUMMARY = "groupby"
_NO_MARKS = ("Group BOS and/or EOS tokens missing", _SUMMARY)
_OTHERS_FAILED = ("Invalid JSON in other groupby records", _SUMMARY)
_NOT_UNIQUE = ("Groupby value is not unique", _SUMMARY)
_NOT_ORDERED = ("Group not ordered", _SUMMARY)
_NOT_STEPPED = ("The first record of the group, and no other, must be without a step", _SUMMARY)

Error = tuple[str, str]
Values = dict[str, Any]
Keys = Callable[[Sequence[Any]], Sequence[Any]]


@frozen(kw_only=True)
class GroupColumns:
    """Columns that define groups and their order.

    Attributes:
        group: Columns that are equal in all records of a group.
        order: The column that orders the records of a group; None for no order.
        order_keys: Makes sort keys of its values, none of which is null; raises DataError if it cannot.
        step: The column that is null in the first record of a group, and in no other; None for no such column.
    """

    group: tuple[str, ...] = ()
    order: str | None = None
    order_keys: Keys = list
    step: str | None = None


class GroupedProcessor(Processor):
    """Processor that reads completions as groups of valid records.

    A group is rejected if one of its records is invalid, if it is not delimited by BOS and EOS, if its
    records differ in a group column, if they are out of order, or if a step is missing or extra.

    Args:
        dialect: Reads and validates one record.
        columns: The columns that define groups.
        delineator: Finds where groups begin and end.
        options: What is accepted or corrected.
    """

    grouped = True

    def __init__(
        self,
        dialect: RecordDecoder,
        columns: GroupColumns | None = None,
        delineator: Delineator | None = None,
        options: GroupedOptions | None = None,
    ) -> None:
        self._dialect = dialect
        self._columns = columns or GroupColumns()
        self._delineator = delineator or Delineator()
        self._options = options or GroupedOptions()

    def __call__(self, prompt_number: int, text: str) -> ParsedResponse:
        """See the base class; the end reason of the completion is unknown, so its last group needs an EOS."""
        return self._read(prompt_number, text, ended=False)

    def read_completion(self, prompt_number: int, completion: Completion) -> ParsedResponse:
        """See the base class."""
        return self._read(prompt_number, completion.text, completion.finish_reason == FinishReason.STOP)

    def column_reader(self, vocabulary: Vocabulary) -> ColumnReader | None:
        """See the base class; there is one if the columns equal those of the vocabulary and have a step."""
        from rowsmith.dialect import RecordDialect
        from rowsmith.generation.batches.columns import ColumnReader

        dialect, step = self._dialect, vocabulary.schema.step
        # A subclass may override how text is read.
        if type(self) is not GroupedProcessor or not isinstance(dialect, RecordDialect) or step is None:
            return None
        plain = self._columns == GroupColumns(step=step.name)
        return ColumnReader(vocabulary, dialect) if plain and dialect.schema == vocabulary.schema else None

    def _read(self, prompt_number: int, text: str, ended: bool) -> ParsedResponse:
        response = ParsedResponse(
            [], [], [], prompt_number, valid_spans=[], invalid_spans=[], group_sizes=[], num_invalid_groups=0
        )
        parts = list(self._delineator.parts(text, ended))
        groups = [(part.delimited, self._lines(text, part)) for part in parts]
        if self._options.group_by_accept_no_delineator and not any(delimited for delimited, _ in groups):
            groups = [(True, [line for _, lines in groups for line in lines])] if groups else []
        for delimited, lines in groups:
            _add_group(response, lines, *self._validated(lines, delimited))
        return response

    def _lines(self, text: str, part: Part) -> list[Line]:
        return list(read_lines(text, self._dialect, part.start, part.end))

    def _validated(self, lines: Sequence[Line], delimited: bool) -> tuple[list[Line], Error | None]:
        """Validate a group: its corrected records, and the error if it is rejected."""
        valid = [line for line in lines if line.values is not None]
        if not delimited:
            return valid, _NO_MARKS
        if len(valid) < len(lines) and not self._options.group_by_ignore_invalid_records:
            return valid, _OTHERS_FAILED
        for check in (self._stepped, self._unique, self._ordered):
            valid, error = check(valid)
            if error is not None:
                return valid, error
        return valid, None

    def _stepped(self, lines: list[Line]) -> tuple[list[Line], Error | None]:
        step = self._columns.step
        right = step is None or all((_of(line)[step] is None) == (index == 0) for index, line in enumerate(lines))
        return lines, None if right else _NOT_STEPPED

    def _unique(self, lines: list[Line]) -> tuple[list[Line], Error | None]:
        names = self._columns.group
        found = [{name: _of(line)[name] for name in names} for line in lines]
        if not found or all(each == found[0] for each in found):
            return lines, None
        if not self._options.group_by_fix_non_unique_value:
            return lines, _NOT_UNIQUE
        return [evolve(line, values={**_of(line), **found[0]}) for line in lines], None

    def _ordered(self, lines: list[Line]) -> tuple[list[Line], Error | None]:
        name = self._columns.order
        if name is None:
            return lines, None
        values = [_of(line)[name] for line in lines]
        try:
            known = iter(self._columns.order_keys([value for value in values if value is not None]))
        except DataError:
            return lines, _NOT_ORDERED
        # As in training, records without a value are last in their group.
        keys = [(value is None, 0 if value is None else next(known)) for value in values]
        if all(before <= after for before, after in pairwise(keys)):
            return lines, None
        if not self._options.group_by_fix_unordered_records:
            return lines, _NOT_ORDERED
        return [lines[index] for index in sorted(range(len(lines)), key=keys.__getitem__)], None


def build(context: BuildContext, options: GroupedOptions | None) -> GroupedProcessor:
    """Build the processor for the model's columns.

    Args:
        context: The model's columns, special tokens and group columns.
        options: What is accepted or corrected.

    Raises:
        PluginContractError: The columns are unknown.
    """
    from rowsmith.dialect import RecordDialect

    schema, metadata = context.model_schema, context.metadata
    if schema is None:
        raise PluginContractError(
            "the grouped processor needs the model's columns; build it after the transforms are fitted"
        )
    layout = None if metadata is None else metadata.prompt_config
    return GroupedProcessor(
        RecordDialect(schema),
        _columns(context),
        Delineator() if layout is None else Delineator(layout.bos_token, layout.eos_token),
        options,
    )


def _columns(context: BuildContext) -> GroupColumns:
    """The columns that define groups: the step, else the user's columns."""
    assert context.model_schema is not None
    if context.model_schema.step is not None:
        return GroupColumns(step=context.model_schema.step.name)
    columns = {column.name: column for column in context.model_schema}
    group = tuple(name for name in context.config.data.group_columns if name in columns)
    order = context.config.order_column
    keys = _order_keys(columns.get(order or ""), context.table_schema)
    return GroupColumns(group=group) if keys is None else GroupColumns(group=group, order=order, order_keys=keys)


def _order_keys(column: ModelColumn | None, table: TableSchema | None) -> Keys | None:
    """Sort keys of a column by value rather than spelling; None if unknown."""
    from rowsmith.table.schema import ColumnType, JsonKind
    from rowsmith.table.types.datetimes import parse_datetimes

    if column is None:
        return None
    if column.kind is JsonKind.NUMBER:
        return list
    known = None if table is None or column.name not in table.names else table[column.name]
    if known is None or known.type is not ColumnType.DATETIME or known.datetime_format is None:
        return None
    format_ = known.datetime_format
    return lambda values: parse_datetimes(values, format_).tolist()


def _add_group(response: ParsedResponse, lines: Sequence[Line], accepted: Sequence[Line], error: Error | None) -> None:
    """Add the accepted and rejected records of a group to a response."""
    for line in lines:
        if line.values is None:
            add_line(response, line, line.error)
    for line in accepted:
        add_line(response, line, error)
    if error is None and accepted and response.group_sizes is not None:
        response.group_sizes.append(len(accepted))
    else:
        response.num_invalid_groups += 1


def _of(line: Line) -> Values:
    return line.values or {}
