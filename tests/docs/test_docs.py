"""The documentation says what the code does: hooks, keys, commands, options, errors, links, examples."""

import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

import attrs
import click
import pyarrow as pa
import pytest

import rowsmith
from rowsmith import errors, hookspecs
from rowsmith.cli.root import cli
from rowsmith.components import Kind
from rowsmith.config import RunConfig, load_config, to_mapping
from rowsmith.context import BuildContext
from rowsmith.generation import GeneratorBackend
from rowsmith.hookspecs import GROUP
from rowsmith.model import TableModel
from rowsmith.observers import BatchReport, RunInfo, RunReport
from rowsmith.plugins import Registry
from rowsmith.randomness.draws import Draws
from rowsmith.randomness.seeds import Seeds
from rowsmith.table import from_frame
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema
from rowsmith.transforms import fit_transforms

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
PAGES = sorted(DOCS.rglob("*.md")) + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [page for page in PAGES if EXAMPLES not in page.parents]
HOOKS = [name for name in vars(hookspecs) if name.startswith("rowsmith_")]
BUNDLED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"][GROUP]


@cache
def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def bundled(*more: EntryPoint) -> Registry:
    own = [EntryPoint(name, value, GROUP) for name, value in BUNDLED.items()]
    return Registry(entry_points=[*own, *more], environ={})


def page_of(hook: str) -> str:
    return f"plugins/{hook.removeprefix('rowsmith_').replace('_', '-')}.md"


# Hooks


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_has_a_page_with_its_signature_and_an_example(hook):
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    assert f"def {hook}{signature}\n" in read(page_of(hook))
    assert "## Example" in read(page_of(hook))
    arguments = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"`{hook}({arguments})`" in read("plugins/index.md")


@pytest.mark.parametrize("kind", Kind)
def test_the_options_of_bundled_components_are_documented(kind):
    pages = (
        "configuration.md",
        "plugins/transforms.md",
        "plugins/stopping-policies.md",
        "plugins/training-stopping.md",
        "evaluation.md",
        "model-evaluation.md",
        "privacy-evaluation.md",
        "sequence-evaluation.md",
        "verdict.md",
    )
    text = "".join(map(read, pages))
    for found in (found for group in bundled().components(kind).values() for found in group):
        assert f"`{found.component.name}`" in text or f": {found.component.name}`" in text
        if found.component.options is not None:
            module, _, name = found.component.options.partition(":")
            for option in attrs.fields(getattr(importlib.import_module(module), name)):
                assert f"`{option.name}`" in text, f"{found.component.name}: {option.name}"


# Configuration


