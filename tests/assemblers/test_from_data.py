"""Choosing the assembler: by the configuration, through the registry."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pyarrow as pa
import pytest

from rowsmith.assembly import PSEUDO_GROUP_COLUMN, TrainingExampleAssembler, TrainingExamples, assembler_for
from rowsmith.assembly.token_store import TokenStore
from rowsmith.components import Component, ComponentRef
from rowsmith.config import DataConfig, RunConfig, TimeSeriesConfig, TrainingConfig
from rowsmith.errors import ConfigError, ParameterError, UnknownComponent
from rowsmith.hookspecs import GROUP, hookimpl
from rowsmith.plugins import Registry
from rowsmith_assemblers import (
    GroupedDataExampleAssembler,
    SequentialExampleAssembler,
    TabularDataExampleAssembler,
)

TABLE = pa.table({"a": list(range(40))})


class OwnAssembler(TrainingExampleAssembler):
    """Written from the documentation alone."""

    num_records_train = 1
    num_records_validation = 2

    def assemble_training_examples(self, data_fraction: float = 1.0) -> TrainingExamples:
        raise NotImplementedError


def build_own(context, options):
    inputs = context.assembly
    return OwnAssembler(inputs.dataset, inputs.tokenizer, inputs.metadata, seed=inputs.seed, **inputs.extra)


@pytest.fixture
def registry(monkeypatch):
    plugin = ModuleType("rowsmith_assembly_test_plugin")

    @hookimpl
    def rowsmith_assemblers():
        yield Component(
            name="tabular",
            factory="rowsmith_assemblers.tabular:build",
            options="rowsmith_assemblers.options:TabularOptions",
        )
        yield Component(name="own", factory="rowsmith_assembly_test_plugin:build_own")

    plugin.rowsmith_assemblers = rowsmith_assemblers
    plugin.build_own = build_own
    monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
    return Registry(entry_points=[EntryPoint("test", plugin.__name__, GROUP)], environ={})


def _config(**more):
    return RunConfig(training=TrainingConfig(validation_ratio=0.25), **more)


def test_auto_follows_from_the_kind_of_table():
    """Promise C10."""
    grouped = DataConfig(group_training_examples_by="g")
    assert assembler_for(RunConfig()).name == "tabular"
    assert assembler_for(RunConfig(data=grouped)).name == "grouped"
    assert assembler_for(RunConfig(data=grouped, time_series=TimeSeriesConfig(is_timeseries=True))).name == "sequential"
    assert assembler_for(RunConfig(data=grouped, assembler=ComponentRef(name="own"))).name == "own"


def test_plain_table_gives_the_tabular_assembler(tokenizer, make_metadata, registry):
    """Promise C11."""
    assembler = TrainingExampleAssembler.from_data(TABLE, tokenizer, make_metadata(), _config(), registry=registry)
    assert type(assembler) is TabularDataExampleAssembler
    assert (assembler.num_records_train, assembler.num_records_validation) == (30, 10)


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (0.5, 20), (3, 3)])
def test_a_given_test_size_wins(tokenizer, make_metadata, registry, size, expected):
    """Promise C12."""
    assembler = TrainingExampleAssembler.from_data(
        TABLE, tokenizer, make_metadata(), _config(), size, registry=registry
    )
    assert assembler.num_records_validation == expected


def test_seed_comes_from_the_configuration_unless_given(tokenizer, make_metadata, registry):
    def examples(config, seed=None):
        assembler = TrainingExampleAssembler.from_data(
            TABLE, tokenizer, make_metadata(), config, seed=seed, registry=registry
        )
        return list(assembler.assemble_training_examples().train)

    assert examples(_config(seed=4)) == examples(_config(seed=9), seed=4)
    assert examples(_config(seed=4)) != examples(_config(seed=9))


def test_arguments_and_options_reach_the_assembler(tokenizer, make_metadata, registry):
    """Promise C13."""
    store = TokenStore.from_records([[5] * (50 if row == 7 else 2) for row in range(40)])
    for config, more in [
        (_config(assembler=ComponentRef(name="tabular", options={"overlong": "skip"})), {}),
        (_config(), {"overlong": "skip"}),
    ]:
        assembler = TrainingExampleAssembler.from_data(
            TABLE, tokenizer, make_metadata(40, template=""), config, registry=registry, token_store=store, **more
        )
        assert assembler.num_records_skipped == 1


def test_wrong_options_are_refused(tokenizer, make_metadata, registry):
    config = _config(assembler=ComponentRef(name="tabular", options={"overlong": "cut"}))
    with pytest.raises(ConfigError, match="overlong"):
        TrainingExampleAssembler.from_data(TABLE, tokenizer, make_metadata(), config, registry=registry)


def test_a_plugin_s_assembler_is_found_by_name_and_by_factory(tokenizer, make_metadata, registry):
    for ref in (ComponentRef(name="own"), ComponentRef(factory="rowsmith_assembly_test_plugin:build_own")):
        assembler = TabularDataExampleAssembler.from_data(
            TABLE, tokenizer, make_metadata(), _config(assembler=ref), registry=registry
        )
        assert type(assembler) is OwnAssembler
        assert assembler.num_records_total == 3
        assert assembler.dataset is TABLE


@pytest.fixture
def bundled():
    names = ("grouped", "sequential")
    return Registry(entry_points=[EntryPoint(name, f"rowsmith_plugins.{name}", GROUP) for name in names], environ={})


SHOPS = pa.table({"shop": ["a", "b"] * 20, "day": [str(day) for day in range(40)], "sales": list(range(40))})


@pytest.mark.parametrize("group", ["shop", ["shop", "day"]])
def test_grouped_table_gives_the_grouped_assembler(tokenizer, make_metadata, bundled, group):
    """Promise D2."""
    config = _config(
        data=DataConfig(group_training_examples_by=group, order_training_examples_by="sales"),
        assembler=ComponentRef(name="auto", options={"overlong": "split"}),
    )
    assembler = TrainingExampleAssembler.from_data(SHOPS, tokenizer, make_metadata(), config, registry=bundled)
    assert type(assembler) is GroupedDataExampleAssembler
    assert (assembler.group_by_columns, assembler.order_by_column) == (
        tuple([group] if group == "shop" else group),
        "sales",
    )
    assert assembler.overlong == "split"
    assert assembler.num_groups_train + assembler.num_groups_validation == (2 if group == "shop" else 40)
    assert assembler.num_records_total == 40


def test_grouped_assembler_without_a_group_column_is_refused(tokenizer, make_metadata, bundled):
    config = _config(assembler=ComponentRef(name="grouped"))
    with pytest.raises(ParameterError, match=r"set data\.group_training_examples_by"):
        TrainingExampleAssembler.from_data(SHOPS, tokenizer, make_metadata(), config, registry=bundled)


@pytest.mark.parametrize(("group", "groups"), [("shop", 2), (["shop"], 2), (["shop", "sales"], 40), (None, 1)])
def test_time_series_give_the_sequential_assembler(tokenizer, make_metadata, bundled, group, groups):
    """Promises E2, E3, E5."""
    config = _config(
        data=DataConfig(group_training_examples_by=group),
        time_series=TimeSeriesConfig(is_timeseries=True, timestamp_column="day"),
        assembler=ComponentRef(name="auto", options={"keep_prefill": True, "prefill_records": 2}),
    )
    metadata = make_metadata()
    assembler = TrainingExampleAssembler.from_data(SHOPS, tokenizer, metadata, config, 0, registry=bundled)
    assert type(assembler) is SequentialExampleAssembler
    known = {None: PSEUDO_GROUP_COLUMN, "shop": "shop"}
    assert assembler.group_by_column == (("shop", "sales") if groups == 40 else known["shop" if group else None])
    assert assembler.order_by_column == "day"
    assembler.assemble_training_examples()
    assert assembler.num_groups_train == groups == len(metadata.initial_prefill)
    assert not isinstance(assembler, TabularDataExampleAssembler)
    assert all(text.count("\n") == min(2, 40 // groups) for text in metadata.initial_prefill.values())


def test_missing_assembler_is_named(tokenizer, make_metadata, registry):
    config = _config(data=DataConfig(group_training_examples_by="g"))
    with pytest.raises(UnknownComponent, match="grouped"):
        TrainingExampleAssembler.from_data(TABLE, tokenizer, make_metadata(), config, registry=registry)


@pytest.mark.parametrize(
    ("callable_", "expected"),
    [
        (
            TrainingExampleAssembler,
            "dataset tokenizer metadata keep_columns test_size cache_file_path seed args kwargs",
        ),
        (
            TrainingExampleAssembler.from_data,
            "dataset tokenizer metadata config test_size seed cache_file_path keep_columns registry kwargs",
        ),
        (TrainingExamples, "train stats test"),
    ],
)
def test_parameters_stand_in_the_documented_order(callable_, expected):
    """Promise C8."""
    assert " ".join(inspect.signature(callable_).parameters) == expected


def test_importing_the_contract_imports_no_heavy_library():
    code = (
        "import sys, rowsmith.assembly.contract, rowsmith_assemblers, rowsmith_assemblers.options; "
        "print([m for m in ('torch', 'transformers', 'datasets', 'tokenizers') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
