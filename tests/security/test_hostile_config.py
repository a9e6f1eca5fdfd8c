"""Hostile configurations: every problem is told by its path, and nothing but a sound one gets through."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rowsmith.components import Kind
from rowsmith.config import RunConfig, load_config, to_mapping, to_yaml
from rowsmith.errors import ConfigError
from rowsmith.plugins import Registry
from rowsmith.runs.validation import check

from .strategies import ODD_NUMBERS, ODD_SETTINGS

# A profile may ask for more.
many = settings(max_examples=max(200, settings().max_examples))

SECTIONS = {name: tuple(value) for name, value in to_mapping(RunConfig()).items() if isinstance(value, dict)}
NAMES = st.sampled_from([*to_mapping(RunConfig()), "trainig", "", "<<", "__class__"])


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def options_of(registry: Registry) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The setting, the name and the options of every bundled component."""
    for kind in Kind:
        setting = {"transform": "transforms", "evaluation": "evaluation"}.get(kind.value, kind.value)
        for name, (found, *_) in registry.components(kind).items():
            if found.component.options:
                module, _, attribute = found.component.options.partition(":")
                cls = getattr(importlib.import_module(module), attribute)
                yield setting, name, tuple(each.name for each in attrs.fields(cls))


@st.composite
def settings_values(draw: Any) -> dict[str, Any]:
    """A configuration with one to four odd values where sound ones belong."""
    values: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 4))):
        section = draw(st.sampled_from(tuple(SECTIONS)))
        if draw(st.integers(0, 4)) == 0:
            values[draw(NAMES)] = draw(ODD_SETTINGS)
        elif isinstance(values.setdefault(section, {}), dict):
            values[section][draw(st.sampled_from(SECTIONS[section]))] = draw(ODD_SETTINGS)
    return values


def assert_sound(config: RunConfig, folder: Path) -> None:
    """What gets through is finite, of a sane size, and survives its own YAML."""
    numbers = [config.seed]
    for section in (config.data, config.training, config.generation):
        numbers += [value for value in attrs.asdict(section).values() if isinstance(value, int | float)]
    assert all(math.isfinite(number) and 0 <= number < 2**64 for number in numbers)
    path = folder / "again.yaml"
    path.write_bytes(to_yaml(config).encode())
    assert load_config(path) == config


