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
    "RelationsOptions",
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
        columns: Columns that are keys, whatever they hold.
        exclude: Columns that are never keys.
        min_rows: The least number of values for which uniqueness counts.
        unique_share: The share of distinct values among those of a text column that makes it a key.
        max_length: Text longer than this is not a key.
        k: A pattern, or a character at its position, is reused if at least this many rows have it.
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
        k: A text with fewer rows is a rare value, and is replaced by a drawn value.
        exclude: Columns that are left as they are.
    """

    k: int = field(default=5, validator=_at_least(1))
    exclude: tuple[str, ...] = ()


@frozen(kw_only=True)
class CodesOptions:
    """Which columns of codes are encoded by the numbers in them.

    Attributes:
        k: A code is rare if fewer rows have it.
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
    """How rare values are excluded from the model.

    Attributes:
        k: A value is rare if fewer rows have it.
        replacement: Whether a rare category becomes one of the others (``resample``) or ``label``
            (``constant``).
        label: The text that replaces rare categories.
        exclude: Columns that are left as they are.
        max_values: Without ``quantize`` among the run's transforms: with more distinct values than this, a numeric
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
        k: A step or a position has its own label if at least this many groups have it (or rows, in tables
            of fewer groups).
        exclude: Columns that are not regenerated for each group, although they identify groups; those that name the
            groups always are.
    """

    k: int = field(default=5, validator=_at_least(1))
    exclude: tuple[str, ...] = ()


@frozen(kw_only=True)
class RelationsOptions:
    """Which relations between columns are retained.

    Attributes:
        exclude: Columns that are never encoded by others, and never encode others.
        min_support: Least share of rows in which a relation holds.
    """

    exclude: tuple[str, ...] = ()
    min_support: float = field(default=0.05, validator=_share)


@frozen(kw_only=True)
class SeasonalOptions:
    """From which numeric columns of a time series trend and seasons are subtracted.

    Attributes:
        columns: Columns from which they are always subtracted, however few their values.
        exclude: Columns that are left as they are.
        k: The least number of rows for a coefficient of a curve, and for the ends of its range.
    """

    columns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    k: int = field(default=5, validator=_at_least(1))


@frozen(kw_only=True)
class ChangesOptions:
    """Which numeric columns are encoded by their changes from record to record.

    Attributes:
        columns: Columns that always are.
        exclude: Columns that never are.
        k: The least number of records for a change with its own label, a bin of changes, a level or a mean.
    """

    columns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    k: int = field(default=5, validator=_at_least(1))


@frozen(kw_only=True)
class TextsOptions:
    """Which characters and shapes of free text are learned.

    Attributes:
        k: A character, or a shape, is rare if fewer rows have it; in short tables it is smaller, down to 2.
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
        bins: The most bins of a column, each with about the same number of rows.
        positions: The most positions inside a bin, each with about the same number of rows.
        k: The least number of rows for a position, and for a knot of the distribution inside it.
        value_k: The least number of rows for a value with its own label; a column in which all values have that many is
            left as it is. A greater ``k`` of ``protect-rare`` in the same run applies here and to ``k``.
        max_values: In a column with more distinct values, only frequent values have their own labels.
        atom_share: The least share of rows for a value with its own label in such a column.
        keep_positions: Whether positions are modelled even if no other column depends on them.
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
