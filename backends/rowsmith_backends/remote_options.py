"""Options of the backend ``remote``; importing them imports nothing heavy."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen, validators

from rowsmith.config_sections import between

__all__ = ["GRAMMAR_FIELDS", "RemoteOptions"]

GRAMMAR_FIELDS = ("structured_outputs", "guided_regex", "regex")
"""Where servers look for the regular expression of a completion."""

# A slip that puts a secret in the wrong place must not be repeated by a message.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def _check_url(instance: object, attribute: Any, value: str) -> None:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not value.isprintable() or " " in value:
        raise ValueError("url must be the address of the endpoint, such as http://localhost:8000/v1")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("url must hold neither a password nor a query; put the API key into an environment variable")


def _check_variable(instance: object, attribute: Any, value: str) -> None:
    if not _VARIABLE.fullmatch(value):
        raise ValueError("api_key_env must be the name of an environment variable, not the key itself")


@frozen(kw_only=True)
class RemoteOptions:
    """Options of the backend ``remote``.

    Attributes:
        url: Address of the OpenAI-compatible endpoint, to which ``/completions`` is added.
        model: The served model's name; by default the only one that the server has.
        api_key_env: The environment variable that holds the API key; not set, requests go without a key.
        prompts: How prompts are sent: as token ids, as text, or ``auto``, which asks the server once.
        grammar: The field of a request in which the server takes a regular expression; ``auto`` tries all that
            are known, ``none`` sends none.
        concurrency: Requests under way at the same time.
        timeout: Seconds that one completion may take.
        connect_timeout: Seconds that a connection may take.
        retries: How often a request is sent again that failed for a reason that may pass.
    """

    url: str = field(default="http://localhost:8000/v1", validator=_check_url)
    model: str | None = None
    api_key_env: str = field(default="ROWSMITH_API_KEY", validator=_check_variable)
    prompts: str = field(default="auto", validator=validators.in_(("auto", "ids", "text")))
    grammar: str = field(default="auto", validator=validators.in_(("auto", "none", *GRAMMAR_FIELDS)))
    concurrency: int = field(default=64, validator=between(1, 10_000))
    timeout: float = field(default=300.0, validator=between(0, 86_400, above=True))
    connect_timeout: float = field(default=10.0, validator=between(0, 3_600, above=True))
    retries: int = field(default=5, validator=between(0, 100))
