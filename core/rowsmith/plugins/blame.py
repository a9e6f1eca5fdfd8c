"""Which plugin a component came from, so that what goes wrong in it later names that plugin."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from rowsmith.errors import PluginContractError

__all__ = ["blaming", "describe_component", "remember"]

_titles: WeakKeyDictionary[object, str] = WeakKeyDictionary()


def remember(component: object, title: str) -> None:
    """Keep where a component came from.

    Args:
        component: What a plugin built.
        title: Its kind, its name, its plugin and distribution.
    """
    # Some objects cannot be keys; those are named by their class.
    with contextlib.suppress(TypeError):
        _titles[component] = title


def describe_component(component: object) -> str:
    """Where a component came from, or at least its class."""
    with contextlib.suppress(TypeError):
        if component in _titles:
            return _titles[component]
    return f"{type(component).__module__}.{type(component).__qualname__}"


@contextlib.contextmanager
def blaming(component: object) -> Iterator[None]:
    """Note on every error of the block where the component came from that it happened in."""
    try:
        yield
    except SystemExit as error:
        # A component is no program: it cannot end the one that it is part of.
        raise PluginContractError(f"{describe_component(component)} wanted to end the program ({error})") from error
    except Exception as error:
        error.add_note(f"in {describe_component(component)}")
        raise
