"""The records of a bundled assembler: their columns, prompt and tokens."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field, frozen

from rowsmith.assembly import ExampleRanges, context_advice
from rowsmith.assembly.prompts import prompt_ids, schema_prompt
from rowsmith.assembly.ranges import Rows
from rowsmith.assembly.token_store import Ints, TokenStore
from rowsmith.errors import AssemblyError, OverlongRecordError, ParameterError
from rowsmith.table.schema import ModelSchema
from rowsmith_assemblers.records import check_columns, record_lines, record_names
from rowsmith_assemblers.token_cache import tokenize_cached

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset
    from transformers import PreTrainedTokenizer

    from rowsmith.assembly.metadata import ModelMetadata

__all__ = ["RecordSource", "check_policy", "listed"]

_logger = logging.getLogger(__name__)
_SHOWN = 5


@frozen(eq=False, kw_only=True)
class RecordSource:
    """Records, their prompt and their tokens; each is computed on first use.

    Attributes:
        dataset: The records, with the columns of a record in the order in which it is written.
        tokenizer: Tokenizer of the records.
        metadata: Prompt layout, special tokens, context length.
        schema: How records are written; None for the dataset's columns by their Arrow types.
        store: The records tokenized already, or None.
        cache: Folder where tokenized records may be cached, or None.

    Raises:
        ParameterError: A column is missing, or ``store`` has another number of records than the dataset.
    """

    dataset: Dataset | pa.Table
    tokenizer: PreTrainedTokenizer
    metadata: ModelMetadata
    schema: ModelSchema | None
    store: TokenStore | None
    cache: Path | None = field()

    @cache.validator
    def _check(self, attribute: object, value: object) -> None:
        check_columns(self.dataset, self.schema)
        if self.store is not None and len(self.store) != len(self.dataset):
            raise ParameterError(f"token_store has {len(self.store)} records and the dataset has {len(self.dataset)}")

    @property
    def schema_prompt(self) -> str:
        """The text of the prompt."""
        names = record_names(self.dataset, self.schema)
        return schema_prompt(names, self.metadata.instruction, self.metadata.prompt_config.template)

    @cached_property
    def prompt_ids(self) -> tuple[int, ...]:
        """Ids of the schema prompt and its special tokens."""
        return tuple(prompt_ids(self.schema_prompt, self.tokenizer, self.metadata.prompt_config))

    @property
    def room(self) -> int:
        """Tokens that the records of one sequence may take, beside the prompt, BOS and EOS."""
        return self.metadata.max_seq_length - len(self.prompt_ids) - 2

    @cached_property
    def tokens(self) -> TokenStore:
        """The tokenized records.

        Raises:
            AssemblyError: There is no record, or the prompt leaves no room for one.
        """
        if not len(self.dataset):
            raise AssemblyError("the dataset has no records; give at least one")
        if self.room < 1:
            raise AssemblyError(
                f"the schema prompt takes {len(self.prompt_ids)} tokens of a context of "
                f"{self.metadata.max_seq_length}: no record fits beside it. {context_advice(self.metadata)}"
            )
        if self.store is not None:
            return self.store
        return tokenize_cached(self.lines(self.dataset), self.tokenizer, self.cache)

    def lines(self, dataset: Dataset | pa.Table) -> list[str]:
        """Records as text.

        Args:
            dataset: Some rows of ``dataset``.
        """
        return record_lines(dataset, self.schema)

    def raise_or_skip(self, rows: Rows, policy: str) -> None:
        """Raise or warn because records do not fit the context.

        Args:
            rows: Their numbers; at least one.
            policy: ``error`` or ``skip``.

        Raises:
            OverlongRecordError: ``policy`` is ``error``.
            AssemblyError: Skipping them leaves no record.
        """
        what, advice = self.overlong(rows), context_advice(self.metadata)
        if policy == "error":
            raise OverlongRecordError(
                f"{what}. Set the assembler's option overlong to 'skip' to leave them out. {advice}"
            )
        if len(rows) == len(self.tokens):
            raise AssemblyError(f"{what}; skipping them leaves no record. {advice}")
        _logger.warning("%s; they are skipped", what)

    def overlong(self, rows: Rows) -> str:
        """List records that do not fit the context, as the beginning of a message.

        Args:
            rows: Their numbers; at least one.
        """
        lengths = self.tokens.lengths
        shown = listed([f"row {row + 1} ({lengths[row]} tokens)" for row in rows[:_SHOWN]], len(rows))
        return (
            f"{len(rows)} of {len(self.tokens)} records are longer than the {self.room} tokens that a context of "
            f"{self.metadata.max_seq_length} leaves for records: {shown} (rows count from 1)"
        )

    def ranges(
        self, order: Rows, starts: Ints, stops: Ints, breaks: Ints | None = None, ends: Ints | None = None
    ) -> ExampleRanges:
        """Examples of these records.

        Args:
            order: Record numbers, in training order.
            starts: Where in ``order`` each example begins.
            stops: Where it ends, exclusive.
            breaks: Where another sequence begins; None if each example is one sequence.
            ends: Where groups end, so that only their EOS is trained on; None trains on every EOS.
        """
        config = self.metadata.prompt_config
        return ExampleRanges(
            store=self.tokens,
            order=order,
            starts=starts,
            stops=stops,
            prompt_ids=self.prompt_ids,
            bos_id=config.bos_token_id,
            eos_id=config.eos_token_id,
            pad_id=self._pad_id,
            breaks=breaks,
            ends=ends,
        )

    @property
    def _pad_id(self) -> int:
        known = (self.metadata.pad_token_id, getattr(self.tokenizer, "pad_token_id", None))
        return next((pad for pad in known if pad is not None), self.metadata.prompt_config.eos_token_id)


def check_policy(overlong: str, known: Sequence[str]) -> None:
    """Check the policy for what does not fit the context.

    Args:
        overlong: The policy.
        known: The known policies.

    Raises:
        ParameterError: The policy is unknown.
    """
    if overlong not in known:
        raise ParameterError(f"overlong is {overlong!r}; give one of {', '.join(known)}")


def listed(shown: list[str], count: int) -> str:
    """Join the first of some names, and the number of further ones.

    Args:
        shown: Names of the first.
        count: Number of names in all.
    """
    return ", ".join(shown) + (f" and {count - len(shown)} more" if count > len(shown) else "")
