"""Text files, optionally compressed: scanned once in blocks, then read as a stream."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from attrs import frozen

from rowsmith.errors import DataError
from rowsmith.table.files.text_encoding import decoded, guess_encoding, is_utf8
from rowsmith.table.limits import Limits

__all__ = ["BOM", "TextScan", "TextSource", "check_text"]

BOM = b"\xef\xbb\xbf"

_PIECE = 1 << 22
_NOT_BREAK = re.compile(rb"[^\r\n]")
_LINE_END = re.compile(rb"\r\n|\n|\r(?=.)", re.DOTALL)

_Stream = io.BufferedReader | gzip.GzipFile


@frozen
class TextScan:
    """Facts about a whole text file, found in one pass.

    Attributes:
        head: Its first bytes, 4 MiB at most.
        size: Its bytes, once decompressed.
        nul: Where the first NUL is; -1 without one.
        quoted: Whether it holds a double quote.
        ended: Whether its last byte ends a line.
        blank: Whether it has only line ends.
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
        encoding: Its encoding; the text is always returned as UTF-8.
        skip_rows: Lines to skip before the table.
    """

    path: Path
    compressed: bool = False
    encoding: str = "utf-8"
    skip_rows: int = 0

    def __str__(self) -> str:
        return str(self.path)

    def open(self) -> _Stream:
        """The text from the beginning of the table, as UTF-8.

        Raises:
            DataError: The lines before the table do not fit the encoding.
            OSError: The file cannot be opened.
        """
        stream = self.raw()
        if not is_utf8(self.encoding):
            stream = decoded(cast(IO[bytes], stream), self.encoding, str(self))
        if self.skip_rows:
            _skip_lines(stream, self.skip_rows)
        return stream

    def raw(self) -> _Stream:
        """The bytes of the file, decompressed.

        Raises:
            OSError: The file cannot be opened.
        """
        return gzip.open(self.path) if self.compressed else self.path.open("rb")

    def scan(self, limits: Limits) -> TextScan:
        """Scan the file once.

        Args:
            limits: Bounds on its size; checked before more than that is decompressed.

        Raises:
            DataError: The file is too large, or is not a complete gzip file.
            OSError: The file cannot be read.
        """
        packed = self.path.stat().st_size
        if not self.compressed:
            limits.check_size(str(self), packed)

        def check(size: int) -> None:
            if self.compressed:
                limits.check_unpacked(str(self), size, packed)
            else:
                limits.check_size(str(self), size)

        try:
            with self.open() as stream:
                return _scan(stream, check)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{self} is not a complete gzip file: {error}") from error

    def not_utf8(self, most: int) -> tuple[int, bytes] | None:
        """Find the first byte that is not UTF-8: its position, and the bytes from there; None if there is none.

        Args:
            most: The most bytes to give.

        Raises:
            OSError: The file cannot be read.
        """
        decoder, read = codecs.getincrementaldecoder("utf-8")(), 0
        with self.open() as stream:
            while True:
                before, piece = decoder.getstate()[0], stream.read(_PIECE)
                try:
                    decoder.decode(piece, final=not piece)
                except UnicodeDecodeError as error:
                    return read - len(before) + error.start, (before + piece)[error.start :][:most]
                if not piece:
                    return None
                read += len(piece)


def _skip_lines(stream: _Stream, count: int) -> None:
    while count and (piece := stream.peek(1)):
        end = _LINE_END.search(piece)
        # A carriage return at the end of a block may be the first half of a line end.
        stream.read(end.end() if end else max(1, len(piece) - 1))
        count -= end is not None


def _scan(stream: _Stream, check_size: Callable[[int], None]) -> TextScan:
    head, last = b"", b""
    size, nul, quoted, blank = 0, -1, False, True
    while piece := stream.read(_PIECE):
        check_size(size + len(piece))
        found = piece.find(b"\0") if nul < 0 else -1
        nul = size + found if found >= 0 else nul
        quoted = quoted or b'"' in piece
        blank = blank and not _NOT_BREAK.search(piece, len(BOM) if not size and piece.startswith(BOM) else 0)
        head = head or piece
        size, last = size + len(piece), piece[-1:]
    return TextScan(head, size, nul, quoted, last in (b"\r", b"\n"), blank)


def check_text(scan: TextScan, where: str, *, skipped: bool = False) -> None:
    """Refuse a file that is not UTF-8 text after its scan.

    Args:
        scan: The scan.
        where: The file, for messages.
        skipped: Whether lines before the table were skipped.

    Raises:
        DataError: The file is empty, holds NUL, or starts like UTF-16 or UTF-32.
    """
    guess = guess_encoding(scan.head)
    wide = guess.startswith(("utf-16", "utf-32"))
    if wide and scan.nul < 0:
        raise DataError(f"{where} is written in {guess.upper()}; set data.encoding: {guess}, or save it as UTF-8")
    if scan.nul >= 0:
        why = (
            f"it looks like {guess.upper()}: set data.encoding: {guess}"
            if wide
            else ("it is damaged, compressed or not text in UTF-8 (data.encoding says what text is in)")
        )
        raise DataError(f"{where} holds a NUL at byte {scan.nul}; {why}")
    if scan.blank:
        raise DataError(
            f"{where} is empty{' after data.skip_rows' if skipped else ''}; at least a header and one row are needed"
        )
