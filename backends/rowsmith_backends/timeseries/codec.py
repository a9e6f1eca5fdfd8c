"""Records of a series as values, as lines of the one dialect, and as token ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from rowsmith.dialect import json_string
from rowsmith.dialect.records import speller
from rowsmith.dialect.writing import CellWriter
from rowsmith.table.schema import ModelSchema
from rowsmith.vocabulary import Vocabulary

__all__ = ["RecordCodec", "Written", "codec_of_tokenizer", "codec_of_vocabulary"]

Ids = tuple[int, ...]


@frozen(kw_only=True, eq=False)
class Written:
    """One record of a series.

    Attributes:
        values: Its values by column, as the processor read them.
        spelled: The same as a table spells them.
        line: Its line in the dialect.
        ids: The token ids of the line.
        time: Its time, in ticks.
        running: The running values of the columns that are written as changes.
    """

    values: dict[str, Any]
    spelled: dict[str, str | None]
    line: str
    ids: Ids
    time: int
    running: Mapping[str, float] = field(factory=dict)


@frozen(kw_only=True, eq=False)
class RecordCodec:
    """Writes records as the model reads them.

    Attributes:
        schema: The columns of a record.
        encode: Token ids of cells of one record, without special tokens.
        begin: Token ids that a record begins with, given its first cells and the beginning of the next one. What
            the last token is may depend on what follows, so only those are given that stay.
        decode: Text of token ids.
    """

    schema: ModelSchema
    encode: Callable[[Sequence[str]], Ids]
    begin: Callable[[Sequence[str], str], Ids]
    decode: Callable[[Sequence[int]], str]
    _writers: tuple[CellWriter, ...] = field(init=False)
    _begun: dict[tuple[str, ...], Ids] = field(init=False, factory=dict)

    @_writers.default
    def _make_writers(self) -> tuple[CellWriter, ...]:
        last = len(self.schema) - 1
        return tuple(
            CellWriter(column, first=index == 0, last=index == last) for index, column in enumerate(self.schema)
        )

    def written(
        self,
        record: Mapping[str, Any],
        labels: Mapping[str, str | None],
        time: int,
        running: Mapping[str, float] | None = None,
    ) -> Written:
        """A record that a model wrote, with the labels that its time has.

        Args:
            record: Its values.
            labels: Labels by timing column; they replace what the model wrote there.
            time: Its time, in ticks.
            running: The running values of the columns that are written as changes.
        """
        values = {column.name: record[column.name] for column in self.schema} | dict(labels)
        spelled = {
            column.name: None if values[column.name] is None else speller(column)(values[column.name])
            for column in self.schema
        }
        cells = [writer.cell(spelled[name]) for writer, name in zip(self._writers, self.schema.names, strict=True)]
        line = "".join(cells)
        return Written(
            values=values, spelled=spelled, line=line, ids=self.encode(cells), time=time, running=running or {}
        )

    def forced(self, labels: Mapping[str, str | None], leading: Sequence[str]) -> Ids:
        """The ids that a record with these labels begins with.

        Args:
            labels: Labels by timing column.
            leading: The timing columns that a record begins with, in order.
        """
        cells = tuple(writer.cell(labels[name]) for writer, name in zip(self._writers, leading, strict=False))
        found = self._begun.get(cells)
        if found is None:
            rest = self.schema.names[len(cells) :]
            found = self._begun[cells] = self.begin(cells, f",{json_string(rest[0])}:" if rest else "")
        return found


def codec_of_vocabulary(vocabulary: Vocabulary) -> RecordCodec:
    """The codec of a vocabulary whose columns are all closed: every cell is one token."""
    known = {
        fragment: item.start + offset for item in vocabulary.fields for offset, fragment in enumerate(item.fragments)
    }

    def encode(cells: Sequence[str]) -> Ids:
        return tuple(known[cell] for cell in cells)

    return RecordCodec(
        schema=vocabulary.schema, encode=encode, begin=lambda cells, _: encode(cells), decode=vocabulary.decode
    )


def codec_of_tokenizer(schema: ModelSchema, tokenizer: Any) -> RecordCodec:
    """The codec of a Hugging Face tokenizer.

    Args:
        schema: The columns of a record.
        tokenizer: The model's tokenizer.
    """

    def ids(text: str) -> Ids:
        return tuple(tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False).input_ids)

    def begin(cells: Sequence[str], more: str) -> Ids:
        text = "".join(cells)
        alone, followed = ids(text), ids(text + more)
        pairs = enumerate(zip(alone, followed, strict=False))
        return alone[: next((index for index, (left, right) in pairs if left != right), None)]

    def decode(found: Sequence[int]) -> str:
        return str(tokenizer.decode(list(found), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    return RecordCodec(schema=schema, encode=lambda cells: ids("".join(cells)), begin=begin, decode=decode)
