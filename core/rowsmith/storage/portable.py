"""A folder as plain data, so that an object whose model lies in files can be pickled and copied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["pack", "unpack"]


def pack(folder: Path) -> dict[str, bytes]:
    """The content of each file of a folder, by its path inside of it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files that ``pack`` read to another folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
