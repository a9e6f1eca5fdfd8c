"""Words from outside, without a secret that was sent there."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

__all__ = ["without_secret"]

_MASK = "***"
_FEWEST = 4
"""Characters of a written secret that say something of it."""


def without_secret(text: str, secret: str) -> str:
    """A text in which a secret is masked however it is usually written.

    That is as it is, in other cases, backwards, with other characters between its own, in base 64 at any place, in
    hexadecimal, and with escapes of URLs, of JSON and of HTML.

    Args:
        text: What came from outside.
        secret: What must not be in it.
    """
    # The longest first: a shorter one may be a part of it.
    writings = {each for each in _writings(secret) if len(each) >= _FEWEST}
    for written in sorted(writings, key=len, reverse=True):
        text = re.sub(re.escape(written), _MASK, text, flags=re.IGNORECASE)
    apart = r"[^A-Za-z0-9]*".join(map(re.escape, secret))
    return re.sub(apart, _MASK, text, flags=re.IGNORECASE)


def _writings(secret: str) -> Iterator[str]:
    """The secret in its writings."""
    raw = secret.encode()
    for order in (raw, raw[::-1]):
        yield order.decode()
        for before in range(3):
            # What stands before the secret moves the groups of base 64; those that mix it with that are left out.
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                coded = encode(b"\0" * before + order).decode().rstrip("=")
                inner = coded[-(-before * 4 // 3) :]
                yield inner
                yield inner[:-1]
        yield order.hex()
        yield base64.b32encode(order).decode().rstrip("=")
    yield json.dumps(secret)[1:-1]
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield "".join(f"%{byte:02x}" for byte in raw)
    yield "".join(f"\\u{ord(each):04x}" for each in secret)
    yield "".join(f"&#{ord(each)};" for each in secret)
