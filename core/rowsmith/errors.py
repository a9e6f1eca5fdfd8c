"""The exception tree of Rowsmith.

::

    RowsmithError
    ├── ConfigError              the configuration is wrong; carries every problem found
    ├── DataError                the table cannot be used as it is
    │   └── RecordError          one record breaks the dialect or its schema
    ├── ParameterError           an argument is outside what a component accepts
    ├── PluginError              a plugin cannot be used
    │   ├── UnknownComponent     no active plugin provides that name
    │   ├── AmbiguousComponent   several plugins provide that name
    │   ├── MissingDependency    the component needs a package that is not installed
    │   ├── PluginLoadError      the plugin failed while being imported or built
    │   └── PluginContractError  what the plugin returned breaks its contract
    ├── AssemblyError            training examples cannot be built
    │   ├── OverlongRecordError  a record does not fit the model's context
    │   └── OverlongGroupError   a group of records does not fit the model's context
    ├── TrainingError            training cannot go on
    ├── GenerationError          generation cannot go on
    ├── EvaluationError          an evaluation cannot go on
    ├── BundleError              a saved model is missing, damaged or of another version
    └── RunDirectoryError        the run directory is in use, not writable or already holds a result

Every message says what is wrong, where, and what to do next. ``exit_code`` is what the command line
returns for the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class RowsmithError(Exception):
    """Base of every error that Rowsmith raises on purpose."""

    exit_code: ClassVar[int] = 4


class ConfigError(RowsmithError, ValueError):
    """The configuration is wrong.

    Args:
        problems: One line per problem, each with the path of the value.
        source: Where the configuration came from, such as a file name.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[str], source: str | None = None) -> None:
        self.problems = tuple(problems)
        self.source = source
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} in {source or 'the configuration'}:"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))


class DataError(RowsmithError, ValueError):
    """The table cannot be used as it is."""

    exit_code = 2


class RecordError(DataError):
    """One record breaks the dialect or its schema.

    Args:
        detailed: What is wrong; may quote cell text.
        summary: The category of the error; never quotes cell text.
    """

    def __init__(self, detailed: str, summary: str) -> None:
        self.detailed = detailed
        self.summary = summary
        super().__init__(detailed)


class ParameterError(RowsmithError, ValueError):
    """An argument is outside what a component accepts."""

    exit_code = 2


class PluginError(RowsmithError):
    """A plugin cannot be used."""

    exit_code = 3


class UnknownComponent(PluginError):
    """No active plugin provides a component of that name."""


class AmbiguousComponent(PluginError):
    """More than one plugin provides a component of that name."""


class MissingDependency(PluginError):
    """The component needs a package that is not installed."""


class PluginLoadError(PluginError):
    """The plugin failed while being imported or built."""


class PluginContractError(PluginError):
    """What the plugin returned breaks the contract of its kind."""


class AssemblyError(RowsmithError):
    """Training examples cannot be built."""

    exit_code = 2


class OverlongRecordError(AssemblyError):
    """A record does not fit the model's context."""


class OverlongGroupError(AssemblyError):
    """A group of records does not fit the model's context."""


class TrainingError(RowsmithError):
    """Training cannot go on."""


class GenerationError(RowsmithError, RuntimeError):
    """Generation cannot go on."""


class EvaluationError(RowsmithError):
    """An evaluation cannot go on."""


class BundleError(RowsmithError):
    """A saved model is missing, damaged or of another version."""

    exit_code = 2


class RunDirectoryError(RowsmithError):
    """The run directory is in use, not writable or already holds a result."""

    exit_code = 2
