"""A data frame that is built when it is first read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pandas as pd
from attrs import frozen

__all__ = ["UnbuiltFrame", "with_lazy_frame"]

Made = TypeVar("Made")


@frozen(eq=False)
class UnbuiltFrame:
    """A frame that is not built yet.

    Attributes:
        build: Builds the frame.
    """

    build: Callable[[], pd.DataFrame]

    def __reduce__(self) -> tuple[Any, ...]:
        # What is copied or saved is the frame: what it is built from may be bound to this process.
        return pd.DataFrame, (self.build(),)


def with_lazy_frame(name: str) -> Callable[[type[Made]], type[Made]]:
    """Decorate a class so that an attribute may be given as an ``UnbuiltFrame`` and is a frame when it is read.

    Args:
        name: The attribute.
    """

    def decorate(made: type[Made]) -> type[Made]:
        setattr(made, name, _LazyFrame(name))
        return made

    return decorate


class _LazyFrame:
    """The attribute, which stays an ordinary entry of the instance's dictionary."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type | None = None) -> pd.DataFrame:
        if instance is None or self._name not in vars(instance):
            raise AttributeError(self._name)
        value = vars(instance)[self._name]
        if isinstance(value, UnbuiltFrame):
            vars(instance)[self._name] = value = value.build()
        frame: pd.DataFrame = value
        return frame

    def __set__(self, instance: object, value: pd.DataFrame | UnbuiltFrame) -> None:
        vars(instance)[self._name] = value
