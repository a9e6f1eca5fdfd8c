"""Words on stderr that no work depends on."""

from __future__ import annotations

import contextlib

import click

__all__ = ["tell"]


def tell(message: str) -> None:
    """Write to stderr, where it can be written to; a run does not end because its log is on a full disk.

    Args:
        message: One or more lines.
    """
    with contextlib.suppress(OSError):
        click.echo(message, err=True)
