"""Inspection of torch files without loading them.

Such a file is a ZIP archive with a pickle that builds tensors. A pickle holds the names of everything it imports:
one that names anything beyond tensors, arrays and plain containers is refused.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["holds_tensors_alone"]

_MOST_PICKLE = 2**24
_NAMES = frozenset(
    {
        "collections OrderedDict",
        "collections defaultdict",
        "builtins dict",
        "__builtin__ dict",
        "_codecs encode",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_tensor",
        "torch._utils _rebuild_parameter",
        "torch Size",
        "torch device",
        "numpy ndarray",
        "numpy dtype",
        *(f"numpy.{core}.multiarray {name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
        *(
            f"torch {kind}Storage"
            for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
        ),
    }
)
_NAMING = ("GLOBAL", "INST")


def holds_tensors_alone(path: Path) -> bool:
    """Whether a torch file holds tensors and plain containers alone; nothing is run.

    Args:
        path: The file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            inner = [each for each in archive.infolist() if each.filename.endswith(".pkl")]
            if len(inner) != 1 or inner[0].file_size > _MOST_PICKLE:
                return False
            content = archive.read(inner[0])
        return all(name in _NAMES or name.startswith("numpy.dtypes ") for name in _named(content))
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def _named(content: bytes) -> Iterator[str]:
    """Names that a pickle imports, as ``module name``; empty text for those computed at run time."""
    for code, argument, _ in pickletools.genops(content):
        if code.name in _NAMING:
            yield str(argument)
        elif code.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
            # The name is computed while it runs, which torch's own files never do.
            yield ""
