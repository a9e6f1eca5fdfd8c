"""Training with less memory than a batch needs: the batch is computed in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch

from rowsmith.storage.out_of_memory import is_out_of_memory

__all__ = ["MOST_PARTS", "split", "without_running_out"]

MOST_PARTS = 64

T = TypeVar("T")


def split(inputs: dict[str, Any], parts: int) -> Iterator[dict[str, Any]]:
    """The batch in parts of about the same number of examples."""
    pieces = {name: torch.tensor_split(tensor, parts) for name, tensor in inputs.items()}
    for part in range(min(parts, len(inputs["input_ids"]))):
        yield {name: tensors[part] for name, tensors in pieces.items()}


def without_running_out(compute: Callable[[int], T], parts: int, most: int, retry: Callable[[int], None]) -> T | None:
    """Compute something in as many parts as memory needs.

    Args:
        compute: Computes it in a number of parts.
        parts: How many to begin with.
        most: The most parts; no more than ``MOST_PARTS`` are tried.
        retry: Called with the number of parts before they are tried.

    Returns:
        What was computed; None when memory does not suffice.
    """
    while True:
        try:
            return compute(parts)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # After the block, where the error no longer holds the tensors of the attempt.
        parts *= 2
        if parts > min(most, MOST_PARTS):
            return None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        retry(parts)
