"""The verdict of an evaluation on stderr."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rowsmith.cli.display.messages import write_stderr
from rowsmith.cli.display.sanitizer import printable
from rowsmith.evaluation.verdict import VerdictLine

if TYPE_CHECKING:
    from rowsmith.evaluation.measure import Finding

__all__ = ["print_verdict", "wrapped_verdict"]

_INDENT = 11
_WIDEST = 120
_PLAIN_WIDTH = 80
_MOST_FINDINGS = 10


def print_verdict(lines: Sequence[VerdictLine], findings: Sequence[Finding] = ()) -> None:
    """Write a verdict, wrapped to the terminal; without one, to 80 columns.

    Args:
        lines: The lines.
        findings: What is wrong, told in full below it.
    """
    told = [VerdictLine(finding.severity.value, finding.message) for finding in findings[:_MOST_FINDINGS]]
    if len(findings) > len(told):
        told.append(VerdictLine("", f"… and {len(findings) - len(told):,} more, which are in the report"))
    terminal = sys.stderr is not None and sys.stderr.isatty()
    width = min(_WIDEST, shutil.get_terminal_size().columns) if terminal else _PLAIN_WIDTH
    write_stderr(wrapped_verdict([*lines, *told], width))


def wrapped_verdict(lines: Sequence[VerdictLine], width: int) -> str:
    """A verdict as text: labels in one column, what they say beside them.

    Args:
        lines: The lines.
        width: The most characters of a line, but for words that are longer.
    """
    wrapped = (
        textwrap.fill(
            printable(line.text),
            max(width, 2 * _INDENT),
            initial_indent=f"{line.label:<{_INDENT}}",
            subsequent_indent=" " * _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    )
    return "\n".join(wrapped)
