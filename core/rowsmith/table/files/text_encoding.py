"""Text files in other encodings than UTF-8: decoding in blocks, and guessing of encodings."""

from __future__ import annotations

import codecs
import io
from typing import IO

from rowsmith.errors import DataError

__all__ = ["decoded", "guess_encoding", "is_utf8"]

_PIECE = 1 << 20
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MOSTLY = 0.4


def is_utf8(encoding: str) -> bool:
    """Whether an encoding needs no decoding to UTF-8."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def decoded(stream: IO[bytes], encoding: str, where: str) -> io.BufferedReader:
    """A stream of text in another encoding, as UTF-8.

    Args:
        stream: The text; closed with what is returned.
        encoding: Its encoding.
        where: The file, for messages.

    Returns:
        A stream whose ``read`` raises ``DataError`` where a byte does not fit the encoding.
    """
    return io.BufferedReader(_Decoded(stream, encoding, where), _PIECE)


def guess_encoding(data: bytes) -> str:
    """Guess the encoding of the start of a file, or of a part that is not UTF-8."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return encoding
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        every_other = data[first::2]
        if every_other and every_other.count(0) / len(every_other) > _MOSTLY:
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return "cp1252" if _fits(data, "cp1252") else "latin-1"
    return "utf-8"


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


class _Decoded(io.RawIOBase):
    """A text in another encoding as UTF-8, one block in memory at a time."""

    def __init__(self, stream: IO[bytes], encoding: str, where: str) -> None:
        self._stream, self._encoding, self._where = stream, encoding, where
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._taken = 0
        self._waiting = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._waiting and not self._ended:
            self._waiting = self._next()
        part, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _next(self) -> bytes:
        piece = self._stream.read(_PIECE)
        pending = len(self._decoder.getstate()[0])
        self._ended = not piece
        try:
            text = self._decoder.decode(piece, self._ended).encode()
        except UnicodeError as error:
            found = error if isinstance(error, UnicodeDecodeError) else None
            byte = "" if found is None else f" at byte {self._taken - pending + found.start}"
            value = "" if found is None or not found.object else f" (0x{found.object[found.start]:02x})"
            raise DataError(
                f"{self._where} is not {self._encoding}{byte}{value}; set data.encoding to its encoding, "
                f"perhaps {guess_encoding(found.object[found.start :] if found else piece)}"
            ) from error
        self._taken += len(piece)
        return text
