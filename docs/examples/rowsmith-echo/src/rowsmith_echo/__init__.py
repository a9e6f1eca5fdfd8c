"""The manifest of the plugin ``echo``: descriptions made of strings, so that listing costs nothing."""

from collections.abc import Iterator

from rowsmith import Component, hookimpl

rowsmith_plugin_api = 1


@hookimpl
def rowsmith_assemblers() -> Iterator[Component]:
    """What turns records into training examples."""
    yield Component(
        name="echo",
        factory="rowsmith_echo.assembler:build",
        options="rowsmith_echo.options:EchoOptions",
        summary="Every record several times per pass, one record an example",
        requires=("datasets",),
        install='pip install "rowsmith[local]"',
    )


@hookimpl
def rowsmith_processors() -> Iterator[Component]:
    """What reads completions."""
    yield Component(
        name="no-echo",
        factory="rowsmith_echo.processor:build",
        summary="Rejects records that were generated before in the same job",
    )


@hookimpl
def rowsmith_stopping_policies() -> Iterator[Component]:
    """When generation ends."""
    yield Component(
        name="batch-limit",
        factory="rowsmith_echo.stopping:build",
        options="rowsmith_echo.options:BatchLimitOptions",
        summary="Stops after so many batches",
    )
