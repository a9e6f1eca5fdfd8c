"""What a plugin registers: light descriptions of components, made of strings.

Strings and not classes, so that listing, validating and dry-running import neither a plugin's
heavy modules nor its options.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

__all__ = ["JUDGES_MODEL", "Component", "ComponentRef", "Kind", "LazyCommand", "is_target"]

JUDGES_MODEL = "judges-model"
"""Capability of an evaluation that asks a trained model, and does not compare tables."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class Kind(enum.StrEnum):
    """The kinds of component; each value is the name in the configuration and in messages."""

    ASSEMBLER = "assembler"
    BACKEND = "backend"
    PROCESSOR = "processor"
    STOPPING = "stopping"
    MODEL = "model"
    TRANSFORM = "transform"
    EVALUATION = "evaluation"
    TRAINING_STOPPING = "training-stopping"

    @property
    def hook(self) -> str:
        """The registration hook of this kind."""
        return _HOOKS[self]

    @property
    def words(self) -> str:
        """The kind in messages."""
        return _WORDS.get(self, self.value)


_HOOKS = {
    Kind.ASSEMBLER: "rowsmith_assemblers",
    Kind.BACKEND: "rowsmith_backends",
    Kind.PROCESSOR: "rowsmith_processors",
    Kind.STOPPING: "rowsmith_stopping_policies",
    Kind.MODEL: "rowsmith_models",
    Kind.TRANSFORM: "rowsmith_transforms",
    Kind.EVALUATION: "rowsmith_evaluations",
    Kind.TRAINING_STOPPING: "rowsmith_training_stopping",
}
_WORDS = {Kind.STOPPING: "stopping policy", Kind.TRAINING_STOPPING: "training stopping policy"}


def is_target(text: str) -> bool:
    """Whether a text has the shape ``package.module:name``."""
    return _TARGET.fullmatch(text) is not None


def _check_name(instance: object, attribute: Any, value: str) -> None:
    if not _NAME.fullmatch(value):
        raise ValueError(f"component name {value!r} must be lower-case words joined by '-', such as 'my-backend'")


def _check_target(instance: object, attribute: Any, value: Any) -> None:
    if value is not None and not is_target(value):
        raise ValueError(f"{attribute.name} {value!r} must look like 'package.module:name'")


@frozen(kw_only=True)
class Component:
    """A component that a plugin provides.

    Attributes:
        name: The name users write in the configuration.
        factory: ``module:builder``; called as ``builder(context, options)``.
        options: ``module:Class`` of a frozen attrs class with defaults for every field, or None
            when the component takes no options. Its module must import light.
        summary: One line for listings.
        aliases: Other names that find the component.
        requires: Top-level modules that must be installed.
        install: The command that installs them, shown when one is missing.
        capabilities: What the component can do, checked before a run starts.
    """

    name: str = field(validator=_check_name)
    factory: str = field(validator=_check_target)
    options: str | None = field(default=None, validator=_check_target)
    summary: str = ""
    aliases: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    install: str = ""
    capabilities: frozenset[str] = frozenset()


@frozen(kw_only=True)
class LazyCommand:
    """A command-line subcommand that a plugin provides, imported when it is called.

    Attributes:
        name: The word after ``rowsmith``.
        target: ``module:command`` of a click command.
        help: One line for the list of commands.
    """

    name: str = field(validator=_check_name)
    target: str = field(validator=_check_target)
    help: str = ""


@frozen(kw_only=True)
class ComponentRef:
    """What a configuration says about a component: its name or its factory, and its options.

    Attributes:
        name: A component's name, an alias, or ``plugin:name``; None when ``factory`` is given.
        factory: ``module:builder`` of a component that no distribution registers.
        options: Options as written, not yet converted.
    """

    name: str | None = None
    factory: str | None = None
    options: Mapping[str, Any] = field(factory=dict)
