"""Options for reading tables."""

from __future__ import annotations

import codecs
import encodings.aliases
from collections.abc import Collection, Sequence
from difflib import get_close_matches

from attrs import frozen

from rowsmith.errors import DataError

__all__ = ["ReadOptions", "check_encoding"]


@frozen(kw_only=True)
class ReadOptions:
    """Options for reading a table.

    Attributes:
        encoding: The encoding of text files, as Python names it.
        header: Whether the first record of delimited text names the columns.
        skip_rows: Lines of text files before the table begins.
        drop: Names of dropped columns.
        null_values: Texts read as null, ignoring surrounding spaces; an empty field always is.
    """

    encoding: str = "utf-8"
    header: bool = True
    skip_rows: int = 0
    drop: tuple[str, ...] = ()
    null_values: tuple[str, ...] = ()

    def selected(self, names: Sequence[str]) -> list[int]:
        """Positions of the columns that are not dropped.

        Args:
            names: All names of the table, in order; those of several columns may be the same.

        Raises:
            DataError: A dropped column is missing, or no column remains.
        """
        check_dropped(self.drop, names)
        positions = [position for position, name in enumerate(names) if name not in self.drop]
        if names and not positions:
            raise DataError("data.drop leaves no column of the table; remove a name from it")
        return positions

    def is_null(self, text: str) -> bool:
        """Whether a text is read as null."""
        return text.strip() in self.null_values or text in self.null_values


def check_dropped(drop: Sequence[str], names: Collection[str]) -> None:
    """Check that a table has all dropped columns.

    Raises:
        DataError: A column is missing.
    """
    unknown = [name for name in drop if name not in names]
    if unknown:
        close = get_close_matches(unknown[0], list(names), 1)
        raise DataError(
            f"data.drop names the column {unknown[0]!r}, which the table does not have"
            + (f" (did you mean {close[0]!r}?)" if close else "")
        )


def check_encoding(name: str) -> None:
    """Check that Python knows a text encoding.

    Raises:
        ValueError: It is unknown.
    """
    try:
        "".encode(name)
        b"".decode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        known = {alias.replace("_", "-") for pair in encodings.aliases.aliases.items() for alias in pair}
        close = [each for each in get_close_matches(name.lower(), known, 3) if _is_text_encoding(each)]
        raise ValueError(
            f"{name!r} is not a text encoding that Python knows"
            + (f", did you mean {close[0]!r}?" if close else "; usual ones are utf-8, cp1252, latin-1 and utf-16")
        ) from None


def _is_text_encoding(name: str) -> bool:
    try:
        return bool(codecs.lookup(name)) and isinstance("".encode(name), bytes)
    except (LookupError, ValueError):
        return False
