"""Encoding and decoding of texts with any tokenizer that has ``encode_batch`` and ``decode_batch``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rowsmith.errors import EvaluationError

__all__ = ["decode_batch", "encode", "encode_batch"]

_INSTEAD = "give an encoding with encode, encode_batch and decode_batch, such as a tokenizers.Tokenizer"


def encode_batch(encoding: Any, texts: Sequence[str]) -> list[tuple[int, ...]]:
    """Token ids of texts.

    Args:
        encoding: Its ``encode_batch`` gives lists of ids, or objects with ``ids``.
        texts: The texts.

    Raises:
        EvaluationError: It has no such method, or gives another number of results.
    """
    return _same_number(
        [_ids(each) for each in _method(encoding, "encode_batch")(list(texts))], texts, encoding, "encode_batch"
    )


def encode(encoding: Any, text: str) -> tuple[int, ...]:
    """Token ids of one text.

    Args:
        encoding: Its ``encode`` gives a list of ids, or an object with ``ids``.
        text: The text.

    Raises:
        EvaluationError: It has no such method.
    """
    return _ids(_method(encoding, "encode")(text))


def decode_batch(encoding: Any, sequences: Sequence[Sequence[int]]) -> list[str]:
    """Texts of token ids.

    Args:
        encoding: Its ``decode_batch`` gives a text for each list of ids.
        sequences: The ids.

    Raises:
        EvaluationError: It has no such method, or gives another number of results.
    """
    texts = [str(text) for text in _method(encoding, "decode_batch")([list(ids) for ids in sequences])]
    return _same_number(texts, sequences, encoding, "decode_batch")


def _ids(encoded: Any) -> tuple[int, ...]:
    ids: Iterable[Any] = getattr(encoded, "ids", encoded)
    return tuple(int(each) for each in ids)


def _method(encoding: Any, name: str) -> Any:
    method = getattr(encoding, name, None)
    if not callable(method):
        raise EvaluationError(f"the encoding, a {type(encoding).__name__}, has no method {name}; {_INSTEAD}")
    return method


def _same_number(found: list[Any], given: Sequence[Any], encoding: Any, name: str) -> list[Any]:
    if len(found) != len(given):
        raise EvaluationError(
            f"{type(encoding).__name__}.{name} gave {len(found)} results for {len(given)} inputs; {_INSTEAD}"
        )
    return found
