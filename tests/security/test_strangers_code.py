"""Saved models and plans run no code that the call does not name, and never code that may have come with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rowsmith import Synthesizer
from rowsmith.components import ComponentRef, Kind
from rowsmith.errors import PluginContractError, PluginLoadError
from rowsmith.plugins import Registry
from rowsmith.plugins.blame import attribute_errors
from rowsmith.plugins.imports import import_target

from .conftest import seal

pytest.importorskip("torch")

STRANGE = ["helpers:build", "unittest.__main__:main", "os:system", "this:s", "antigravity:fly"]


def plant(folder: Path, canary: Path) -> None:
    """A module in a folder that writes a file as it is imported."""
    (folder / "helpers.py").write_text(f"open({str(canary)!r}, 'w').close()\ndef build(context, options): ...\n")


def step_of(run: Path, factory: str) -> None:
    """Name a factory as the first transform of a saved model."""
    path = run / "bundle" / "bundle.json"
    state = json.loads(path.read_text())
    state["transforms"]["steps"][0]["name"] = f"factory:{factory}"
    path.write_text(json.dumps(state))
    seal(run)


def plan_of(run: Path, **settings: Any) -> None:
    plan = json.loads((run / "plan.json").read_text())
    plan["config"].update(settings)
    (run / "plan.json").write_text(json.dumps(plan))


@pytest.fixture
def here(bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A saved model in the working folder, with a module beside it and one in it; both can be imported."""
    for folder in (tmp_path, bundle):
        plant(folder, tmp_path / "canary")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(bundle))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "helpers", raising=False)
    return bundle


@pytest.mark.parametrize("factory", STRANGE)
def test_a_saved_model_names_no_code(here: Path, canary: Callable[[], bool], factory: str) -> None:
    step_of(here, factory)
    before = set(sys.modules)
    with pytest.raises(PluginLoadError, match=f"--allow-factory {factory}"):
        Synthesizer.load(here)
    assert factory.partition(":")[0] not in set(sys.modules) - before
    assert not canary()


NESTED = {"name": "all-of", "options": {"policies": [{"factory": "helpers:build"}]}}


@pytest.mark.parametrize(
    "settings",
    [
        {"stopping": {"factory": "helpers:build"}},
        {"stopping": NESTED},
        {"processor": {"factory": "helpers:build"}},
        {"backend": {"factory": "helpers:build"}},
        {"evaluation": [{"factory": "helpers:build"}]},
    ],
)
def test_a_plan_names_no_code(here: Path, canary: Callable[[], bool], settings: dict[str, Any]) -> None:
    from rowsmith.cli.root import cli

    plan_of(here, **settings)
    with pytest.raises(PluginLoadError, match="helpers:build"):
        Synthesizer.load(here)
    result = CliRunner().invoke(cli, ["generate", "--run-dir", str(here), "-n", "3"])
    assert result.exit_code == 3
    assert "--allow-factory helpers:build" in result.output
    assert not canary()


@pytest.mark.parametrize("factory", ["helpers:build", "unittest.__main__:main", "no_such_module:build"])
@pytest.mark.parametrize("below", [".", "run", "elsewhere"])
def test_code_that_may_have_come_with_a_model_never_runs(
    here: Path, canary: Callable[[], bool], factory: str, below: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / below)
    step_of(here, factory)
    with pytest.raises(PluginLoadError, match=r"is in|Python's own library|no module"):
        Synthesizer.load(here, allow_factory=[factory])
    assert not canary()


def test_code_that_is_installed_runs_when_it_is_named(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "honest_steps.py").write_text("from rowsmith_plugins.transforms.keys.transform import build as build\n")
    monkeypatch.syspath_prepend(str(site))
    state = json.loads((bundle / "bundle" / "bundle.json").read_text())
    assert state["transforms"]["steps"][0]["name"] == "keys"
    step_of(bundle, "honest_steps:build")
    with pytest.raises(PluginLoadError, match="honest_steps:build"):
        Synthesizer.load(bundle)
    assert len(Synthesizer.load(bundle, allow_factory=["honest_steps:build"]).sample(3)) == 3


def test_a_configuration_of_the_call_may_name_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_policy.py").write_text("from rowsmith_plugins.stopping import *\ndef build(*_): return None\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    synthesizer = Synthesizer(stopping={"factory": "own_policy:build"})
    synthesizer._registry.check_allowed("own_policy:build")
    with pytest.raises(PluginLoadError):
        synthesizer._registry.check_allowed("other:build")


@pytest.mark.parametrize("allowed", [[], ["a.b:c"]])
def test_a_registry_finds_only_the_code_that_is_named(allowed: list[str]) -> None:
    registry = Registry().with_allowed_factories(allowed)
    with pytest.raises(PluginLoadError, match="call names it"):
        registry.resolve(Kind.STOPPING, ComponentRef(factory="os:system"))


def test_a_component_cannot_end_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ends_at_import.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "ends_when_built.py").write_text("def build(context, options): raise SystemExit(0)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginLoadError, match="SystemExit"):
        import_target("ends_at_import:build", "it")
    with pytest.raises(PluginLoadError, match="SystemExit"):
        Registry().build(Kind.STOPPING, ComponentRef(factory="ends_when_built:build"), None)
    with pytest.raises(PluginContractError, match="end the program"), attribute_errors(object()):
        raise SystemExit(0)


def test_a_plugin_in_the_working_folder_is_not_found(tmp_path: Path, root: Path) -> None:
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w').close()\n")
    info = tmp_path / "evil-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[rowsmith.plugins]\nevil = evil\n")
    paths = os.pathsep.join(str(root / each) for each in ("core", "assemblers", "backends", "plugins"))
    told = subprocess.run(
        [sys.executable, "-m", "rowsmith.cli", "plugins", "list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "evil" not in told.stdout + told.stderr
    assert not (tmp_path / "canary").exists()
