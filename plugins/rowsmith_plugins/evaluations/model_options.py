"""Options of the bundled evaluations of a model."""

from __future__ import annotations

from attrs import Attribute, field, frozen

from rowsmith.config.sections import between

__all__ = [
    "ChoiceOptions",
    "CodeLengthOptions",
    "CompletionOptions",
    "ExposureOptions",
    "ExtractionOptions",
    "NearestOptions",
    "RecordOptions",
]

_ROWS = between(1, 1_000_000)


def _samples(instance: object, attribute: Attribute[int], value: int) -> None:
    if value != 0 and not 2 <= value <= 1_000:
        raise ValueError(f"samples must be 0 for none, or from 2 to 1,000, got {value}")


@frozen(kw_only=True)
class RecordOptions:
    """Options of ``value-accuracy`` and ``membership``.

    Attributes:
        max_rows: The most rows of each table; more are sampled by the seed.
    """

    max_rows: int = field(default=500, validator=_ROWS)


@frozen(kw_only=True)
class CodeLengthOptions:
    """Options of ``code-length``.

    Attributes:
        max_rows: The most rows of each table; more are sampled by the seed.
        orders: Orders of the columns, and of the records, that are tried beside the model's own.
        max_order_rows: The most rows that are scored in each of these orders.
    """

    max_rows: int = field(default=500, validator=_ROWS)
    orders: int = field(default=8, validator=between(1, 1_000))
    max_order_rows: int = field(default=50, validator=_ROWS)


@frozen(kw_only=True)
class CompletionOptions:
    """Options of ``completion``.

    Attributes:
        max_rows: The most rows; more are sampled by the seed.
        given: Columns of the record that the prompt holds; None for half of them, rounded up.
        tolerance: How far a number may be off, as a share of the interquartile range of its column.
        samples: Completions drawn of each record, for the distributions of numbers; 0 for none.
    """

    max_rows: int = field(default=100, validator=_ROWS)
    given: int | None = field(default=None, validator=between(0, 100_000))
    tolerance: float = field(default=0.1, validator=between(0.0, 10.0))
    samples: int = field(default=8, validator=_samples)


@frozen(kw_only=True)
class ChoiceOptions:
    """Options of ``choice``.

    Attributes:
        max_rows: The most rows; more are sampled by the seed.
        max_candidates: The most candidates: the true value, the most frequent ones and random ones.
    """

    max_rows: int = field(default=50, validator=_ROWS)
    max_candidates: int = field(default=8, validator=between(2, 64))


@frozen(kw_only=True)
class ExtractionOptions:
    """Options of ``extraction``.

    Attributes:
        max_rows: The most rows of each table, or groups; more are sampled by the seed.
        released: Rows, or groups, of the release whose expected copies are computed.
        entropy_bits: Bits that the rest of a record must have, by the marginals, for its completion to count.
    """

    max_rows: int = field(default=100, validator=_ROWS)
    released: int = field(default=10_000, validator=between(1, 1_000_000_000))
    entropy_bits: float = field(default=20.0, validator=between(0.0, 10_000.0))


@frozen(kw_only=True)
class ExposureOptions:
    """Options of ``exposure``.

    Attributes:
        column: The column whose values are the secrets of the canaries; None for the one with the most bits.
        alternatives: Secrets drawn for each canary, to compare it with.
    """

    column: str | None = None
    alternatives: int = field(default=500, validator=between(20, 100_000))


@frozen(kw_only=True)
class NearestOptions:
    """Options of ``nearest-string``.

    Attributes:
        max_rows: The most rows of each real table; more are sampled by the seed.
        max_synthetic: The most synthetic rows; more are sampled by the seed.
    """

    max_rows: int = field(default=200, validator=_ROWS)
    max_synthetic: int = field(default=2_000, validator=_ROWS)
