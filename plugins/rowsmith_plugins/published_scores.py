"""Plugin ``published_scores``: scores of another project, for comparison; nothing asks for them by itself."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl

_ROOT = "rowsmith_plugins.evaluations.published"
_SCORES = (
    ("sqs", "quality_score", "The synthetic quality score of Safe Synthesizer, from 0 to 10"),
    ("dps", "privacy_score", "The data privacy score of Safe Synthesizer, from 0 to 10"),
)


@hookimpl
def rowsmith_evaluations() -> Iterator[Component]:
    """The published scores."""
    for name, module, summary in _SCORES:
        yield Component(
            name=name,
            factory=f"{_ROOT}.{module}:build",
            summary=summary,
            requires=("sklearn",) if name == "dps" else (),
            install="pip install 'rowsmith[evaluation]'" if name == "dps" else "",
        )
