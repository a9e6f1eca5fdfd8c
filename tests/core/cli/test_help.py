"""Help: complete, stable and quick."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

COMMANDS = [
    (),
    ("demo",),
    ("run",),
    ("train",),
    ("generate",),
    ("evaluate",),
    ("impute",),
    ("score",),
    ("init",),
    ("validate",),
    ("plugins",),
    ("plugins", "list"),
    ("plugins", "show"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=["-".join(("rowsmith", *command)) for command in COMMANDS])
def test_help_is_as_reviewed(
    command: tuple[str, ...], invoke: Callable[..., Result], golden: Callable[[str, str], None]
) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    golden(f"help/{'-'.join(('rowsmith', *command))}.txt", result.stdout)


def test_every_command_has_its_help_reviewed(invoke: Callable[..., Result]) -> None:
    from rowsmith.cli.commands.plugins import plugins
    from rowsmith.cli.root import cli

    context = click.Context(cli)
    names = {(name,) for name in cli.list_commands(context)}
    names |= {("plugins", name) for name in plugins.list_commands(context)}
    assert names == set(COMMANDS) - {()}


def test_light_commands_import_nothing_heavy(environment: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("training: {max_time: 60s}\ntransforms: [keys, quantize]\n")
    code = f"""
        import sys
        from rowsmith.cli.root import cli
        calls = [["--help"], ["--version"], ["plugins", "list"], ["plugins", "show", "quantize"]]
        calls += [["validate", {str(config)!r}]]
        calls += [[name, "--help"] for name in ("run", "train", "generate", "init", "validate", "demo", "plugins")]
        for call in calls:
            try:
                cli(call)
            except SystemExit as end:
                assert end.code == 0, (call, end.code)
        heavy = {{"pandas", "numpy", "pyarrow", "torch", "transformers", "datasets", "rich"}} & set(sys.modules)
        assert not heavy, heavy
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_misspelled_command_gets_a_hint(invoke: Callable[..., Result]) -> None:
    result = invoke("generat")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Did you mean 'generate'?" in result.stderr


def test_version(invoke: Callable[..., Result]) -> None:
    from rowsmith import __version__

    assert invoke("--version").stdout == f"rowsmith {__version__}\n"
