"""What a document says and what is found, side by side."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
WIDTH = 52


@frozen
class Line:
    """One promise.

    Attributes:
        what: What is looked at.
        said: What the document says of it.
        found: What is so.
        amended: The row of ``docs/conformance.md`` that amends it; None where it is to be as said.
    """

    what: str
    said: Any
    found: Any
    amended: str | None = None

    @property
    def verdict(self) -> str:
        """``as said``, ``amended`` with the row, or a fault."""
        if self.said == self.found:
            return "as said" if self.amended is None else f"NOT AMENDED, {self.amended}"
        if self.amended is None:
            return "DIFFERS"
        return f"amended, {self.amended}" if self.amended in amended_rows() else f"NO SUCH AMENDMENT, {self.amended}"


@define
class Sheet:
    """All promises of one document.

    Attributes:
        document: Its name.
        lines: What was looked at.
    """

    document: str
    lines: list[Line] = field(factory=list)

    def says(self, what: str, said: Any, found: Any, amended: str | None = None) -> None:
        """Put down what the document says beside what is found."""
        self.lines.append(Line(what, said, found, amended))

    def faults(self) -> list[Line]:
        """What is neither as said nor openly amended."""
        return [line for line in self.lines if line.verdict != "as said" and not line.verdict.startswith("amended, ")]

    def __str__(self) -> str:
        head = f"{'':16}  {'what':{WIDTH}}  {'the document says':{WIDTH}}  found"
        rows = [
            f"{line.verdict:16}  {_short(line.what):{WIDTH}}  {_short(line.said):{WIDTH}}  {_short(line.found)}"
            for line in self.lines
        ]
        amended = sum(line.verdict.startswith("amended") for line in self.lines)
        kept = sum(line.verdict == "as said" for line in self.lines)
        last = f"{len(self.lines)} looked at: {kept} as said, {amended} amended, {len(self.faults())} neither"
        return "\n".join([f"# {self.document}", head, *rows, last])


def amended_rows() -> set[str]:
    """The rows of the page that amend something."""
    text = PAGE.read_text(encoding="utf-8")
    return set(re.findall(r"^\| ([A-H]\d+) \| (?:(?! \| ).)+ \| amended", text, re.MULTILINE))


def signature(function: Callable[..., Any], *, added: bool = False) -> str:
    """Parameters and defaults as a document writes them.

    Args:
        function: A function or a class.
        added: Whether to name keyword-only ones, too, which are additions.
    """
    shown = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self" or (parameter.kind is parameter.KEYWORD_ONLY and not added):
            continue
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = "" if parameter.default is parameter.empty else f"={_default(parameter.default)}"
        shown.append(f"{stars}{parameter.name}{default}")
    return ", ".join(shown)


def raised(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The name of what a call raises; ``nothing`` if nothing."""
    try:
        function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__
    return "nothing"


def logged_by(*functions: Callable[[], Any], level: int = logging.INFO) -> list[str]:
    """What the project logs while functions are called."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("rowsmith", "rowsmith_backends")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.addHandler(handler)
            logger.setLevel(level)
        for function in functions:
            function()
    finally:
        for logger, before in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(before)
    return found


def _default(value: Any) -> str:
    # Data classes show a default that is made anew by a marker of their own.
    return "list()" if repr(value) == "<factory>" else repr(value)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
