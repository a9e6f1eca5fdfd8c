"""Methods that the components of each kind must have, checked when a plugin builds one.

Only presence and shape are checked here, so that a class written from the documentation alone
passes without inheriting anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rowsmith.components import Kind
from rowsmith.errors import PluginContractError

if TYPE_CHECKING:
    from rowsmith.plugins.records import ProvidedComponent

__all__ = ["REQUIRED_METHODS", "check_contract"]

REQUIRED_METHODS: Mapping[Kind, tuple[str, ...]] = {
    Kind.ASSEMBLER: ("assemble_training_examples",),
    Kind.BACKEND: ("initialize", "prepare_params", "generate", "teardown"),
    Kind.PROCESSOR: ("__call__",),
    Kind.STOPPING: ("decide",),
    Kind.MODEL: ("prepare", "train"),
    Kind.TRANSFORM: ("fit", "restore"),
    # Evaluations of tables and of models have different methods; what runs them checks which it is.
    Kind.EVALUATION: (),
    Kind.TRAINING_STOPPING: ("decide",),
}


def check_contract(kind: Kind, component: object, found: ProvidedComponent) -> None:
    """Refuse a component that lacks a method of its kind.

    Raises:
        PluginContractError: Names the missing methods, the plugin and its distribution.
    """
    made = f"{kind.words} {found.title}: {found.component.factory} returned {_article(type(component).__name__)}"
    if component is None or isinstance(component, type):
        what = "None" if component is None else f"the class {component.__name__}"
        raise PluginContractError(
            f"{kind.words} {found.title}: {found.component.factory} returned {what}, not an object of this kind."
        )
    missing = [name for name in REQUIRED_METHODS[kind] if not callable(getattr(component, name, None))]
    if missing:
        raise PluginContractError(f"{made}, which lacks {', '.join(missing)}.")


def _article(name: str) -> str:
    return f"{'an' if name[:1].upper() in 'AEIOU' else 'a'} {name}"
