"""Standard output, reserved for data."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import IO, Any, cast

__all__ = ["data_stream"]


class _Pipe(io.RawIOBase):
    """A stream that ignores a closed pipe and counts bytes, since pipes have no position."""

    name = "stdout"

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream: IO[bytes] | None = stream
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._position += size
        try:
            if self._stream is not None:
                self._stream.write(data)
        except BrokenPipeError:
            self._stream = None
        return size

    def flush(self) -> None:
        try:
            if self._stream is not None:
                self._stream.flush()
        except BrokenPipeError:
            self._stream = None

    def tell(self) -> int:
        return self._position


@contextlib.contextmanager
def data_stream() -> Iterator[IO[bytes]]:
    """Standard output as bytes; prints of libraries are redirected to stderr.

    Yields:
        The stream. A reader that closes it early is no error.
    """
    pipe = _Pipe(sys.stdout.buffer)
    with contextlib.redirect_stdout(sys.stderr):
        yield cast("IO[bytes]", pipe)
        pipe.flush()
