"""Which keys a table had, as a filter that shows of no key whether it was there.

Hashes of keys can be tried out: who holds them finds every number that can be enumerated, as telephone and
social security numbers can, whatever the salt. So no hash is stored, but one bit for each of about 1.4 times as many
positions as there are keys. The position of every key of the table is marked, and by chance so is that of one in two
of all others: a new key passes when its position is free, and then certainly was not there. That a position is marked
makes it no more than twice as likely that a key was there as it was before.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

__all__ = ["KeyFilter", "fit_filter"]

Mask = npt.NDArray[np.bool_]


@frozen
class KeyFilter:
    """Marked positions of keys.

    Attributes:
        size: How many positions there are.
        marked: A bit for each, in base 64.
    """

    size: int
    marked: str

    @property
    def passing(self) -> float:
        """The share of all keys that pass."""
        return 1 - float(self._bits().mean())

    def holds(self, keys: Sequence[str], salt: str) -> Mask:
        """Whether each key is taken for one of the table: always for one that is, by chance for half of the others."""
        return self._bits()[_positions(keys, self.size, salt)]

    def describe(self) -> str:
        """What it holds of the training data."""
        return f"a filter that lets no training key pass and {self.passing:.0%} of all others"

    def _bits(self) -> Mask:
        packed = np.frombuffer(base64.b64decode(self.marked), dtype=np.uint8)
        return np.unpackbits(packed, count=self.size).astype(np.bool_)


def fit_filter(keys: Sequence[str], salt: str) -> KeyFilter:
    """The filter of some keys.

    Args:
        keys: Distinct keys, at least one.
        salt: What their positions depend on.
    """
    # Of so many positions, half are marked: each is missed by n keys with the chance (1 - 1/size)^n.
    size = max(2, round(len(keys) / math.log(2)))
    bits = np.zeros(size, dtype=np.bool_)
    bits[_positions(keys, size, salt)] = True
    return KeyFilter(size, _text(bits))


def _text(bits: Mask) -> str:
    return base64.b64encode(np.packbits(bits).tobytes()).decode()


def _positions(keys: Sequence[str], size: int, salt: str) -> npt.NDArray[np.int64]:
    key = f"filter/{salt}".encode()
    texts = (each.encode("utf-8", "surrogatepass") for each in keys)
    digests = b"".join(hashlib.blake2b(text, digest_size=8, key=key).digest() for text in texts)
    return (np.frombuffer(digests, dtype="<u8") % np.uint64(size)).astype(np.int64)
