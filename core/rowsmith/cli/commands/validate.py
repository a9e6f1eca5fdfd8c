"""The command ``validate``."""

from __future__ import annotations

import click

from rowsmith.cli.display.messages import write_stderr
from rowsmith.cli.display.sanitizer import json_text
from rowsmith.cli.display.settings import Settings, json_option
from rowsmith.cli.failures import ExitCode
from rowsmith.runs.validation import Findings, check

__all__ = ["validate"]


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Set any value of the configuration.")
@json_option
@click.pass_obj
def validate(settings: Settings, /, config: str, overrides: tuple[str, ...]) -> int:
    """Check the configuration CONFIG and show all that is wrong with it.

    Components are looked up, their options checked and the packages they need searched for; the table is
    not read.
    """
    findings = check(config, overrides)
    if settings.json:
        click.echo(json_text(_plain(config, findings)))
        return _code(findings)
    if findings.valid:
        write_stderr(f"{config} is valid")
        for line in findings.servers:
            write_stderr(line)
    else:
        findings.raise_first(config)
    return ExitCode.DONE


def _plain(config: str, findings: Findings) -> dict[str, object]:
    problems = [
        *({"kind": "config", "message": problem} for problem in findings.problems),
        *({"kind": "plugin", "message": str(error)} for error in findings.plugin_errors),
    ]
    return {"config": config, "valid": findings.valid, "problems": problems, "servers": list(findings.servers)}


def _code(findings: Findings) -> int:
    if findings.problems:
        return ExitCode.USAGE
    return ExitCode.PLUGIN if findings.plugin_errors else ExitCode.DONE
