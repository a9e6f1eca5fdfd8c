"""Tiny tokenizers, metadata, and the slow reference that fast assembly must agree with."""

from ...shared.assembly import bos_tokenizer, make_metadata, pack_groups_slowly, pack_slowly, tokenizer

__all__ = ["bos_tokenizer", "make_metadata", "pack_groups_slowly", "pack_slowly", "tokenizer"]
