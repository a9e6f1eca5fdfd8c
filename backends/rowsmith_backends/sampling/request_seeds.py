"""Per-request seeds, for engines that take one number per request."""

from __future__ import annotations

import hashlib

__all__ = ["request_seed"]

_SEEDS = 2**32


def request_seed(seed: int, request_id: int) -> int:
    """Seed of one request, below 2**32, since some engines use only 32 bits.

    Consecutive request numbers get distinct seeds, up to 2**32 of them.

    Args:
        seed: Seed of the job.
        request_id: Number of the request.
    """
    high, low = divmod(request_id, _SEEDS)
    digest = hashlib.blake2b(f"{seed}/{high}".encode(), digest_size=4, person=b"rowsmith-request").digest()
    return (int.from_bytes(digest, "little") + low) % _SEEDS
