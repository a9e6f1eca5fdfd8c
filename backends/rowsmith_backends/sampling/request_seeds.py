"""Seeds for engines that take one number per request."""

from __future__ import annotations

import hashlib

__all__ = ["request_seed"]

_SEEDS = 2**32


def request_seed(seed: int, request_id: int) -> int:
    """The seed of one request, below 2**32: some engines use no more of it.

    Requests that are counted up share no seed, until there are more than 2**32 of them.

    Args:
        seed: Seed of the job.
        request_id: Names the request.
    """
    high, low = divmod(request_id, _SEEDS)
    digest = hashlib.blake2b(f"{seed}/{high}".encode(), digest_size=4, person=b"rowsmith-request").digest()
    return (int.from_bytes(digest, "little") + low) % _SEEDS
