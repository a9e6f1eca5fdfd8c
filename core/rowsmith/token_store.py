"""The same as :mod:`rowsmith.assembly.token_store`, under its first name."""

from rowsmith.assembly.token_store import Ids, Ints, TokenStore, tokenize_text

__all__ = ["Ids", "Ints", "TokenStore", "tokenize_text"]
