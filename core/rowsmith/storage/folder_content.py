"""The content of a folder as plain data, for pickling and copying objects whose model lies in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["read_folder", "write_folder"]


def read_folder(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder, by path relative to it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def write_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files that ``read_folder`` read to another folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
