"""Options of the bundled assemblers, as written in a configuration."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from rowsmith.config.sections import between

__all__ = ["GroupedOptions", "SequentialOptions", "TabularOptions"]


@frozen(kw_only=True)
class TabularOptions:
    """Options of the assembler ``tabular``.

    Attributes:
        overlong: What happens to records that do not fit the model's context: ``error`` names them,
            ``skip`` leaves them out and counts them.
    """

    overlong: Literal["error", "skip"] = "error"


@frozen(kw_only=True)
class GroupedOptions:
    """Options of the assembler ``grouped``.

    Attributes:
        overlong: What happens to groups that do not fit the model's context: ``error`` names them,
            ``skip`` leaves them out and counts them, ``split`` splits each into several sequences.
    """

    overlong: Literal["error", "skip", "split"] = "error"


@frozen(kw_only=True)
class SequentialOptions:
    """Options of the assembler ``sequential``.

    Attributes:
        overlong: What happens to records that do not fit the model's context: ``error`` names them,
            ``skip`` leaves them out and counts them; an example ends where one was left out.
        keep_prefill: Whether the first records of every training group are saved in the model's metadata,
            and so in the bundle. They are real records.
        prefill_records: How many of them.
    """

    overlong: Literal["error", "skip"] = "error"
    keep_prefill: bool = False
    prefill_records: int = field(default=3, validator=between(1, 1_000_000))
