"""A cache of tokenized records on disk, by the hash of their text and tokenizer."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from rowsmith.assembly.token_store import TokenStore, tokenize_text
from rowsmith.errors import DataError

__all__ = ["tokenize_cached"]


def tokenize_cached(lines: Sequence[str], tokenizer: Any, folder: Path | None) -> TokenStore:
    """Tokenize records, or map the file of an earlier run with the same records and tokenizer.

    Args:
        lines: A record each.
        tokenizer: A Hugging Face tokenizer; only a fast one can be identified, so the records of
            a slow one are never cached.
        folder: Folder of the cache, readable by its owner alone; None disables the cache.

    Returns:
        The tokens.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if folder is None or backend is None:
        return tokenize_text(lines, tokenizer)
    path = folder / f"tokens-{_digest(lines, backend.to_str())}.arrow"
    try:
        return TokenStore.open(path)
    except (FileNotFoundError, DataError):
        _save(tokenize_text(lines, tokenizer), path)
    return TokenStore.open(path)


def _digest(lines: Sequence[str], tokenizer: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for text in (tokenizer, *lines):
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def _save(store: TokenStore, path: Path) -> None:
    """Write a partial file and rename it, so that no reader sees half a file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        temporary.touch(mode=0o600)
        store.save(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
