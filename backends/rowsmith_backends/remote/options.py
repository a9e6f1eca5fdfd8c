"""Options of the backend ``remote``; importing them imports nothing heavy."""

from __future__ import annotations

from attrs import field, frozen, validators

from rowsmith.config.sections import between
from rowsmith.plugins.servers import ServerOptions

__all__ = ["GRAMMAR_FIELDS", "RemoteOptions"]

GRAMMAR_FIELDS = ("structured_outputs", "guided_regex", "regex")
"""Request fields in which servers take the regular expression of a completion."""


@frozen(kw_only=True)
class RemoteOptions(ServerOptions):
    """Options of the backend ``remote``.

    Attributes:
        url: Address of the OpenAI-compatible endpoint, to which ``/completions`` is added; by default
            ``ROWSMITH_API_URL`` of the environment, or else ``http://localhost:8000/v1``.
        model: The served model's name; by default the only one that the server has.
        api_key_env: The environment variable that holds the API key; not set, requests go without a key, and so they
            do where only a file names the address.
        prompts: How prompts are sent: as token ids, as text, or ``auto``, which asks the server once.
        grammar: The field of a request in which the server takes a regular expression; ``auto`` tries all that
            are known, ``none`` sends none.
        concurrency: Running requests at the same time.
        timeout: Seconds that one completion may take.
        connect_timeout: Seconds that a connection may take.
        retries: Retries of a request after a transient error.
    """

    model: str | None = None
    prompts: str = field(default="auto", validator=validators.in_(("auto", "ids", "text")))
    grammar: str = field(default="auto", validator=validators.in_(("auto", "none", *GRAMMAR_FIELDS)))
    concurrency: int = field(default=64, validator=between(1, 10_000))
    timeout: float = field(default=300.0, validator=between(0, 86_400, above=True))
    connect_timeout: float = field(default=10.0, validator=between(0, 3_600, above=True))
    retries: int = field(default=5, validator=between(0, 100))
