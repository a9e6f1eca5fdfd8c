"""Options of the bundled evaluations of fidelity and utility; this module imports nothing heavy."""

from __future__ import annotations

from attrs import field, frozen

from rowsmith.config.sections import between

__all__ = [
    "ClassifierOptions",
    "CoverageOptions",
    "DownstreamOptions",
    "PairsOptions",
    "RulesOptions",
    "TriplesOptions",
]

_MOST = 10**9


@frozen(kw_only=True)
class PairsOptions:
    """How much of a table ``pair-trends`` compares.

    Attributes:
        max_rows: The most rows of each part.
        max_pairs: The most pairs of columns.
    """

    max_rows: int = field(default=100_000, validator=between(100, _MOST))
    max_pairs: int = field(default=2_000, validator=between(1, _MOST))


@frozen(kw_only=True)
class TriplesOptions:
    """How much of a table ``three-way`` compares.

    Attributes:
        max_rows: The most rows of each part.
        max_triples: The most triples of columns.
    """

    max_rows: int = field(default=50_000, validator=between(100, _MOST))
    max_triples: int = field(default=500, validator=between(1, _MOST))


@frozen(kw_only=True)
class RulesOptions:
    """Where ``rules`` looks.

    Attributes:
        max_rows: The most rows of each part.
        max_pairs: The most pairs of columns that are tried for each kind of rule.
    """

    max_rows: int = field(default=50_000, validator=between(100, _MOST))
    max_pairs: int = field(default=1_000, validator=between(1, _MOST))


@frozen(kw_only=True)
class ClassifierOptions:
    """How ``classifier`` and ``relation-classifier`` learn.

    Attributes:
        max_rows: The most rows of each part.
        folds: Parts of the cross-validation.
        max_features: The most columns and relations between columns that are given to the classifier.
    """

    max_rows: int = field(default=10_000, validator=between(100, _MOST))
    folds: int = field(default=3, validator=between(2, _MOST))
    max_features: int = field(default=80, validator=between(2, _MOST))


@frozen(kw_only=True)
class DownstreamOptions:
    """What ``downstream`` predicts.

    Attributes:
        targets: The columns; empty for the last column of few labels and the last one of numbers.
        max_rows: The most rows of each part.
        max_features: The most columns that a model reads.
    """

    targets: tuple[str, ...] = ()
    max_rows: int = field(default=10_000, validator=between(100, _MOST))
    max_features: int = field(default=40, validator=between(1, _MOST))


@frozen(kw_only=True)
class CoverageOptions:
    """How many rows ``coverage`` compares.

    Attributes:
        max_rows: The most rows of each part.
    """

    max_rows: int = field(default=2_500, validator=between(50, _MOST))
