"""The command line: parses, calls the library, prints.

Rows go to a file or, with ``-o -``, to stdout; everything else goes to stderr. Commands and their dependencies are
imported when they run, so that help and listings are quick.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line with the process's arguments; ends the process."""
    from rowsmith.cli.root import cli

    cli(prog_name="rowsmith")
