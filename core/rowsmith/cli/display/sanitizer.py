r"""Escaping of terminal control sequences in everything that the command line shows.

Names, cells, paths, words of a server or of a plugin come from anywhere. Escape sequences, other control characters
and marks of writing direction in them are shown as ``\x1b`` and the like. The streams themselves are filtered, so
that messages of click and of libraries are covered as well.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import re
import sys
from collections.abc import Iterator
from typing import IO, Any, TextIO, cast

__all__ = ["Filtered", "filtered_streams", "json_text", "printable", "unfiltered_stderr"]

_RETURN = re.compile(r"\r\n?")


def printable(text: str) -> str:
    """A text in which everything that is no visible character or space is escaped, line ends included."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def json_text(value: Any) -> str:
    """A value as JSON, indented, without a character that a terminal would not show; readers get it back exactly."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)


class Filtered(io.TextIOBase):
    """A text stream that escapes control sequences; lines and tabs stay, a carriage return ends a line.

    Args:
        stream: Where the text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unfiltered = stream
        self.binary = io.BufferedWriter(_FilteredBytes(self), buffer_size=1)

    @property
    def buffer(self) -> IO[bytes]:
        """Binary interface of the stream, which is filtered as well."""
        return cast("IO[bytes]", self.binary)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return self.unfiltered.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """The error handler of the stream's encoding."""
        return self.unfiltered.errors

    def write(self, text: str) -> int:
        """Show a text."""
        shown = text if text.isprintable() else _RETURN.sub("\n", text)
        self.unfiltered.write("".join(_lines(shown)))
        return len(text)

    def flush(self) -> None:
        """Write out all buffered text."""
        if not self.unfiltered.closed:
            self.unfiltered.flush()

    def writable(self) -> bool:
        """True."""
        return True

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self.unfiltered.isatty()

    def fileno(self) -> int:
        """The file descriptor behind it."""
        return self.unfiltered.fileno()


class _FilteredBytes(io.RawIOBase):
    def __init__(self, text: Filtered) -> None:
        self._text = text
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        content = bytes(data)
        self._text.write(self._decoder.decode(content))
        return len(content)

    def flush(self) -> None:
        self._text.flush()


def _lines(text: str) -> Iterator[str]:
    for part in re.split(r"([\n\t])", text):
        yield part if part in ("\n", "\t") else printable(part)


@contextlib.contextmanager
def filtered_streams() -> Iterator[None]:
    """Filter standard error, and standard output where it is a terminal.

    Standard output to a file or a pipe is data and stays exact.
    """
    stderr, stdout = sys.stderr, sys.stdout
    sys.stderr = cast("TextIO", _filtered(stderr))
    if stdout is not None and stdout.isatty():
        sys.stdout = cast("TextIO", _filtered(stdout))
    try:
        yield
    finally:
        sys.stderr, sys.stdout = stderr, stdout


def unfiltered_stderr() -> TextIO:
    """Standard error for drawing code that sanitizes its own text."""
    return sys.stderr.unfiltered if isinstance(sys.stderr, Filtered) else sys.stderr


def _filtered(stream: TextIO | None) -> Any:
    return stream if stream is None or isinstance(stream, Filtered) else Filtered(stream)
