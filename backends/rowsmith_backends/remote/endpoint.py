"""JSON over HTTP to one endpoint: transient errors are retried, all others are reported.

The API key is in the headers of the requests and nowhere else; messages of the server are quoted without it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import numpy as np

from rowsmith.errors import GenerationError
from rowsmith.plugins.servers import ADDRESS_VARIABLE
from rowsmith_backends.remote.options import RemoteOptions
from rowsmith_backends.remote.redaction import without_secret

__all__ = ["Endpoint", "RequestRejected"]

MOST_BYTES = 4 * 2**20
"""The longest response that is read, except for completions."""

_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_WAIT = 0.5, 30.0, 300.0
_MAX_QUOTE, _MAX_MESSAGE = 300, 3_000
# Status codes of a server that is overloaded, starting or restarting.
_TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504, 529)
_BUSY_STATUS = (429, 503, 529)

_logger = logging.getLogger(__name__)


class RequestRejected(GenerationError):
    """The server rejected a request; a retry would not help.

    Args:
        message: The server's message, and where.
        status: The HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _TransientError(Exception):
    """A transient error: a retry may succeed."""

    def __init__(self, what: str, *, wait: float = 0.0, busy: bool = False, silent: bool = False) -> None:
        super().__init__(what)
        self.wait, self.busy, self.silent = wait, busy, silent


