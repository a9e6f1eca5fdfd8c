"""Text of the dialect: strings, lines and the marker for unseen values."""

from __future__ import annotations

from json.encoder import encode_basestring

__all__ = ["ESCAPES", "OTHER", "json_string", "split_lines"]

OTHER = "\x00other"
"""Replaces values in training text that a closed column does not list; never valid in a record."""


def json_string(text: str) -> str:
    r"""Write text as a JSON string.

    Quotes, backslashes and control characters are escaped (``\n`` and the like, else ``\u001f`` with
    lower-case digits); everything else is written as it is.

    Args:
        text: Any text.

    Returns:
        The string with its quotes.
    """
    return encode_basestring(text)


ESCAPES = {
    character: json_string(character)[1:-1]
    for character in map(chr, range(0x80))
    if json_string(character) != f'"{character}"'
}
"""The escaped text of each character that is escaped in a string."""


def split_lines(text: str) -> list[str]:
    r"""Split text at line feeds alone: U+2028 and ``\r`` are ordinary characters.

    Args:
        text: Any text.

    Returns:
        The lines without their line feeds. A last line may be incomplete; an empty text after the last line
        feed is not a line.
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
