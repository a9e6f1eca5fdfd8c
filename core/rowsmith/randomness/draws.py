"""Keyed random numbers: each depends on (seed, row, label) alone.

They are stateless: a row gets the same draws alone, in any batch and in any order, so that generated rows do not
depend on the batch size.

The numbers are a counter-based hash: a row number is mixed with 128 bits derived from seed and
label by two rounds of the 64-bit finalizer of SplitMix64 (Steele, Lea and Flood, 2014). For one
label the mixing is a bijection of the row number, so distinct rows never share all 64 bits.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

__all__ = ["Draws"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53


def _as_rows(rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
    given = np.asarray(rows)
    if given.ndim != 1 or (given.size and not np.issubdtype(given.dtype, np.integer)):
        raise ValueError(f"rows must be a flat array of integers, got {given.dtype} of shape {given.shape}")
    return given.astype(np.int64, copy=False)


def _check_seed(instance: object, attribute: Any, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"seed must be an integer of at least 0, got {value!r}")


def _mix(values: npt.NDArray[np.uint64]) -> None:
    """Apply the finalizer in place."""
    values ^= values >> np.uint64(30)
    values *= _FIRST
    values ^= values >> np.uint64(27)
    values *= _SECOND
    values ^= values >> np.uint64(31)


@frozen(eq=False)
class Draws:
    """Random numbers for some rows.

    Attributes:
        seed: The seed of the stage, at least 0.
        rows: ``int64[n]``, the number of each row; repeats give repeated draws.
        first: The first number of the generation (see ``numbering``): what is counted on from generation to
            generation begins there.
    """

    seed: int = field(validator=_check_seed)
    rows: npt.NDArray[np.int64] = field(converter=_as_rows)
    first: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def uniform(self, label: str | int) -> npt.NDArray[np.float64]:
        """Draw a number per row, uniform in [0, 1).

        Args:
            label: What the number is for; another label gives independent numbers.

        Returns:
            ``float64[n]``, multiples of 2**-53.
        """
        bits = self._bits(label)
        bits >>= np.uint64(11)
        numbers = bits.astype(np.float64)
        numbers *= _TO_UNIT
        return numbers

    def integers(self, label: str | int, high: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Draw an integer per row, uniform in 0 to ``high - 1``.

        Args:
            label: What the number is for.
            high: At least 1 and at most 2**32; one number, or one per row.
        """
        bounds = np.asarray(high, dtype=np.int64)
        if bounds.size and (bounds.min() < 1 or bounds.max() > 2**32):
            raise ValueError("high must be between 1 and 2**32")
        return np.asarray(self.uniform(label) * bounds).astype(np.int64)

    def take(self, selection: npt.ArrayLike) -> Draws:
        """The draws of some of these rows.

        Args:
            selection: A boolean mask of length n, or positions.
        """
        chosen = np.asarray(selection)
        if chosen.size == 0 and chosen.dtype != np.bool_:
            chosen = chosen.astype(np.int64)
        return Draws(self.seed, self.rows[chosen], self.first)

    def _bits(self, label: str | int) -> npt.NDArray[np.uint64]:
        # The type is part of the name, so that 1 and "1" differ.
        name = f"{self.seed}/{type(label).__name__}/{label}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(name, digest_size=16, person=b"rowsmith-draws").digest()
        first, second = np.frombuffer(digest, dtype="<u8")
        bits = self.rows.astype(np.uint64)
        bits *= _GOLDEN
        bits += first
        _mix(bits)
        bits ^= second
        _mix(bits)
        return bits
