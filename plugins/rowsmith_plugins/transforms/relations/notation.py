"""The notation of relations in messages and in the configuration."""

from __future__ import annotations

import re

__all__ = ["quoted"]

_PLAIN = re.compile(r"[^\W\d]\w*(\.\w+)*")


def quoted(name: str) -> str:
    """The name of a column, in backticks if it is no plain word."""
    return name if _PLAIN.fullmatch(name) else f"`{name.replace('`', '``')}`"
