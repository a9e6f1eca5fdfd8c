"""Run directories and configurations of unknown origin choose neither who gets a key nor which."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner

from rowsmith import Synthesizer
from rowsmith.config import load_config
from rowsmith.errors import ConfigError, GenerationError
from rowsmith.plugins import Registry
from rowsmith.plugins.permissions import Caller
from rowsmith.plugins.servers import KEY_VARIABLES, ServerOptions, is_named, server_notes
from rowsmith.runs.validation import check

pytest.importorskip("torch")

SECRET, OWN = "AWS-CANARY-4711", "OWN-KEY-0815"


@contextmanager
def listening() -> Iterator[tuple[str, list[str | None]]]:
    """A server that wants a key, and what it was given."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str | None]]]:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("ROWSMITH_API_KEY", OWN)
    monkeypatch.delenv("ROWSMITH_API_URL", raising=False)
    with listening() as found:
        yield found


@pytest.fixture
def invoke() -> Callable[..., Any]:
    from rowsmith.cli.root import cli

    return lambda *words: CliRunner().invoke(cli, list(map(str, words)))


def ask(run: Path, **options: Any) -> None:
    """Make the plan of a run directory ask a server."""
    plan = json.loads((run / "plan.json").read_text())
    plan["config"]["backend"] = {"name": "remote", "options": options}
    (run / "plan.json").write_text(json.dumps(plan))


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "ROWSMITH_API_KEY"])
def test_a_plan_names_no_server_and_no_key(
    bundle: Path, server: tuple[str, list[str | None]], invoke: Callable[..., Any], variable: str
) -> None:
    url, seen = server
    ask(bundle, url=url, api_key_env=variable)
    result = invoke("generate", "--run-dir", bundle, "-n", "3")
    assert result.exit_code == 2
    assert "backend.options.url=URL" in result.output
    assert "ROWSMITH_API_URL" in result.output
    with pytest.raises(ConfigError, match="not taken from saved plans"):
        Synthesizer.load(bundle)
    assert seen == []


def test_the_host_that_a_call_names_gets_the_key_of_the_call(
    bundle: Path, server: tuple[str, list[str | None]], invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = server
    ask(bundle, url="http://elsewhere.invalid/v1", api_key_env="AWS_SECRET_ACCESS_KEY", retries=0)
    told = f"backend: calls {url} with the key of ROWSMITH_API_KEY"
    result = invoke("generate", "--run-dir", bundle, "-n", "3", "--set", f"backend.options.url={url}")
    assert result.exit_code == 4
    assert told in result.output
    monkeypatch.setenv("ROWSMITH_API_URL", url)
    result = invoke("generate", "--run-dir", bundle, "-n", "3")
    assert told in result.output
    monkeypatch.delenv("ROWSMITH_API_URL")
    named = {"name": "remote", "options": {"url": url, "retries": 0}}
    with pytest.raises(GenerationError, match="does not accept the API key"):
        Synthesizer.load(bundle, backend=named).sample(3)
    assert seen == [f"Bearer {OWN}"] * 3


def test_a_plan_of_a_server_can_be_made_here(
    bundle: Path, server: tuple[str, list[str | None]], invoke: Callable[..., Any]
) -> None:
    ask(bundle, url=server[0])
    result = invoke("generate", "--run-dir", bundle, "-n", "3", "--set", "backend=transformers")
    assert result.exit_code == 0, result.output
    assert server[1] == []


def written(path: Path, **options: Any) -> Path:
    path.write_text(json.dumps({"backend": {"name": "remote", "options": options}}))
    return path


def test_a_file_chooses_no_variable_of_its_own(
    tmp_path: Path, server: tuple[str, list[str | None]], invoke: Callable[..., Any]
) -> None:
    config = written(tmp_path / "c.yaml", url=server[0], api_key_env="AWS_SECRET_ACCESS_KEY")
    table = tmp_path / "t.csv"
    table.write_text("a,b\n" + "x,1\ny,2\n" * 20)
    for command in (["validate", config], ["run", table, "-c", config, "--run-dir", tmp_path / "run"]):
        result = invoke(*command)
        assert result.exit_code == 2
        assert "api_key_env=AWS_SECRET_ACCESS_KEY" in result.output
    named = "backend.options.api_key_env=AWS_SECRET_ACCESS_KEY"
    assert invoke("validate", config, "--set", named).exit_code == 0
    assert server[1] == []


@pytest.mark.parametrize("variable", KEY_VARIABLES)
def test_validate_tells_who_is_asked_and_with_which_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, invoke: Callable[..., Any]
) -> None:
    monkeypatch.delenv("ROWSMITH_API_URL", raising=False)
    config = written(tmp_path / "c.yaml", url="https://example.invalid/v1", api_key_env=variable)
    monkeypatch.delenv(variable, raising=False)
    (line,) = check(config).servers
    assert line == f"backend: calls https://example.invalid/v1 without a key ({variable} is not set)"
    monkeypatch.setenv(variable, OWN)
    (line,) = check(config).servers
    assert "without a key" in line
    assert "only to a host that this call names" in line
    (line,) = check(config, ["backend.options.url=https://example.invalid/v1"]).servers
    assert line.endswith(f"with the key of {variable}")
    monkeypatch.setenv("ROWSMITH_API_URL", "https://example.invalid")
    assert "with the key of" in invoke("validate", config).output


def test_a_server_of_a_file_is_asked_without_a_key(
    bundle: Path, server: tuple[str, list[str | None]], tmp_path: Path
) -> None:
    url, seen = server
    synthesizer = Synthesizer.load(bundle)
    from_file = Synthesizer(config=written(tmp_path / "c.yaml", url=url, retries=0))
    synthesizer._config, synthesizer._caller = from_file._config, from_file._caller
    with pytest.raises(GenerationError, match=r"goes only to a host that the call names.*ROWSMITH_API_URL"):
        synthesizer.sample(3)
    assert seen == [None]


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://good.example/v1", True),
        ("http://good.example:80/other", True),
        ("https://good.example/v1", False),
        ("http://good.example:8080/v1", False),
        ("http://good.example.evil.example/v1", False),
        ("http://evil.example/good.example", False),
        (None, False),
    ],
)
def test_a_host_is_named_with_scheme_and_port(url: str | None, named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROWSMITH_API_URL", raising=False)
    caller = Caller(values={"backend": {"name": "remote", "options": {"url": "http://good.example/v1"}}})
    assert is_named(ServerOptions(url=url), caller, "backend") is named


def test_an_address_of_the_environment_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWSMITH_API_URL", "http://user:hunter2@host/v1")
    config = load_config(values={"backend": "remote"})
    with pytest.raises(ConfigError, match="ROWSMITH_API_URL") as caught:
        server_notes(config, Registry(), Caller())
    assert "hunter2" not in str(caught.value)
