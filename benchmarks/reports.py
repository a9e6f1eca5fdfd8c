"""Markdown tables, lines of scores, and the machine that their figures come from."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
_PACKAGES = ("rowsmith", "torch", "transformers", "pyarrow", "numpy", "pandas")


Scores = Mapping[str, float]


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; bars in cells are escaped."""
    return "\n".join(map(row, [headers, ["---"] * len(headers), *rows]))


def row(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def line(name: str, size: int, measures: Sequence[str], scores: Scores) -> list[str]:
    """One line of a table of scores."""
    return [name, f"{size:,}", *(number(scores[measure]) for measure in measures)]


def mean_line(name: str, measures: Sequence[str], all_scores: Sequence[Scores]) -> list[str]:
    """A line of means, in bold."""
    means = [number(float(np.mean([scores[measure] for scores in all_scores]))) for measure in measures]
    return [f"**{name}**", "", *(f"**{mean}**" if mean else "" for mean in means)]


def number(value: float) -> str:
    """Four digits after the point; nothing for NaN."""
    return "" if np.isnan(value) else f"{value:.4f}"


def machine() -> str:
    """One sentence on processor, cores, features and versions."""
    facts = _cpu_facts()
    features = [name for name in _FEATURES if name in facts.get("flags", "").split()]
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES if _version(name))
    model = facts.get("model name") or platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"Machine: {model}, {cores} cores{' with ' + ', '.join(features) if features else ''}; "
        f"Python {platform.python_version()}, {versions}."
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _cpu_facts() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    lines = (line.partition(":") for line in path.read_text().split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}
