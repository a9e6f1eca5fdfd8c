"""Quoting a server without the secret that it was sent, also where it gives it back in another encoding."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterator

__all__ = ["without"]

_LEAST = 8
"""A shorter piece of an encoded secret is found by chance."""


def without(secret: str, text: str) -> str:
    """A text with ``***`` in place of a secret: as it is, escaped for JSON or an address, in base64 or in hex.

    Args:
        secret: What must not be shown; ASCII.
        text: What is to be shown.
    """
    for form in sorted(set(_forms(secret)), key=len, reverse=True):
        text = re.sub(re.escape(form), "***", text, flags=re.IGNORECASE)
    return text


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield secret[::-1]
    yield json.dumps(secret)[1:-1]
    yield urllib.parse.quote(secret)
    yield urllib.parse.quote(secret, safe="")
    yield urllib.parse.quote_plus(secret)
    raw = secret.encode()
    yield raw.hex()
    yield "".join(f"%{byte:02x}" for byte in raw)
    # The secret may stand behind other text, such as "Bearer ", which shifts base64 by one or two bytes.
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            start = -(-shift * 8 // 6)
            whole = (shift + len(raw)) * 8 // 6
            form = encode(b"\0" * shift + raw).decode()[start:whole]
            if len(form) >= _LEAST:
                yield form
