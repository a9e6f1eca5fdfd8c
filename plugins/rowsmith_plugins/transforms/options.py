"""Options of the bundled transforms; this module imports nothing heavy."""

from __future__ import annotations

from typing import Any, Literal

from attrs import Attribute, field, frozen

__all__ = [
    "ChangesOptions",
    "CodesOptions",
    "ConstantOptions",
    "DatetimeOptions",
    "GroupsOptions",
    "KeysOptions",
    "MarksOptions",
    "ProtectRareOptions",
    "QuantizeOptions",
    "SeasonalOptions",
    "TextsOptions",
]

_MOST = 10**9


def _at_least(low: int) -> Any:
    def check(instance: object, attribute: Attribute[int], value: int) -> None:
        if value < low:
            raise ValueError(f"{attribute.name} must be at least {low}, got {value}")
        if value > _MOST:
            raise ValueError(f"{attribute.name} must be at most {_MOST:,}, got {value}")

    return check


def _share(instance: object, attribute: Attribute[float], value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"{attribute.name} must be above 0 and at most 1, got {value}")


@frozen(kw_only=True)
class KeysOptions:
    """Which columns are keys, and how new keys are made.

    Attributes:
        columns: Columns that are keys whatever they hold.
        exclude: Columns that are never keys.
        min_rows: The fewest values in which uniqueness means anything.
        unique_share: The share of distinct values among those of a text column that makes it a key.
        max_length: Text longer than this is no key.
        k: A pattern, or a character at its place, is repeated when at least so many rows have it.
    """

    columns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    min_rows: int = field(default=20, validator=_at_least(2))
    unique_share: float = field(default=0.99, validator=_share)
    max_length: int = field(default=64, validator=_at_least(1))
    k: int = field(default=5, validator=_at_least(1))


@frozen(kw_only=True)
class MarksOptions:
    """Which texts among numbers or date-times are labels of their own.

    Attributes:
        k: A text that fewer rows have is a rare value, and a value is drawn for it.
        exclude: Columns that are left as they are.
    """

    k: int = field(default=5, validator=_at_least(1))
    exclude: tuple[str, ...] = ()


@frozen(kw_only=True)
class CodesOptions:
    """Which columns of codes are told by the numbers in them.

    Attributes:
        k: A code is rare when fewer rows have it.
        exclude: Columns that are left as they are.
    """

    k: int = field(default=5, validator=_at_least(1))
    exclude: tuple[str, ...] = ()


@frozen(kw_only=True)
class ConstantOptions:
    """Which constant columns are left out of the model.

    Attributes:
        exclude: Columns that are modelled even when constant.
    """

    exclude: tuple[str, ...] = ()


@frozen(kw_only=True)
class ProtectRareOptions:
    """How values that only few rows have are kept out of the model.

    Attributes:
        k: A value is rare when fewer rows have it.
        replacement: Whether a rare category becomes one of the others (``resample``) or ``label``
            (``constant``).
        label: The text that stands for rare categories.
        exclude: Columns that are left as they are.
        max_values: Without ``quantize`` among the run's transforms: beyond so many distinct values a numeric
            column counts as continuous, and only its extremes are clipped.
    """

    k: int = field(default=5, validator=_at_least(1))
    replacement: Literal["resample", "constant"] = "resample"
    label: str = "_RARE_"
    exclude: tuple[str, ...] = ()
    max_values: int = field(default=300, validator=_at_least(1))


@frozen(kw_only=True)
class GroupsOptions:
    """How the rows of a group become records that follow each other.

    Attributes:
        k: A step or a place is a label of its own when at least so many groups have it (or so many rows, in tables
            of fewer groups).
        exclude: Columns that are not made anew for each group, though they tell groups apart; those that name the
            groups are, all the same.
    """

    k: int = field(default=5, validator=_at_least(1))
    exclude: tuple[str, ...] = ()


@frozen(kw_only=True)
class SeasonalOptions:
    """From which numeric columns of a time series trend and seasons are taken.

    Attributes:
        columns: Columns from which they are, however few their values.
        exclude: Columns that stay as they are.
        k: The fewest rows behind a coefficient of a curve, and behind the ends of its range.
    """

    columns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    k: int = field(default=5, validator=_at_least(1))


@frozen(kw_only=True)
class ChangesOptions:
    """Which numeric columns are told by their changes from record to record.

    Attributes:
        columns: Columns that are, whatever they hold.
        exclude: Columns that are not.
        k: The fewest records behind a change that is a label of its own, a bin of changes, a level or a mean.
    """

    columns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    k: int = field(default=5, validator=_at_least(1))


@frozen(kw_only=True)
class TextsOptions:
    """What of free text is kept.

    Attributes:
        k: A character, or a shape, is rare when fewer rows have it; in short tables it is smaller, down to 2.
        exclude: Columns that are left as they are.
    """

    k: int = field(default=5, validator=_at_least(1))
    exclude: tuple[str, ...] = ()


@frozen(kw_only=True)
class DatetimeOptions:
    """Which date-time columns become calendar parts.

    Attributes:
        exclude: Columns that are left as they are.
    """

    exclude: tuple[str, ...] = ()


@frozen(kw_only=True)
class QuantizeOptions:
    """How numeric columns become labels.

    Attributes:
        bins: The most bins of a column, each with about as many rows.
        positions: The most positions inside a bin, each with about as many rows.
        k: The fewest rows behind a position, and behind a knot of the shape inside it.
        value_k: The fewest rows that earn a value a label of its own; a column all of whose values have so many is
            left as it is. A greater ``k`` of ``protect-rare`` in the same run holds here too, and for ``k``.
        max_values: In a column with more distinct values, only those that stand out have labels of their own.
        atom_share: The least share of rows that earns a value a label of its own in such a column.
        keep_positions: Whether positions are modelled even where they go with no other column.
        exclude: Columns that are left as they are.
    """

    bins: int = field(default=32, validator=_at_least(1))
    positions: int = field(default=32, validator=_at_least(1))
    k: int = field(default=10, validator=_at_least(2))
    value_k: int = field(default=5, validator=_at_least(1))
    max_values: int = field(default=300, validator=_at_least(1))
    atom_share: float = field(default=0.001, validator=_share)
    keep_positions: bool = False
    exclude: tuple[str, ...] = ()
