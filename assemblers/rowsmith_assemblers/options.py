"""Options of the bundled assemblers, as a configuration writes them."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

__all__ = ["TabularOptions"]


@frozen(kw_only=True)
class TabularOptions:
    """Options of the assembler ``tabular``.

    Attributes:
        overlong: What happens to records that do not fit the model's context: ``error`` names them,
            ``skip`` leaves them out and counts them.
    """

    overlong: Literal["error", "skip"] = "error"
