"""JSON over HTTP to one endpoint: what may pass is tried again, and everything else is said in words.

The API key is in the headers of the requests and nowhere else; what a server says is quoted without it.
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

__all__ = ["Endpoint", "Refused"]

MOST_BYTES = 4 * 2**20
"""The longest answer that is read to what asks for no completion."""

_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_WAIT = 0.5, 30.0, 300.0
_LONGEST_QUOTE, _LONGEST_SAID = 300, 3_000
# What a server says that is overloaded, starting or restarting.
_PASSING = (408, 425, 429, 500, 502, 503, 504, 529)
_BUSY = (429, 503, 529)

_logger = logging.getLogger(__name__)


class Refused(GenerationError):
    """The server does not do what it was asked, and would not the next time.

    Args:
        message: What it said, and where.
        status: The HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Passing(Exception):
    """Something that may be gone the next time."""

    def __init__(self, what: str, *, wait: float = 0.0, busy: bool = False, silent: bool = False) -> None:
        super().__init__(what)
        self.wait, self.busy, self.silent = wait, busy, silent


class Endpoint:
    """A server, for one event loop.

    Args:
        options: Address, limits and retries.
        key: The API key; None sends none.
        withheld: Whether there is a key that only other hosts may have.
    """

    def __init__(self, options: RemoteOptions, key: str | None, *, withheld: bool = False) -> None:
        self.options = options
        self._key = key
        self._withheld = withheld
        self._answered = -float("inf")
        self._resume_at = 0.0
        self._jitter = np.random.default_rng()
        self._client = httpx2.AsyncClient(
            # Answers are short; what is not compressed cannot unpack to more than was sent.
            headers={"Accept-Encoding": "identity"} | ({} if key is None else {"Authorization": f"Bearer {key}"}),
            timeout=httpx2.Timeout(options.timeout, connect=options.connect_timeout, pool=None),
            # Servers commonly drop connections that were idle for five seconds.
            limits=httpx2.Limits(max_connections=options.concurrency, keepalive_expiry=2.0),
            mounts=dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]")),
            follow_redirects=False,
        )

    def __str__(self) -> str:
        return f"the server {self.options.address}"

    async def get(self, path: str) -> dict[str, Any]:
        """What the server tells at a path; raises as ``post`` does."""
        return await self._persistent("GET", path, None, MOST_BYTES)

    async def post(self, path: str, body: Mapping[str, Any], most_bytes: int) -> dict[str, Any]:
        """What the server answers to a request.

        Args:
            path: Added to the address.
            body: Sent as JSON.
            most_bytes: The longest answer that is read.

        Raises:
            Refused: The server does not do that.
            GenerationError: It does not know the key or has moved; it gave no answer, again and again; or it
                answers without end.
        """
        answer = await self._persistent("POST", path, body, most_bytes)
        self._answered = time.monotonic()
        return answer

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.aclose()

    async def _persistent(
        self, method: str, path: str, body: Mapping[str, Any] | None, most_bytes: int
    ) -> dict[str, Any]:
        failures, since = 0, time.monotonic()
        while True:
            await self._held_back()
            try:
                return await self._once(method, path, body, most_bytes)
            except _Passing as fault:
                going_on, since = self._answered > since, time.monotonic()
                # A server that is only busy gets to everybody at last.
                failures = 0 if fault.busy and going_on else failures + 1
                if failures > self.options.retries or (fault.silent and not going_on):
                    raise GenerationError(self._given_up(failures, fault)) from None
                _logger.debug("%s %s; asking again", self, fault)
                await self._pause(failures, fault)

    async def _held_back(self) -> None:
        while (left := self._resume_at - time.monotonic()) > 0:
            await asyncio.sleep(left)

    async def _pause(self, failures: int, fault: _Passing) -> None:
        if fault.wait:
            self._resume_at = max(self._resume_at, time.monotonic() + fault.wait)
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** max(0, failures - 1))
        await asyncio.sleep(longest * self._jitter.uniform(0.5, 1.0))

    def _given_up(self, failures: int, fault: _Passing) -> str:
        if fault.silent:
            return (
                f"{self} {fault}. See whether it still runs; if it is slow, raise backend.options.timeout or lower "
                "backend.options.concurrency"
            )
        times = "once" if failures == 1 else f"{failures} times in a row"
        return (
            f"{self} {fault} ({times}). See whether it runs and is reached there; backend.options.url is its address, "
            "backend.options.retries how often it is asked again"
        )

    async def _once(self, method: str, path: str, body: Mapping[str, Any] | None, most_bytes: int) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.options.timeout):
                response, content = await self._exchange(method, path, body, most_bytes)
        except (TimeoutError, httpx2.TimeoutException) as error:
            unconnected = isinstance(error, httpx2.ConnectTimeout)
            what = "took no connection" if unconnected else "gave no answer"
            seconds = self.options.connect_timeout if unconnected else self.options.timeout
            raise _Passing(f"{what} within {seconds:g} s", silent=not unconnected) from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise self._unreachable(error) from None
        return self._read(response, content)

    async def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, most_bytes: int
    ) -> tuple[httpx2.Response, bytes]:
        content = bytearray()
        async with self._client.stream(method, self.options.address.rstrip("/") + path, json=body) as response:
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > most_bytes:
                    raise GenerationError(
                        f"{self} sent an answer of more than {most_bytes:,} bytes, which is more than was asked for; "
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
        said = self._quoted(str(error)) or type(error).__name__
        return _Passing(f"broke off the connection or took none ({said})")

    def _read(self, response: httpx2.Response, content: bytes) -> dict[str, Any]:
        status = response.status_code
        if status in _PASSING:
            wait, busy = _retry_after(response.headers.get("retry-after")), status in _BUSY
            raise _Passing(f"answered with HTTP {status} ({self._said(content)})", wait=wait, busy=busy)
        if status in (401, 403):
            raise GenerationError(self._unauthorized(status))
        if 300 <= status < 400:
            where = self._quoted(response.headers.get("location", "another address"))
            raise GenerationError(
                f"{self} sends requests on to {where}; they are not followed, so that nothing goes where it was not "
                "meant to go. Set backend.options.url to the address itself"
            )
        if status != 200:
            raise Refused(f"{self} refused a request with HTTP {status}: {self._said(content)}", status)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise _Passing("answered with something that is no JSON object")
        return answer

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

    def _said(self, content: bytes) -> str:
        text = content.decode("utf-8", "replace")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            found = found.get("error", found)
        if isinstance(found, dict):
            found = found.get("message", found.get("detail", found))
        return self._quoted(text if found is None else found if isinstance(found, str) else json.dumps(found))

    def _quoted(self, text: str) -> str:
        """What came from outside, on one line, without the key."""
        shown = text[:_LONGEST_SAID] if self._key is None else without_secret(text[:_LONGEST_SAID], self._key)
        shown = " ".join("".join(each if each.isprintable() else " " for each in shown).split())
        return shown if len(shown) <= _LONGEST_QUOTE else shown[:_LONGEST_QUOTE] + "..."


def _retry_after(value: str | None) -> float:
    """The seconds that a server wants to be left alone; 0 when it does not say."""
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
