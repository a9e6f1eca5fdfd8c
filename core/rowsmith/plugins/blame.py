"""Origin of components, so that their errors name the plugin."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from rowsmith.errors import PluginContractError

__all__ = ["attribute_errors", "describe_component", "record_origin"]

_titles: WeakKeyDictionary[object, str] = WeakKeyDictionary()


def record_origin(component: object, title: str) -> None:
    """Record the origin of a component.

    Args:
        component: What a plugin built.
        title: Its kind, name, plugin and distribution.
    """
    # Objects that cannot be weakly referenced or hashed are named by their class.
    with contextlib.suppress(TypeError):
        _titles[component] = title


def describe_component(component: object) -> str:
    """The origin of a component; its class if unknown."""
    with contextlib.suppress(TypeError):
        if component in _titles:
            return _titles[component]
    return f"{type(component).__module__}.{type(component).__qualname__}"


@contextlib.contextmanager
def attribute_errors(component: object) -> Iterator[None]:
    """Add the origin of a component as a note to every error of the block.

    Raises:
        PluginContractError: The component raised ``SystemExit``.
    """
    try:
        yield
    except SystemExit as error:
        # A component must not end the program that it is part of.
        raise PluginContractError(f"{describe_component(component)} wanted to end the program ({error})") from error
    except Exception as error:
        error.add_note(f"in {describe_component(component)}")
        raise
