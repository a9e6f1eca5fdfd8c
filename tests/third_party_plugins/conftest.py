"""A stranger's distribution, built from docs/examples and installed, and others made up beside it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen

from ..shared.checkout import ROOT, SOURCES
from ..shared.warm_interpreter import run


@frozen
class Environment:
    """Folders of installed distributions, and the command line run with them."""

    site: Path
    folder: Path

    def rowsmith(self, *arguments: str, sites: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([*map(str, (*sites, self.site, *SOURCES))])
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROWSMITH_")}
        return run(*arguments, cwd=self.folder, env={**environment, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"})


def pip_install(source: Path, target: Path) -> None:
    """Build a distribution and install it, without its dependencies."""
    # A build backend that is there is used as it is; the network is only asked where there is none.
    isolated = [] if importlib.util.find_spec("hatchling") is None else ["--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, *isolated, "--target", str(target), str(source)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def echo_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where rowsmith-echo is installed."""
    target = tmp_path_factory.mktemp("echo") / "site"
    pip_install(ROOT / "docs" / "examples" / "rowsmith-echo", target)
    return target


@pytest.fixture
def environment(echo_site: Path, tmp_path: Path) -> Environment:
    return Environment(echo_site, tmp_path)


@pytest.fixture
def distribution(tmp_path: Path) -> Callable[[str, str, str], Path]:
    """Installs a distribution of one module by hand: its name, its plugin's name, the module's source."""

    def install(name: str, plugin: str, source: str) -> Path:
        site, module = tmp_path / f"site-{name}", name.replace("-", "_")
        info = site / f"{module}-2.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
        (info / "entry_points.txt").write_text(f"[rowsmith.plugins]\n{plugin} = {module}\n")
        (site / f"{module}.py").write_text(source)
        return site

    return install


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A table of 60 rows, with 36 different ones at most."""
    rows = [f"{('red', 'green', 'blue')[i % 3]},{'SML'[i * i % 7 % 3]},{i * 5 % 11 % 4 + 1}" for i in range(60)]
    (tmp_path / "shirts.csv").write_text("\n".join(["color,size,grade", *rows]) + "\n")
    return "shirts.csv"
