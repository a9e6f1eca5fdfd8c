"""Options of the bundled stopping policies."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from rowsmith.components import ComponentRef
from rowsmith.config import parse_duration

__all__ = ["CombinedOptions", "PatienceOptions", "QualityOptions", "TimeLimitOptions"]


def _check_share(instance: object, attribute: Any, value: float | None) -> None:
    if value is not None and not 0.0 <= value <= 1.0:
        raise ValueError(f"expected a number between 0 and 1, got {value}")


def _check_patience(instance: object, attribute: Any, value: int | None) -> None:
    if value is not None and not 1 <= value <= 10**9:
        raise ValueError(f"expected at least 1 batch and at most {10**9:,}, got {value}")


def _check_duration(instance: object, attribute: Any, value: float | str) -> None:
    seconds = parse_duration(value)
    if seconds is None or not 0.0 < seconds < float("inf"):
        raise ValueError(f"expected a time above 0, such as 600 or '10m', got {value!r}")


def _check_some(instance: object, attribute: Any, value: tuple[ComponentRef, ...]) -> None:
    if not value:
        raise ValueError("expected at least one policy")


@frozen(kw_only=True)
class PatienceOptions:
    """Options of ``patience``.

    Attributes:
        invalid_fraction_threshold: Share of invalid records, on average, that is too high; None takes
            ``generation.invalid_fraction_threshold``.
        patience: Consecutive batches above the threshold; None takes ``generation.patience``.
    """

    invalid_fraction_threshold: float | None = field(default=None, validator=_check_share)
    patience: int | None = field(default=None, validator=_check_patience)


@frozen(kw_only=True)
class TimeLimitOptions:
    """Options of ``time-limit``.

    Attributes:
        seconds: A number of seconds, or text such as ``90s``, ``10m`` or ``1.5h``.
    """

    seconds: float | str = field(default=600.0, validator=_check_duration)


@frozen(kw_only=True)
class CombinedOptions:
    """Options of ``any-of`` and ``all-of``.

    Attributes:
        policies: The policies to combine, each a name or a name with options.
    """

    policies: tuple[ComponentRef, ...] = field(default=(), validator=_check_some)


def _between(low: float, high: float) -> Any:
    def check(instance: object, attribute: Any, value: float) -> None:
        if not low <= value <= high:
            raise ValueError(f"expected a number from {low:,} to {high:,}, got {value}")

    return check


@frozen(kw_only=True)
class QualityOptions:
    """Options of ``quality``.

    Attributes:
        patience: Trials without gain that end training.
        min_gain: What the quality must rise by to count as a gain.
        rows: Rows that are sampled for a trial; of series, as many series as are held out.
        trials: Trials of a training that does all of its steps.
        most_time: The share of the time of training that trials may take; a budget of steps is not timed.
        measures: Table evaluations that make the quality; empty for ``column-shapes`` and ``pair-trends``, and of
            grouped tables and series ``sequence-lengths`` and ``transitions`` besides.
    """

    patience: int = field(default=4, validator=_between(1, 10**6))
    min_gain: float = field(default=0.002, validator=_between(0.0, 1.0))
    rows: int = field(default=500, validator=_between(10, 10**6))
    trials: int = field(default=20, validator=_between(1, 10**6))
    most_time: float = field(default=0.1, validator=_between(0.001, 1.0))
    measures: tuple[str, ...] = ()