def leaves(mapping: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in mapping.items():
        if isinstance(value, dict) and value and not path:
            yield from leaves(value, (key,))
        else:
            yield (*path, key)


@pytest.mark.parametrize("key", [".".join(path) for path in leaves(to_mapping(RunConfig()))])
def test_each_key_is_documented(key):
    assert f"\n| `{key}` | " in read("configuration.md")


def test_the_documented_defaults_are_the_defaults(tmp_path):
    block = re.search(r"```yaml\n(data:\n.*?)```", read("configuration.md"), re.DOTALL)[1]
    path = tmp_path / "run.yaml"
    path.write_text(block, encoding="utf-8")
    config = load_config(path)
    assert attrs.evolve(config, data=attrs.evolve(config.data, source=None)) == RunConfig()


@pytest.mark.parametrize(
    "page",
    ["configuration.md", "plugins/stopping-policies.md", "plugins/training-stopping.md", "plugins/transforms.md"],
)
def test_examples_of_configurations_are_valid(page, tmp_path):
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", read(page), re.DOTALL)):
        for line in block.splitlines() if "by name" in block else [block]:
            path = tmp_path / f"{number}.yaml"
            path.write_text(line, encoding="utf-8")
            load_config(path)


# Command line


def commands(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


COMMANDS = dict(commands(cli))


def section(page: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    assert found, f"there is no section {title!r}"
    return found[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_documented_with_its_options(name):
    shared = section(read("cli.md"), "Options of every command")
    text = section(read("cli.md"), f"rowsmith {name}")
    assert f"`rowsmith {name}`" in read("cli.md")
    for parameter in COMMANDS[name].params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert re.search(rf"`{option}[` ]", text + shared), f"rowsmith {name} {option}"


def test_no_command_or_option_is_documented_that_is_not_there():
    documented = set(re.findall(r"^## rowsmith (.+)$", read("cli.md"), re.MULTILINE))
    assert documented == set(COMMANDS)
    parameters = [parameter for command in COMMANDS.values() for parameter in command.params]
    known = {option for each in parameters for option in (*each.opts, *each.secondary_opts)}
    assert set(re.findall(r"`(--?[a-z-]+)", read("cli.md"))) <= known | {"-", "--version", "--help"}


def test_commands_in_console_blocks_parse():
    """Every ``$ rowsmith`` line names commands and options that exist."""
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in re.findall(r"rowsmith ((?:plugins )?[a-z]+)((?:.*?\\\n)*.*)", block):
                name, rest = line
                if name not in COMMANDS:
                    assert name in ("hello",) or not re.search(rf"\$ .*rowsmith {name}", block), (page.name, name)
                    continue
                known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
                assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", rest.split("|")[0])) <= known, (page.name, line)


# Errors


def test_each_error_is_documented_with_its_exit_code():
    for name, error in vars(errors).items():
        if isinstance(error, type) and issubclass(error, Exception):
            assert f"| `{name}` | {error.exit_code} | " in read("errors.md")


# Links


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(linked), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_references_name_what_exists(page):
    for target in re.findall(r"\]\[(rowsmith[\w.]+)\]", page.read_text(encoding="utf-8")):
        module, _, name = target.rpartition(".")
        assert hasattr(importlib.import_module(module), name), f"{page.name}: {target}"


def test_modules_of_the_api_pages_exist_and_every_page_is_listed():
    for page in (DOCS / "api").glob("*.md"):
        for module in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            path = module.replace(".", "/")
            roots = ("core", "assemblers", "backends", "plugins")
            assert any((ROOT / root / f"{path}{end}").exists() for root in roots for end in (".py", "/__init__.py"))
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        assert DOCS not in page.parents or page.relative_to(DOCS).as_posix() in listed


def test_files_that_the_guide_for_contributors_names_exist():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = re.findall(r"`((?:core|assemblers|backends|plugins|tests|docs)/[^`*\s]+)`", guide)
    assert len(files) > 40
    assert [name for name in files if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(("page", "fewest"), [("reliability.md", 150), ("privacy.md", 20)])
def test_tests_that_a_page_names_exist(page, fewest):
    text = (DOCS / page).read_text(encoding="utf-8")
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")]
    named = re.findall(r"`([\w/]+\.py)`(?: \((\w+)\))?", text)
    assert len(named) >= fewest
    full: set[str] = set()
    for name, mark in named:
        found = [file for file in files if file in (name, f"tests/{name}") or file.endswith(f"/{name}")]
        # A bare name stands for a file of which the page has given the folder before.
        found = [file for file in found if file in full] if len(found) > 1 and "/" not in name else found
        assert len(found) == 1, name
        full.add(found[0])
        words = {"": "", "random": "hypothesis", "slow": "slow"}[mark]
        assert words in (ROOT / found[0]).read_text(encoding="utf-8"), f"{name} is not {mark}"


def test_included_files_exist():
    for page in PAGES:
        for name in re.findall(r'^--8<-- "(.+)"$', page.read_text(encoding="utf-8"), re.MULTILINE):
            assert (EXAMPLES / name).exists(), f"{page.name}: {name}"


# Examples


@pytest.fixture
def example(monkeypatch):
    """Loads a plugin of docs/examples/hooks beside the bundled ones."""
    monkeypatch.syspath_prepend(str(EXAMPLES / "hooks"))

    def load(module: str) -> Registry:
        registry = bundled(EntryPoint("example", module, GROUP))
        assert not [record.note for record in registry.records if record.note]
        return registry

    yield load
    for path in (EXAMPLES / "hooks").glob("*.py"):
        sys.modules.pop(path.stem, None)


def context_of(registry: Registry, **more: object) -> BuildContext:
    config = load_config(values={"generation": {"num_records": 30}})
    return BuildContext(config=config, registry=registry, seeds=Seeds(1), **more)


def test_every_example_is_shown_and_tried():
    shown = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    tried = Path(__file__).read_text(encoding="utf-8")
    for path in (EXAMPLES / "hooks").glob("*.py"):
        assert f'--8<-- "hooks/{path.name}"' in shown
        assert f'example("{path.stem}")' in tried


@pytest.mark.parametrize("name", ["uniform", "plain"])
def test_the_example_of_a_backend_makes_valid_rows(example, name):
    import pandas as pd

    schema = ModelSchema(
        columns=tuple(
            ModelColumn(name=name, kind=JsonKind.STRING, nullable=False, values=values)
            for name, values in {"day": ("Fri", "Sat"), "smoker": ("No", "Yes")}.items()
        )
    )
    registry = {"uniform": lambda: example("uniform_backend"), "plain": lambda: example("plain_backend")}[name]()
    table = from_frame(pd.DataFrame({"day": ["Fri", "Sat"], "smoker": ["No", "Yes"]}))
    context = context_of(registry, model_schema=schema, table_schema=table.schema)
    backend = registry.build(Kind.BACKEND, name, context)
    assert isinstance(backend, GeneratorBackend)
    backend.initialize()
    backend.prepare_params()
    results = backend.generate()
    backend.teardown()
    assert results.status == "complete"
    assert len(results.df) == 30
    assert set(results.df["day"]) == {"Fri", "Sat"}


def test_the_example_of_a_model_is_built(example):
    pytest.importorskip("transformers")
    registry = example("narrow_model")
    assert isinstance(registry.build(Kind.MODEL, "narrow", context_of(registry)), TableModel)


def test_the_example_of_a_transform_keeps_its_promise(example):
    import numpy as np
    import pandas as pd

    registry = example("trim_transform")
    table = from_frame(pd.DataFrame({"day": [" Fri", "Fri", "Sat ", None] * 5, "n": range(20)}))
    trim = registry.build(Kind.TRANSFORM, "trim", context_of(registry))
    fitted, after = fit_transforms(table.columns, table.schema, [("trim", trim)])
    assert set(after.column("day").to_pylist()) == {"Fri", "Sat", None}
    again = fitted.apply(fitted.invert(after, Draws(0, np.arange(20)), {}))
    assert again.equals(after)
    assert isinstance(again, pa.Table)
    assert trim.restore(fitted.steps[0][1].state()) == fitted.steps[0][1]


def test_the_example_of_an_evaluation_finds_missing_rows(example):
    import pandas as pd

    import rowsmith

    registry = example("row_count_evaluation")
    assert registry.build(Kind.EVALUATION, "row-count", context_of(registry)).wanted == 30
    frame = pd.DataFrame({"a": range(250)})
    found = rowsmith.evaluate_tables(frame, frame, evaluation=["row-count"], registry=registry)
    assert found.measures["row-count"].value == 0.25
    assert found.findings[0].message == "250 rows of 1,000 are there"


def test_the_example_of_a_policy_of_training_ends_it_once_columns_are_good_enough(example):
    import pandas as pd

    from rowsmith.evaluation import TrainingTrial, evaluation_tables

    registry = example("good_enough")
    policy = registry.build(Kind.TRAINING_STOPPING, "good-enough", context_of(registry))
    real, other = (from_frame(pd.DataFrame({"n": range(start, start + 60)})) for start in (0, 40))
    decided = [
        policy.decide(
            TrainingTrial(step=9, total_steps=20, seconds=1.0, tables=evaluation_tables(real, made, real)),
        ).stop
        for made in (other, real)
    ]
    assert decided == [None, "columns are good enough: 1.000"]


def test_the_example_of_a_command_is_found_and_says_hello(example, tmp_path):
    assert example("hello_command").commands["hello"][0].command.help == "Say hello."
    info = tmp_path / "hello-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hello\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nhello = hello_command\n")
    roots = [str(ROOT / root) for root in ("core", "assemblers", "backends", "plugins")]
    done = subprocess.run(
        [sys.executable, "-m", "rowsmith.cli", "hello", "--name", "Ada"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*roots, str(tmp_path), str(EXAMPLES / "hooks")])},
    )
    assert (done.returncode, done.stdout) == (0, "hello, Ada\n"), done.stderr


def test_the_example_of_observers_is_told(example, capsys):
    registry = example("watcher")
    run = RunInfo(config=RunConfig())
    batch = BatchReport(number=0, prompts=10, valid_records=9, invalid_records=1, total_valid_records=9, seconds=0.1)
    registry.notify("rowsmith_run_started", run=run)
    registry.notify("rowsmith_batch_finished", run=run, batch=batch)
    registry.notify("rowsmith_run_finished", run=run, report=RunReport(status="complete", rows=9))
    told = capsys.readouterr().err
    assert told == "watcher: started, seed 0\nwatcher: batch 0, 9 of 10\nwatcher: complete, 9 rows\n"


@pytest.mark.slow
def test_the_tutorial_in_python_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "tutorial.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(str(ROOT / root) for root in ("core", "assemblers", "backends", "plugins")),
        },
    )
    assert done.returncode == 0, done.stderr
    assert "complete 1.0" in done.stdout


# Status


def test_the_version_is_in_the_change_log():
    assert f"## [{rowsmith.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
