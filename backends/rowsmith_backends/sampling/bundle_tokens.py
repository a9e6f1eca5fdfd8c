"""Tokens of a bundle for clients of an engine: decoding, counting, and prompts as text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rowsmith.errors import BundleError, GenerationError

if TYPE_CHECKING:
    from pathlib import Path

    from rowsmith.vocabulary import Vocabulary

__all__ = ["BundleTokens", "load_tokenizer"]


def load_tokenizer(directory: Path) -> Any:
    """The tokenizer of a checkpoint.

    Raises:
        BundleError: It cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    except Exception as error:
        # Loaders raise errors of every kind, some of them plain exceptions.
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise BundleError(f"{directory} has no tokenizer that can be loaded ({reason}). Train again.") from error


class BundleTokens:
    """Token ids and text of one model.

    The tokenizer is loaded on first use; ids of a columnar vocabulary are decoded without it.

    Args:
        directory: Folder of the tokenizer.
        vocabulary: The columnar vocabulary; None for models of other kinds.
    """

    def __init__(self, directory: Path, vocabulary: Vocabulary | None) -> None:
        self.directory = directory
        self.vocabulary = vocabulary
        self._prompts: dict[tuple[int, ...], str] = {}

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of the checkpoint."""
        return load_tokenizer(self.directory)

    @property
    def size(self) -> int:
        """One more than the largest token id."""
        return len(self.tokenizer if self.vocabulary is None else self.vocabulary)

    @cached_property
    def max_token_bytes(self) -> int:
        """The most bytes of a token, special ones included."""
        texts = self.tokenizer.get_vocab() if self.vocabulary is None else self.vocabulary.texts
        return max((len(text.encode() if isinstance(text, str) else text) for text in texts), default=1)

    @property
    def probes(self) -> tuple[str, str]:
        """Two texts; a model begins a completion with at most one of them."""
        if self.vocabulary is None:
            return "{", "}"
        fields = self.vocabulary.fields
        return fields[0].fragments[0], fields[-1].fragments[-1]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens left out."""
        if self.vocabulary is not None:
            return self.vocabulary.decode(ids)
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def count(self, text: str) -> int:
        """Number of tokens that a text takes, no special tokens added."""
        # Text that is not valid Unicode is no record, but it has a length.
        encodable = text if text.isascii() else text.encode("utf-8", "replace").decode()
        return len(self.tokenizer(encodable, add_special_tokens=False, verbose=False).input_ids)

    def prompt_text(self, ids: tuple[int, ...]) -> str:
        """The text that this tokenizer encodes to these ids.

        Args:
            ids: A prompt.

        Raises:
            GenerationError: There is no such text.
        """
        if ids not in self._prompts:
            self._prompts[ids] = self._text_of(ids)
        return self._prompts[ids]

    def _text_of(self, ids: tuple[int, ...]) -> str:
        # Some tokenizers add the first special token themselves.
        for candidate in (ids, ids[1:]):
            text: str = self.tokenizer.decode(
                list(candidate), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
            if text and tuple(self.tokenizer(text, verbose=False).input_ids) == ids:
                return text
        raise GenerationError(
            f"the server takes prompts as text only, and no text gives the {len(ids)} token ids of this prompt. Use a "
            "server that takes token ids, such as vllm serve"
        )