@given(settings_values())
@example({"generation": {"temperature": 1e-300}})
@example({"generation": {"top_p": 5e-324}})
@example({"generation": {"num_records": 10**12}})
@example({"training": {"data_fraction": 1e18}})
@example({"training": {"max_steps": 10**18, "max_time": 1e18}})
@example({"data": {"holdout": 10**400, "max_holdout": 10**400}, "seed": 10**5000})
@example({"data": {"source": "\ud800", "types": {"\ud800": "text"}}})
@many
def test_values_are_sound_or_refused_by_path(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    try:
        config = load_config(values=values)
    except ConfigError as error:
        assert error.problems
        str(error).encode()
        return
    assert_sound(config, tmp_path_factory.getbasetemp())


@given(st.data())
@many
def test_options_of_components_are_sound_or_refused_by_path(registry: Registry, data: st.DataObject) -> None:
    setting, name, fields = data.draw(st.sampled_from(list(options_of(registry))))
    chosen = data.draw(st.lists(st.sampled_from([*fields, "unknown"]), min_size=1, max_size=3, unique=True))
    component = {"name": name, "options": {field: data.draw(ODD_SETTINGS | ODD_NUMBERS) for field in chosen}}
    values = {setting: [component] if setting in ("transforms", "evaluation") else component}
    found = check(values=values, registry=registry)
    for message in found.messages:
        assert message
        message.encode()
    if found.valid:
        assert all(not isinstance(value, float) or math.isfinite(value) for value in component["options"].values())


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"generation": {"num_records": 0}}, "generation.num_records"),
        ({"generation": {"num_records": 10**12}}, "generation.num_records"),
        ({"generation": {"num_records": True}}, "generation.num_records"),
        ({"generation": {"num_records": 1.0}}, "generation.num_records"),
        ({"generation": {"temperature": float("nan")}}, "generation.temperature"),
        ({"generation": {"temperature": -1}}, "generation.temperature"),
        ({"generation": {"temperature": 1e18}}, "generation.temperature"),
        ({"generation": {"temperature": 1e-300}}, "generation.temperature"),
        ({"generation": {"top_p": 0}}, "generation.top_p"),
        ({"generation": {"top_p": 1e-300}}, "generation.top_p"),
        ({"generation": {"top_p": 1.01}}, "generation.top_p"),
        ({"training": {"max_steps": 0}}, "training.max_steps"),
        ({"training": {"max_steps": 10**18}}, "training.max_steps"),
        ({"training": {"max_time": float("inf")}}, "training.max_time"),
        ({"training": {"max_time": 1e18}}, "training.max_time"),
        ({"training": {"data_fraction": 1e18}}, "training.data_fraction"),
        ({"training": {"validation_ratio": float("nan")}}, "training.validation_ratio"),
        ({"data": {"max_holdout": -1}}, "data.max_holdout"),
        ({"data": {"holdout": 10**400}}, "data.holdout"),
        ({"data": {"holdout": []}}, "data.holdout"),
        ({"seed": 2**64}, "seed"),
        ({"seed": -1}, "seed"),
        ({"transforms": 1}, "transforms"),
        ({"model": {"name": "scratch", "options": {"batch_size": 0}}}, "model.options.batch_size"),
        ({"model": {"name": "scratch", "options": {"batch_size": 10**12}}}, "model.options.batch_size"),
        ({"model": {"name": "scratch", "options": {"width": 10**9}}}, "model.options.width"),
        ({"model": {"name": "scratch", "options": {"learning_rate": float("nan")}}}, "model.options.learning_rate"),
        ({"model": {"name": "scratch", "options": {"learning_rate": 1e18}}}, "model.options.learning_rate"),
        ({"model": {"name": "scratch", "options": {"max_pieces": 10**12}}}, "model.options.max_pieces"),
        ({"backend": {"name": "transformers", "options": {"batch_size": 10**12}}}, "backend.options.batch_size"),
        ({"backend": {"name": "transformers", "options": {"device": "/dev/null"}}}, "backend.options.device"),
        ({"stopping": {"name": "any-of", "options": {"policies": []}}}, "stopping.options.policies"),
    ],
)
def test_values_out_of_range_are_refused_by_path(registry: Registry, values: dict[str, Any], path: str) -> None:
    messages = check(values=values, registry=registry).messages
    assert len(messages) == 1
    assert f"@ {path}" in messages[0]


@pytest.mark.parametrize("text", ["${HOME}", "${oc.env:HOME}", "$HOME", "~/x.csv", "{{ 7 * 7 }}", "%(HOME)s", "{0}"])
def test_nothing_is_interpolated(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"data: {{source: '{text}'}}\nmodel: {{name: scratch, options: {{dtype: '{text}'}}}}\n")
    config = load_config(path)
    assert config.data.source == text
    assert config.model.options["dtype"] == text


def test_a_bomb_of_aliases_costs_nothing(tmp_path: Path) -> None:
    levels = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
    (tmp_path / "run.yaml").write_text("\n".join(levels))
    with pytest.raises(ConfigError, match=r"anchors and aliases are not allowed \(line 1"):
        load_config(tmp_path / "run.yaml")


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000, "? " * 5000, "a: '" + "x" * 2_000_000])
def test_deep_and_long_documents_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"nested more than 20 deep|longer than 1,000,000 characters"):
        load_config(tmp_path / "run.yaml")


def test_deep_values_are_refused_in_python_too() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for values in ({"data": {"holdout": deep}}, {"model": {"name": "scratch", "options": {"width": deep}}}, deep):
        with pytest.raises(ConfigError):
            load_config(values=values)
    recursive: dict[str, Any] = {}
    recursive["data"] = recursive
    with pytest.raises(ConfigError):
        load_config(values=recursive)
