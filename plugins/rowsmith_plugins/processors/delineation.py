"""Delineation of groups in a completion.

A group is between the text of a BOS and the text of an EOS. If special tokens are not in the text,
the first group begins with the completion, whose prompt ends with BOS, and the last one ends with it, if the
completion ended with EOS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import field, frozen

__all__ = ["Delineator", "Part"]

# Marks inside values are ignored; values have no line ends.
_STRING = r'"(?:[^"\\\n]|\\[^\n])*"'


@frozen
class Part:
    """A part of a completion between two marks, or between a mark and an end.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        begun: Whether a group begins with it.
        ended: Whether a group ends with it.
    """

    start: int
    end: int
    begun: bool
    ended: bool

    @property
    def delimited(self) -> bool:
        """Whether it is a complete group."""
        return self.begun and self.ended


@frozen
class Delineator:
    """Finds the parts of a completion.

    Attributes:
        bos: Text of the token that begins a group; empty if texts never contain it.
        eos: Text of the token that ends a group; empty if texts never contain it.
        continued: Whether prompts end with a BOS, which begins the first group of a completion.
    """

    bos: str = ""
    eos: str = ""
    continued: bool = True
    _marks: re.Pattern[str] = field(init=False)

    @_marks.default
    def _compiled(self) -> re.Pattern[str]:
        return re.compile("|".join([_STRING, *(re.escape(mark) for mark in (self.bos, self.eos) if mark)]))

    def parts(self, text: str, ended: bool) -> Iterator[Part]:
        """The parts of a completion that have text, and empty groups.

        Args:
            text: The completion.
            ended: Whether it ended with EOS, which may be missing in the text.
        """
        one_mark = self.bos == self.eos
        start, begun = 0, self.continued
        for match in self._marks.finditer(text):
            if match.group() not in (self.bos, self.eos):
                continue
            closing = match.group() == self.eos
            if text[start : match.start()].strip() or (begun and closing and not one_mark):
                yield Part(start, match.start(), begun, closing)
            start, begun = match.end(), one_mark or not closing
        if text[start:].strip() or (begun and ended and not (one_mark and start)):
            yield Part(start, len(text), begun, ended)
