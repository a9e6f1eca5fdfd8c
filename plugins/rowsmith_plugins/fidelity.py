"""Plugin ``fidelity``: the bundled evaluations of columns, of what ties them, and of what can be learned from rows."""

from __future__ import annotations

from collections.abc import Iterator

from rowsmith.components import Component
from rowsmith.hookspecs import hookimpl

_BUNDLED = (
    ("column-shapes", "fidelity.column_shapes", None, "The distribution of each column by itself"),
    ("tails", "fidelity.tails", None, "The ends of columns of numbers and times"),
    ("values", "fidelity.values", None, "Values that a column cannot hold, lost values and keys"),
    ("null-patterns", "fidelity.null_patterns", None, "Shares of nulls, and which columns are null together"),
    ("pair-trends", "fidelity.pair_trends", "PairsOptions", "What ties two columns"),
    ("rules", "fidelity.rules", "RulesOptions", "Equalities, orderings, sums and dependencies that real rows follow"),
    ("three-way", "fidelity.three_way", "TriplesOptions", "What ties three columns"),
    ("coverage", "fidelity.coverage", "CoverageOptions", "How near synthetic rows are to real ones, and to how many"),
    ("classifier", "utility.classifier", "ClassifierOptions", "How well a classifier separates rows from real ones"),
    (
        "relation-classifier",
        "utility.classifier",
        "ClassifierOptions",
        "The same with differences, ratios and last digits given",
    ),
    ("downstream", "utility.downstream", "DownstreamOptions", "A model trained on synthetic rows, tested on real ones"),
)
_WITHOUT_SKLEARN = frozenset({"column-shapes", "tails", "values", "null-patterns", "pair-trends", "rules", "three-way"})


@hookimpl
def rowsmith_evaluations() -> Iterator[Component]:
    """Evaluations of single rows; those that compare sequences are elsewhere."""
    package = "rowsmith_plugins.evaluations"
    for name, module, options, summary in _BUNDLED:
        light = name in _WITHOUT_SKLEARN
        yield Component(
            name=name,
            factory=f"{package}.{module}:build"
            if name != "relation-classifier"
            else f"{package}.{module}:build_of_relations",
            options=options and f"{package}.options:{options}",
            summary=summary,
            requires=() if light else ("sklearn",),
            install="" if light else "pip install 'rowsmith[evaluation]'",
        )
