"""Identity of the pretrained model that an adapter belongs to."""

from __future__ import annotations

from attrs import frozen

__all__ = ["BaseModel"]


@frozen(kw_only=True)
class BaseModel:
    """A pretrained model that a bundle does not hold but builds on.

    Attributes:
        name: Its Hugging Face id, or its folder.
        revision: The commit of the hub; None for a folder.
        digest: Distinguishes it from other models of that name.
    """

    name: str
    revision: str | None
    digest: str
