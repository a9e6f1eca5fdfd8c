"""The hooks that a plugin may implement, and the markers to do so with.

A plugin is a module named in the entry-point group ``rowsmith.plugins``. Registration hooks take
no arguments and yield descriptions made of strings; they must be quick and import nothing heavy.
Observer hooks are called with what a run does; whatever they raise is logged and changes nothing.

New hooks may be added and observers may gain arguments at the end; anything else raises
``PLUGIN_API``. A plugin may state the version it was written for as ``rowsmith_plugin_api = 1``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from rowsmith.components import Component, LazyCommand
    from rowsmith.observers import BatchReport, RunInfo, RunReport

__all__ = ["GROUP", "OBSERVERS", "PLUGIN_API", "PROJECT", "hookimpl", "hookspec"]

PROJECT = "rowsmith"
GROUP = "rowsmith.plugins"
PLUGIN_API = 1

OBSERVERS = ("rowsmith_run_started", "rowsmith_batch_finished", "rowsmith_run_finished")

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def rowsmith_assemblers() -> Iterable[Component]:
    """Yield what turns records into training examples.

    Example::

        from rowsmith import Component, hookimpl

        @hookimpl
        def rowsmith_assemblers():
            yield Component(
                name="shuffled",
                factory="my_package.assembler:build",
                options="my_package.options:ShuffledOptions",
                summary="Records in random order",
            )
    """
    raise NotImplementedError


@hookspec
def rowsmith_backends() -> Iterable[Component]:
    """Yield what runs a model: prompts in, completions out, and the lifecycle of generation.

    Example::

        from rowsmith import Component, hookimpl

        @hookimpl
        def rowsmith_backends():
            yield Component(
                name="my-engine",
                factory="my_package.backend:build",
                requires=("my_engine",),
                install="pip install my-engine",
                capabilities=frozenset({"seed"}),
            )
    """
    raise NotImplementedError


@hookspec
def rowsmith_processors() -> Iterable[Component]:
    """Yield what reads completions: text in, valid and invalid records out.

    Example::

        from rowsmith import Component, hookimpl

        @hookimpl
        def rowsmith_processors():
            yield Component(name="strict", factory="my_package.processor:build")
    """
    raise NotImplementedError


@hookspec
def rowsmith_stopping_policies() -> Iterable[Component]:
    """Yield what decides when generation ends.

    Example::

        from rowsmith import Component, hookimpl

        @hookimpl
        def rowsmith_stopping_policies():
            yield Component(name="budget", factory="my_package.stopping:build")
    """
    raise NotImplementedError


@hookspec
def rowsmith_models() -> Iterable[Component]:
    """Yield kinds of model that can be trained (provisional until version 1.0).

    Example::

        from rowsmith import Component, hookimpl

        @hookimpl
        def rowsmith_models():
            yield Component(name="tiny", factory="my_package.model:build")
    """
    raise NotImplementedError


@hookspec
def rowsmith_transforms() -> Iterable[Component]:
    """Yield reversible steps before training, undone after generation (provisional until 1.0).

    Example::

        from rowsmith import Component, hookimpl

        @hookimpl
        def rowsmith_transforms():
            yield Component(name="log-scale", factory="my_package.transform:build")
    """
    raise NotImplementedError


@hookspec
def rowsmith_evaluations() -> Iterable[Component]:
    """Yield measures of the model or of the synthetic table (provisional until version 1.0).

    Example::

        from rowsmith import Component, hookimpl

        @hookimpl
        def rowsmith_evaluations():
            yield Component(name="coverage", factory="my_package.evaluation:build")
    """
    raise NotImplementedError


@hookspec
def rowsmith_training_stopping() -> Iterable[Component]:
    """Yield what decides when training ends, by rows sampled meanwhile (provisional until version 1.0).

    Example::

        from rowsmith import Component, hookimpl

        @hookimpl
        def rowsmith_training_stopping():
            yield Component(name="good-enough", factory="my_package.training:build")
    """
    raise NotImplementedError


@hookspec
def rowsmith_commands() -> Iterable[LazyCommand]:
    """Yield subcommands of the command line (provisional until version 1.0).

    Example::

        from rowsmith import LazyCommand, hookimpl

        @hookimpl
        def rowsmith_commands():
            yield LazyCommand(name="upload", target="my_package.cli:upload", help="Send a table.")
    """
    raise NotImplementedError


@hookspec
def rowsmith_run_started(run: RunInfo) -> None:
    """A run begins.

    Example::

        from rowsmith import hookimpl

        @hookimpl
        def rowsmith_run_started(run):
            print(run.run_directory)

    Args:
        run: Where it writes and how it is configured.
    """


@hookspec
def rowsmith_batch_finished(run: RunInfo, batch: BatchReport) -> None:
    """A batch of completions has been read.

    Example::

        from rowsmith import hookimpl

        @hookimpl
        def rowsmith_batch_finished(run, batch):
            print(batch.valid_records, batch.invalid_records)

    Args:
        run: The run.
        batch: What the batch brought.
    """


@hookspec
def rowsmith_run_finished(run: RunInfo, report: RunReport) -> None:
    """A run has ended, also when it fell short of its target.

    Example::

        from rowsmith import hookimpl

        @hookimpl
        def rowsmith_run_finished(run, report):
            print(report.status, report.rows)

    Args:
        run: The run.
        report: How it ended.
    """
