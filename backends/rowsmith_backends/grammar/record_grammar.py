"""Record grammar over the tokens of any tokenizer, by llguidance."""

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
# More than any table needs that fits a model's context; llguidance's defaults guard servers against untrusted grammars.
_UNLIMITED = 1 << 40


@define(eq=False)
class RecordGrammar:
    """Computes the tokens that may follow, for many completions at once.

    Attributes:
        schema: The columns of a record.
        tokenizer: The model's tokenizer, of the fast kind.
        vocabulary_size: Ids of the model, which may be more than the tokenizer's.
        eos_id: The id that ends a completion.
        threads: Threads that compute masks.
    """

    schema: ModelSchema
    tokenizer: Any
    vocabulary_size: int
    eos_id: int
    threads: int = 1
    _tokens: Any = field(init=False)
    _executor: Any = field(init=False)
    _start_matchers: dict[tuple[bool, int | None], Any] = field(init=False, factory=dict)

    @_tokens.default
    def _make_tokens(self) -> Any:
        from llguidance import LLTokenizer

        return LLTokenizer(_without_special_texts(self.tokenizer), n_vocab=self.vocabulary_size, eos_token=self.eos_id)

    @_executor.default
    def _make_executor(self) -> Any:
        from llguidance import LLExecutor

        return LLExecutor(self.threads)

    def matcher(self, forced: Sequence[int], *, follows: bool, most_records: int | None) -> Any:
        """Grammar state of a completion after its forced ids.

        Args:
            forced: The first ids of the completion.
            follows: Whether records of the same group precede the completion.
            most_records: The most records of the completion; None for any number.

        Raises:
            GenerationError: The ids break the grammar, or the table is too much for it.
        """
        key = follows, most_records
        if key not in self._start_matchers:
            self._start_matchers[key] = self._compile(follows, most_records)
        matcher = self._start_matchers[key].deep_copy()
        if matcher.consume_tokens(list(forced)):
            return matcher
        text = self.tokenizer.decode(list(forced))
        raise GenerationError(
            f"the forced ids {list(forced)[:8]} ({text[:80]!r}) break the record grammar: no record begins like that"
        )

    def _compile(self, follows: bool, most_records: int | None) -> Any:
        from llguidance import LLMatcher, LLParserLimits

        regex = completion_regex(self.schema, follows=follows, most_records=most_records)
        limits = LLParserLimits(
            initial_lexer_fuel=_UNLIMITED,
            step_lexer_fuel=_UNLIMITED,
            max_lexer_states=1 << 30,
            max_grammar_size=1 << 30,
            verbose_errors=False,
        )
        matcher = LLMatcher(self._tokens, LLMatcher.grammar_from_regex(regex), log_level=_QUIET, limits=limits)
        if matcher.is_error():
            raise GenerationError(
                f"the grammar of {len(self.schema)} columns cannot be used ({matcher.get_error()[:200]}); "
                "set generation.constrained to false, or use fewer columns"
            )
        return matcher

    def allowed(self, matchers: Sequence[Any], device: torch.device) -> torch.Tensor:
        """Mask of the ids that may follow.

        Args:
            matchers: Grammar states; None for a finished completion, for which every id is allowed.
            device: Device of the mask.

        Returns:
            ``[matchers, vocabulary_size]`` bool.
        """
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask_par

        bits = allocate_token_bitmask(len(matchers), self.vocabulary_size)
        active = [(matcher, row) for row, matcher in enumerate(matchers) if matcher is not None]
        fill_next_token_bitmask_par(self._executor, active, bits)
        packed = torch.from_numpy(bits.view(np.uint8)).to(device)
        bit_offsets = torch.arange(8, dtype=torch.uint8, device=device)
        return ((packed[:, :, None] >> bit_offsets) & 1).view(len(matchers), -1)[:, : self.vocabulary_size].bool()

    def advance(self, matchers: Sequence[Any], tokens: Sequence[int]) -> None:
        """Advance each grammar state by one id.

        Args:
            matchers: Grammar states; changed in place.
            tokens: The next id of each.

        Raises:
            GenerationError: An id was not allowed.
        """
        if not matchers:
            return
        accepted = self._executor.consume_token_par(list(zip(matchers, tokens, strict=True)))
        if not all(accepted):
            rejected = tokens[accepted.index(False)]
            raise GenerationError(
                f"token {rejected} was drawn against the record grammar; the logits may be no numbers"
            )


def _without_special_texts(tokenizer: Any) -> str:
    """The tokenizer as JSON, its special tokens renamed to text that no record can hold.

    Where only one text can follow, llguidance allows the tokens that the tokenizer encodes it to. It would take text
    that spells a special token for that token.
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
