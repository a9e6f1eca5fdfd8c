"""The grammar of records over the tokens of any tokenizer, by llguidance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from attrs import define, field

from rowsmith.errors import GenerationError
from rowsmith_backends.grammar.completion_regex import completion_regex

if TYPE_CHECKING:
    from rowsmith.table.schema import ModelSchema

__all__ = ["RecordGrammar"]

_QUIET = 0
_UNSPELLABLE = "\x00special {}"
# Beyond what a table needs that fits a model's context; the defaults are for grammars that strangers send to a server.
_GREATEST = 1 << 40


@define(eq=False)
class RecordGrammar:
    """Tells which tokens may follow, for many completions at once.

    Attributes:
        schema: The columns of a record.
        tokenizer: The model's tokenizer, of the fast kind.
        vocabulary_size: Ids that the model knows, which may be more than the tokenizer's.
        eos_id: The id that ends a completion.
        threads: How many work on masks.
    """

    schema: ModelSchema
    tokenizer: Any
    vocabulary_size: int
    eos_id: int
    threads: int = 1
    _tokens: Any = field(init=False)
    _executor: Any = field(init=False)
    _first: dict[tuple[bool, int | None], Any] = field(init=False, factory=dict)

    @_tokens.default
    def _make_tokens(self) -> Any:
        from llguidance import LLTokenizer

        return LLTokenizer(_without_special_texts(self.tokenizer), n_vocab=self.vocabulary_size, eos_token=self.eos_id)

    @_executor.default
    def _make_executor(self) -> Any:
        from llguidance import LLExecutor

        return LLExecutor(self.threads)

    def matcher(self, forced: Sequence[int], *, follows: bool, most_records: int | None) -> Any:
        """The state of a completion that begins with some ids.

        Args:
            forced: The ids.
            follows: Whether records of the same group stand before the completion.
            most_records: The most records of the completion; None for any number.

        Raises:
            GenerationError: The ids break the grammar, or the table is too much for it.
        """
        key = follows, most_records
        if key not in self._first:
            self._first[key] = self._compiled(follows, most_records)
        made = self._first[key].deep_copy()
        if made.consume_tokens(list(forced)):
            return made
        text = self.tokenizer.decode(list(forced))
        raise GenerationError(
            f"the forced ids {list(forced)[:8]} ({text[:80]!r}) break the record grammar: no record begins like that"
        )

    def _compiled(self, follows: bool, most_records: int | None) -> Any:
        from llguidance import LLMatcher, LLParserLimits

        regex = completion_regex(self.schema, follows=follows, most_records=most_records)
        limits = LLParserLimits(
            initial_lexer_fuel=_GREATEST,
            step_lexer_fuel=_GREATEST,
            max_lexer_states=1 << 30,
            max_grammar_size=1 << 30,
            verbose_errors=False,
        )
        made = LLMatcher(self._tokens, LLMatcher.grammar_from_regex(regex), log_level=_QUIET, limits=limits)
        if made.is_error():
            raise GenerationError(
                f"the grammar of {len(self.schema)} columns cannot be used ({made.get_error()[:200]}); "
                "set generation.constrained to false, or use fewer columns"
            )
        return made

    def allowed(self, matchers: Sequence[Any], device: torch.device) -> torch.Tensor:
        """Which ids may follow: ``[matchers, vocabulary_size]`` bool.

        Args:
            matchers: States of completions; None where one is over, and everything is allowed.
            device: Where the answer is wanted.
        """
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask_par

        bits = allocate_token_bitmask(len(matchers), self.vocabulary_size)
        going = [(matcher, row) for row, matcher in enumerate(matchers) if matcher is not None]
        fill_next_token_bitmask_par(self._executor, going, bits)
        packed = torch.from_numpy(bits.view(np.uint8)).to(device)
        places = torch.arange(8, dtype=torch.uint8, device=device)
        return ((packed[:, :, None] >> places) & 1).view(len(matchers), -1)[:, : self.vocabulary_size].bool()

    def advance(self, matchers: Sequence[Any], tokens: Sequence[int]) -> None:
        """Go on by one id each.

        Args:
            matchers: States of completions; they are changed.
            tokens: The ids, which were allowed.

        Raises:
            GenerationError: An id was not allowed.
        """
        if not matchers:
            return
        taken = self._executor.consume_token_par(list(zip(matchers, tokens, strict=True)))
        if not all(taken):
            wrong = tokens[taken.index(False)]
            raise GenerationError(f"token {wrong} was drawn against the record grammar; the logits may be no numbers")


def _without_special_texts(tokenizer: Any) -> str:
    """The tokenizer as JSON, its special tokens renamed to what no record can hold.

    Where only one text can follow, llguidance allows the tokens that the tokenizer makes of it, and would take
    a special token for text that spells it.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["padding"] = state["truncation"] = state["post_processor"] = None
    names = {token["content"]: _UNSPELLABLE.format(token["id"]) for token in state["added_tokens"] if token["special"]}
    for token in state["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    vocabulary = state["model"]["vocab"]
    if isinstance(vocabulary, dict):
        state["model"]["vocab"] = {names.get(text, text): number for text, number in vocabulary.items()}
    else:
        state["model"]["vocab"] = [[names.get(text, text), score] for text, score in vocabulary]
    unknown = state["model"].get("unk_token")
    if unknown is not None:
        state["model"]["unk_token"] = names.get(unknown, unknown)
    return json.dumps(state)