class Endpoint:
    """HTTP client of one server, for one event loop.

    Args:
        options: Address, limits and retries.
        key: The API key; None sends none.
        withheld: Whether there is a key that may only be sent to other hosts.
    """

    def __init__(self, options: RemoteOptions, key: str | None, *, withheld: bool = False) -> None:
        self.options = options
        self._key = key
        self._withheld = withheld
        self._last_response = -float("inf")
        self._resume_at = 0.0
        self._jitter = np.random.default_rng()
        self._client = httpx2.AsyncClient(
            # Responses are short; without compression they cannot expand to more than was sent.
            headers={"Accept-Encoding": "identity"} | ({} if key is None else {"Authorization": f"Bearer {key}"}),
            timeout=httpx2.Timeout(options.timeout, connect=options.connect_timeout, pool=None),
            # Servers commonly close connections that were idle for five seconds.
            limits=httpx2.Limits(max_connections=options.concurrency, keepalive_expiry=2.0),
            mounts=dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]")),
            follow_redirects=False,
        )

    def __str__(self) -> str:
        return f"the server {self.options.address}"

    async def get(self, path: str) -> dict[str, Any]:
        """Send a GET request; raises as ``post`` does."""
        return await self._with_retries("GET", path, None, MOST_BYTES)

    async def post(self, path: str, body: Mapping[str, Any], max_bytes: int) -> dict[str, Any]:
        """Send a POST request.

        Args:
            path: Appended to the address.
            body: Sent as JSON.
            max_bytes: The longest response that is read.

        Returns:
            The response, parsed as JSON.

        Raises:
            RequestRejected: The server does not support the request.
            GenerationError: The key is not accepted, the server has moved, all retries failed, or the response is too
                long.
        """
        response = await self._with_retries("POST", path, body, max_bytes)
        self._last_response = time.monotonic()
        return response

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _with_retries(
        self, method: str, path: str, body: Mapping[str, Any] | None, max_bytes: int
    ) -> dict[str, Any]:
        failures, since = 0, time.monotonic()
        while True:
            await self._wait_for_resume()
            try:
                return await self._send(method, path, body, max_bytes)
            except _TransientError as error:
                others_succeed, since = self._last_response > since, time.monotonic()
                # A busy server that answers other requests will answer this one in time.
                failures = 0 if error.busy and others_succeed else failures + 1
                if failures > self.options.retries or (error.silent and not others_succeed):
                    raise GenerationError(self._failure_message(failures, error)) from None
                _logger.debug("%s %s; retrying", self, error)
                await self._pause(failures, error)

    async def _wait_for_resume(self) -> None:
        while (seconds := self._resume_at - time.monotonic()) > 0:
            await asyncio.sleep(seconds)

    async def _pause(self, failures: int, error: _TransientError) -> None:
        if error.wait:
            self._resume_at = max(self._resume_at, time.monotonic() + error.wait)
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** max(0, failures - 1))
        await asyncio.sleep(longest * self._jitter.uniform(0.5, 1.0))

    def _failure_message(self, failures: int, error: _TransientError) -> str:
        if error.silent:
            return (
                f"{self} {error}. See whether it still runs; if it is slow, raise backend.options.timeout or lower "
                "backend.options.concurrency"
            )
        times = "once" if failures == 1 else f"{failures} times in a row"
        return (
            f"{self} {error} ({times}). See whether it runs and is reached there; backend.options.url is its address, "
            "backend.options.retries how often it is asked again"
        )

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None, max_bytes: int) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.options.timeout):
                response, content = await self._exchange(method, path, body, max_bytes)
        except (TimeoutError, httpx2.TimeoutException) as error:
            no_connection = isinstance(error, httpx2.ConnectTimeout)
            what = "took no connection" if no_connection else "gave no answer"
            seconds = self.options.connect_timeout if no_connection else self.options.timeout
            raise _TransientError(f"{what} within {seconds:g} s", silent=not no_connection) from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise self._unreachable(error) from None
        return self._parse(response, content)

    async def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, max_bytes: int
    ) -> tuple[httpx2.Response, bytes]:
        content = bytearray()
        async with self._client.stream(method, self.options.address.rstrip("/") + path, json=body) as response:
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > max_bytes:
                    raise GenerationError(
                        f"{self} sent an answer of more than {max_bytes:,} bytes, which is more than was asked for; "
                        "stopped reading"
                    )
        return response, bytes(content)

    def _unreachable(self, error: Exception) -> Exception:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLError):
                return GenerationError(
                    f"no safe connection to {self}: {self._quoted(str(cause))}. Give an address whose certificate this "
                    "machine trusts (SSL_CERT_FILE names further authorities), or http:// for a server without TLS"
                )
            cause = cause.__cause__ or cause.__context__
        reason = self._quoted(str(error)) or type(error).__name__
        return _TransientError(f"broke off the connection or took none ({reason})")

    def _parse(self, response: httpx2.Response, content: bytes) -> dict[str, Any]:
        status = response.status_code
        if status in _TRANSIENT_STATUS:
            wait, busy = _retry_after(response.headers.get("retry-after")), status in _BUSY_STATUS
            raise _TransientError(f"answered with HTTP {status} ({self._error_message(content)})", wait=wait, busy=busy)
        if status in (401, 403):
            raise GenerationError(self._unauthorized(status))
        if 300 <= status < 400:
            location = self._quoted(response.headers.get("location", "another address"))
            raise GenerationError(
                f"{self} sends requests on to {location}; they are not followed, so that nothing goes where it was not "
                "meant to go. Set backend.options.url to the address itself"
            )
        if status != 200:
            raise RequestRejected(
                f"{self} refused a request with HTTP {status}: {self._error_message(content)}", status
            )
        try:
            parsed = json.loads(content)
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            raise _TransientError("answered with something that is no JSON object")
        return parsed

    def _unauthorized(self, status: int) -> str:
        name = self.options.api_key_env
        if self._withheld:
            return (
                f"{self} wants an API key (HTTP {status}), and that of {name} goes only to a host that the call names: "
                f"give --set backend.options.url={self.options.address}, or set {ADDRESS_VARIABLE} to it"
            )
        if self._key is None:
            return f"{self} wants an API key (HTTP {status}): set the environment variable {name} to it"
        return f"{self} does not accept the API key of the environment variable {name} (HTTP {status}): set another one"

    def _error_message(self, content: bytes) -> str:
        text = content.decode("utf-8", "replace")
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict):
            message = message.get("error", message)
        if isinstance(message, dict):
            message = message.get("message", message.get("detail", message))
        return self._quoted(text if message is None else message if isinstance(message, str) else json.dumps(message))

    def _quoted(self, text: str) -> str:
        """Text of the server on one line, without the key."""
        quoted = text[:_MAX_MESSAGE] if self._key is None else without_secret(text[:_MAX_MESSAGE], self._key)
        quoted = " ".join("".join(each if each.isprintable() else " " for each in quoted).split())
        return quoted if len(quoted) <= _MAX_QUOTE else quoted[:_MAX_QUOTE] + "..."


def _retry_after(value: str | None) -> float:
    """Seconds of a Retry-After header; 0 without one."""
    if value is None:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), _LONGEST_WAIT) if seconds == seconds else 0.0
