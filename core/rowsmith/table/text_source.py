"""Text files, perhaps compressed: looked at once in pieces, then read as a stream."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import IO

from attrs import frozen

from rowsmith.errors import DataError
from rowsmith.table.limits import Limits

__all__ = ["BOM", "Look", "TextSource", "check_text"]

BOM = b"\xef\xbb\xbf"

_PIECE = 1 << 22
_BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_NOT_BREAK = re.compile(rb"[^\r\n]")


@frozen
class Look:
    """What one look at a whole text file tells.

    Attributes:
        head: Its first bytes, 4 MiB at most.
        size: Its bytes, once decompressed.
        nul: Where the first NUL is; -1 without one.
        quoted: Whether it holds a double quote.
        ended: Whether its last byte ends a line.
        blank: Whether it holds nothing but line ends.
    """

    head: bytes
    size: int
    nul: int
    quoted: bool
    ended: bool
    blank: bool


@frozen
class TextSource:
    """A text file that can be read several times.

    Attributes:
        path: The file.
        compressed: Whether it is compressed by gzip.
    """

    path: Path
    compressed: bool = False

    def __str__(self) -> str:
        return str(self.path)

    def open(self) -> IO[bytes]:
        """The text from its beginning.

        Raises:
            OSError: The file cannot be opened.
        """
        return gzip.open(self.path) if self.compressed else self.path.open("rb")  # type: ignore[return-value]

    def look(self, limits: Limits) -> Look:
        """Go through the file once.

        Args:
            limits: Bounds on its size; checked before more than that is decompressed.

        Raises:
            DataError: The file is too large, or is no whole gzip file.
            OSError: The file cannot be read.
        """
        if not self.compressed:
            limits.check_size(str(self), self.path.stat().st_size)
        try:
            with self.open() as stream:
                return _look(stream, str(self), limits)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{self} is not a whole gzip file: {error}") from error

    def read(self) -> bytes:
        """The whole text.

        Raises:
            OSError: The file cannot be read.
        """
        with self.open() as stream:
            return stream.read()


def _look(stream: IO[bytes], where: str, limits: Limits) -> Look:
    head, last = b"", b""
    size, nul, quoted, blank = 0, -1, False, True
    while piece := stream.read(_PIECE):
        limits.check_size(where, size + len(piece))
        found = piece.find(b"\0") if nul < 0 else -1
        nul = size + found if found >= 0 else nul
        quoted = quoted or b'"' in piece
        blank = blank and not _NOT_BREAK.search(piece, len(BOM) if not size and piece.startswith(BOM) else 0)
        head = head or piece
        size, last = size + len(piece), piece[-1:]
    return Look(head, size, nul, quoted, last in (b"\r", b"\n"), blank)


def check_text(look: Look, where: str) -> None:
    """Refuse what is not text in UTF-8 at the first look.

    Args:
        look: The look.
        where: The file, for messages.

    Raises:
        DataError: The file is empty, holds NUL, or starts like UTF-16 or UTF-32.
    """
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if look.head.startswith(mark):
            raise DataError(f"{where} is written in {encoding}; save it as UTF-8")
    if look.nul >= 0:
        raise DataError(f"{where} holds a NUL at byte {look.nul}; it is damaged, compressed or not text in UTF-8")
    if look.blank:
        raise DataError(f"{where} is empty; at least a header and one row are needed")
