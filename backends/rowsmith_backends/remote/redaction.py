"""Redaction: mask a secret in text that a server sent back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

__all__ = ["without_secret"]

_MASK = "***"
_MIN_LENGTH = 4
"""Shorter encodings reveal nothing of the secret."""


def without_secret(text: str, secret: str) -> str:
    """Mask a secret in a text, in all its usual encodings.

    These are the secret itself, in any case, reversed, with other characters between its own, in base64 at any offset,
    in hexadecimal, and with the escapes of URLs, JSON and HTML.

    Args:
        text: Text of a server.
        secret: The secret.
    """
    # The longest first: a shorter one may be a part of it.
    encodings = {each for each in _encodings(secret) if len(each) >= _MIN_LENGTH}
    for encoded in sorted(encodings, key=len, reverse=True):
        text = re.sub(re.escape(encoded), _MASK, text, flags=re.IGNORECASE)
    interleaved = r"[^A-Za-z0-9]*".join(map(re.escape, secret))
    return re.sub(interleaved, _MASK, text, flags=re.IGNORECASE)


def _encodings(secret: str) -> Iterator[str]:
    """The encodings of the secret."""
    raw = secret.encode()
    for order in (raw, raw[::-1]):
        yield order.decode()
        for offset in range(3):
            # Text before the secret shifts the base64 groups; groups that mix the two are dropped.
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                encoded = encode(b"\0" * offset + order).decode().rstrip("=")
                aligned = encoded[-(-offset * 4 // 3) :]
                yield aligned
                yield aligned[:-1]
        yield order.hex()
        yield base64.b32encode(order).decode().rstrip("=")
    yield json.dumps(secret)[1:-1]
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield "".join(f"%{byte:02x}" for byte in raw)
    yield "".join(f"\\u{ord(each):04x}" for each in secret)
    yield "".join(f"&#{ord(each)};" for each in secret)
