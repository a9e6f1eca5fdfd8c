"""Plugin ``model-evaluations``: what a trained model knows of real rows, and what it gives away of them."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import JUDGES_MODEL, Component
from rowsmith.hookspecs import hookimpl

_EVALUATIONS = "rowsmith_plugins.evaluations"
_BUNDLED = (
    ("code-length", "code_length", "CodeLengthOptions", "Bits a record and a column, against the marginals"),
    ("value-accuracy", "value_accuracy", "RecordOptions", "Values whose tokens are predicted from those before"),
    ("completion", "completion", "CompletionOptions", "Values of a record completed from its first columns"),
    ("choice", "choice", "ChoiceOptions", "The true value chosen among candidates"),
    ("membership", "membership", "RecordOptions", "Training rows separated from held-out rows by loss"),
    ("extraction", "extraction", "ExtractionOptions", "Training rows that a release holds word for word"),
    ("exposure", "exposure", "ExposureOptions", "How far up planted secrets rank among others"),
    ("nearest-string", "nearest_string", "NearestOptions", "Training rows identified by the nearest synthetic row"),
)
# What needs scipy.
_SCIPY = frozenset({"extraction", "exposure"})


@hookimpl
def rowsmith_evaluations() -> Iterator[Component]:
    """What needs a trained model, and tables."""
    for name, module, options, summary in _BUNDLED:
        yield Component(
            name=name,
            factory=f"{_EVALUATIONS}.{module}:build",
            options=f"{_EVALUATIONS}.model_options:{options}",
            summary=summary,
            capabilities=frozenset({JUDGES_MODEL}),
            requires=("scipy",) if name in _SCIPY else (),
            install='pip install "rowsmith[evaluation]"' if name in _SCIPY else "",
        )
