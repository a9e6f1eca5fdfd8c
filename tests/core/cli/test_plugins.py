"""What the command line tells of plugins, and the commands that they add."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

BROKEN = "import no_such_module_anywhere\n"
COMMANDS = """
    import click
    from rowsmith import LazyCommand, hookimpl

    @hookimpl
    def rowsmith_commands():
        yield LazyCommand(name="greet", target="greeting_module:greet", help="Say hello.")

    @click.command()
    @click.argument("name")
    def greet(name):
        click.echo(f"hello {name}")
"""
COMPONENT = """
    from attrs import field, frozen
    from rowsmith import Component, hookimpl

    @frozen(kw_only=True)
    class Options:
        '''Options.

        Attributes:
            host: Where it runs,
                with its port.
            tries: How often to try.
        '''

        host: str
        tries: int = field(default=3, metadata={"help": "How often."})

    @hookimpl
    def rowsmith_backends():
        yield Component(
            name="far", factory="faraway_module:build", options="faraway_module:Options", summary="Runs elsewhere",
            requires=("no_such_package",), install="pip install no-such-package", aliases=("away",),
        )
"""


def test_list_names_every_plugin_and_its_provider(invoke: Callable[..., Result]) -> None:
    result = invoke("plugins", "list")
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "active" in lines["standard"]
    assert "rowsmith" in lines["standard"]
    assert "quantize" in lines["standard"]


def test_a_failed_plugin_is_listed_with_its_reason(invoke: Callable[..., Result], plugin: Callable[..., None]) -> None:
    plugin("broken", BROKEN)
    found = {row["name"]: row for row in json.loads(invoke("plugins", "list", "--json").stdout)["plugins"]}
    assert found["broken"]["status"] == "failed"
    assert found["broken"]["distribution"] == "rowsmith-broken"
    assert "no_such_module_anywhere" in found["broken"]["error"]
    assert found["standard"]["status"] == "active"
    assert "no_such_module_anywhere" in invoke("plugins", "list").stdout


def test_list_by_kind(invoke: Callable[..., Result]) -> None:
    rows = json.loads(invoke("plugins", "list", "--kind", "stopping", "--json").stdout)["plugins"]
    assert {component["kind"] for row in rows for component in row["components"]} == {"stopping"}


def test_show_tells_options_from_the_docstring(invoke: Callable[..., Result], plugin: Callable[..., None]) -> None:
    plugin("faraway", COMPONENT)
    page = json.loads(invoke("plugins", "show", "far", "--json").stdout)["components"][0]
    host, tries = page["options"]
    assert (host["name"], host["type"], host["required"], host["help"]) == (
        "host",
        "str",
        True,
        "Where it runs, with its port.",
    )
    assert (tries["default"], tries["help"]) == (3, "How often.")
    assert page["missing"] == ["no_such_package"]
    text = invoke("plugins", "show", "faraway:far").stdout
    assert "pip install no-such-package" in text
    assert "backend: far" in text
    assert invoke("plugins", "show", "away").stdout == text


def test_the_example_of_every_component_is_a_valid_configuration(invoke: Callable[..., Result]) -> None:
    from rowsmith.config import load_config

    listed = json.loads(invoke("plugins", "list", "--json").stdout)["plugins"]
    names = {component["name"] for row in listed for component in row["components"]}
    assert {"scratch", "transformers", "tabular", "patience", "quantize"} <= names
    for name in names:
        for page in json.loads(invoke("plugins", "show", name, "--json").stdout)["components"]:
            import yaml

            load_config(values=yaml.safe_load(page["example"]))


def test_show_an_unknown_component(invoke: Callable[..., Result]) -> None:
    result = invoke("plugins", "show", "quantise")
    assert result.exit_code == 3
    assert "Did you mean 'quantize'?" in result.stderr


def test_a_plugin_adds_a_command(invoke: Callable[..., Result], plugin: Callable[..., None]) -> None:
    plugin("greeting", COMMANDS)
    assert invoke("greet", "Ada").stdout == "hello Ada\n"
    assert "Say hello. [rowsmith-greeting]" in invoke("--help").stdout


def test_a_command_of_two_plugins_is_ambiguous(invoke: Callable[..., Result], plugin: Callable[..., None]) -> None:
    plugin("greeting", COMMANDS)
    plugin("again", COMMANDS.replace("greeting_module", "again_module"))
    result = invoke("greet", "Ada")
    assert result.exit_code == 3
    assert "rowsmith-again" in result.stderr
    assert "rowsmith-greeting" in result.stderr


def test_a_broken_plugin_disturbs_no_command(invoke: Callable[..., Result], plugin: Callable[..., None]) -> None:
    plugin("broken", BROKEN)
    plugin("greeting", COMMANDS)
    assert invoke("--help").exit_code == 0
    assert invoke("greet", "Ada").exit_code == 0
