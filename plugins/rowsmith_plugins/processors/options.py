"""Options of the bundled processors."""

from __future__ import annotations

from attrs import frozen

__all__ = ["GroupedOptions"]


@frozen(kw_only=True)
class GroupedOptions:
    """Options of ``grouped``.

    Attributes:
        group_by_accept_no_delineator: Whether a completion without one delimited group is read as one group.
        group_by_ignore_invalid_records: Whether the valid records of a group are accepted if others are invalid.
        group_by_fix_non_unique_value: Whether all records of a group get the group value of its first one,
            if they differ; otherwise such a group is rejected.
        group_by_fix_unordered_records: Whether the records of a group are sorted if they are out of order;
            otherwise such a group is rejected.
    """

    group_by_accept_no_delineator: bool = False
    group_by_ignore_invalid_records: bool = False
    group_by_fix_non_unique_value: bool = False
    group_by_fix_unordered_records: bool = False
