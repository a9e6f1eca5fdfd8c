"""Requirements such as ``rowsmith-foo>=1.2,<2``, checked against what is installed.

Versions are compared by their release numbers alone; for anything finer, let the package manager
decide.
"""

from __future__ import annotations

import importlib.metadata
import operator
import re
from collections.abc import Callable, Sequence

__all__ = ["check_requirement", "unmet_requirements"]

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_CLAUSE = r"(>=|<=|==|!=|<|>)\s*([0-9]+(?:\.[0-9]+)*)"
_REQUIREMENT = re.compile(rf"\s*({_NAME})\s*((?:{_CLAUSE}\s*,\s*)*(?:{_CLAUSE})?)\s*")
_COMPARE: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


def check_requirement(requirement: str) -> None:
    """Refuse text that is no requirement.

    Raises:
        ValueError: With an example of what is.
    """
    if len(requirement) > 200 or not _REQUIREMENT.fullmatch(requirement):
        raise ValueError(f"expected a requirement such as 'rowsmith-foo>=1.2', got {requirement[:60]!r}")


def _release(version: str) -> tuple[int, ...]:
    match = re.match(r"[vV]?([0-9]+(?:\.[0-9]+)*)", version)
    numbers = [int(part) for part in match[1].split(".")] if match else [0]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _problem(requirement: str) -> str | None:
    match = _REQUIREMENT.fullmatch(requirement)
    if match is None:
        return f"{requirement!r} is not a requirement"
    try:
        installed = importlib.metadata.version(match[1])
    except importlib.metadata.PackageNotFoundError:
        return f"{match[1]} is not installed. Install with: pip install {requirement.strip()!r}"
    for sign, version in re.findall(_CLAUSE, match[2]):
        if not _COMPARE[sign](_release(installed), _release(version)):
            return f"{match[1]} {installed} is installed, but the run needs {requirement.strip()!r}"
    return None


def unmet_requirements(requirements: Sequence[str]) -> tuple[str, ...]:
    """What is missing or of another version, one line each."""
    return tuple(problem for requirement in requirements if (problem := _problem(requirement)) is not None)
