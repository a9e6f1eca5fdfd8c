"""The bundled plugins, as the project's metadata declares them."""

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import attrs
import pytest

from rowsmith.components import Kind
from rowsmith.config.conversion import structure, unstructure
from rowsmith.hookspecs import GROUP
from rowsmith.plugins import Registry
from rowsmith.plugins.imports import import_target

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = PROJECT["entry-points"][GROUP]
REGISTRY = Registry(entry_points=[EntryPoint(name, value, GROUP) for name, value in DECLARED.items()], environ={})
COMPONENTS = [found for kind in Kind for group in REGISTRY.components(kind).values() for found in group]
BUNDLED = {
    Kind.ASSEMBLER: ["grouped", "sequential", "tabular"],
    Kind.BACKEND: ["remote", "timeseries", "transformers", "vllm"],
    Kind.PROCESSOR: ["grouped", "tabular"],
    Kind.STOPPING: ["all-of", "any-of", "patience", "time-limit"],
    Kind.MODEL: ["pretrained", "scratch"],
    Kind.TRANSFORM: [
        "changes",
        "codes",
        "constant",
        "datetime",
        "groups",
        "keys",
        "marks",
        "narrow-first",
        "protect-rare",
        "quantize",
        "relations",
        "seasonal",
        "texts",
    ],
    Kind.EVALUATION: [
        "attribute-inference",
        "choice",
        "classifier",
        "code-length",
        "column-shapes",
        "completion",
        "copies",
        "coverage",
        "distance",
        "downstream",
        "dps",
        "exposure",
        "extraction",
        "leaks",
        "linkability",
        "membership",
        "nearest-string",
        "next-row",
        "null-patterns",
        "pair-trends",
        "relation-classifier",
        "replayed-values",
        "rules",
        "sequence-lengths",
        "sequence-order",
        "sequence-repeats",
        "sequence-steps",
        "series-autocorrelation",
        "series-level",
        "series-seasons",
        "series-trend",
        "singling-out",
        "sqs",
        "tails",
        "three-way",
        "transitions",
        "value-accuracy",
        "values",
    ],
    Kind.TRAINING_STOPPING: ["quality"],
}


# What combines policies has nothing to do without any, and no base model suits everybody.
REQUIRED = {
    "any-of": {"policies": ["patience"]},
    "all-of": {"policies": ["patience"]},
    "pretrained": {"base": "some-folder"},
}


def test_every_manifest_is_declared_and_loads():
    modules = {path.stem for path in (ROOT / "plugins" / "rowsmith_plugins").glob("*.py")} - {"__init__"}
    assert {value.rpartition(".")[2] for value in DECLARED.values()} == modules
    assert {record.name: record.note for record in REGISTRY.records} == dict.fromkeys(DECLARED, "")


def test_the_bundled_components_are_those_that_the_documentation_names():
    assert {kind: list(REGISTRY.components(kind)) for kind in Kind} == BUNDLED


def test_each_name_finds_one_component():
    for kind, names in BUNDLED.items():
        for name in names:
            assert len(REGISTRY.components(kind)[name]) == 1


@pytest.mark.parametrize("found", COMPONENTS, ids=lambda found: found.full_name)
def test_each_component_says_what_it_is_and_how_to_install_what_it_needs(found):
    assert found.component.summary
    assert "\n" not in found.component.summary
    assert bool(found.component.requires) == bool(found.component.install)


@pytest.mark.parametrize("found", COMPONENTS, ids=lambda found: found.full_name)
def test_each_builder_is_where_the_manifest_says(found):
    # vLLM is imported in a process of its own, and not by the builder.
    for module in set(found.component.requires) - {"vllm"}:
        pytest.importorskip(module)
    assert callable(import_target(found.component.factory, found.title))


@pytest.mark.parametrize("found", [found for found in COMPONENTS if found.component.options], ids=lambda f: f.full_name)
def test_options_are_frozen_and_their_defaults_survive_conversion(found):
    cls = import_target(found.component.options, found.title)
    defaults = structure(REQUIRED.get(found.component.name, {}), cls)
    assert structure(unstructure(defaults), cls) == defaults
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(defaults, attrs.fields(cls)[0].name, None)
