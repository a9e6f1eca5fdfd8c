"""A plugin in one file: a subcommand, ``rowsmith hello``."""

from collections.abc import Iterator

import click

from rowsmith import LazyCommand, hookimpl


@hookimpl
def rowsmith_commands() -> Iterator[LazyCommand]:
    """What stands after ``rowsmith``."""
    yield LazyCommand(name="hello", target="hello_command:hello", help="Say hello.")


@click.command()
@click.option("--name", default="world", help="Whom to greet.")
def hello(name: str) -> None:
    """Say hello."""
    click.echo(f"hello, {name}")
