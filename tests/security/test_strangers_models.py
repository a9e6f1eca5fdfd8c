"""Saved models of unknown origin: settings from lists, weights as declared, numbers within bounds, files as files."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowsmith import Synthesizer
from rowsmith.errors import BundleError, RowsmithError
from rowsmith.model.bundle_safety import check_checkpoint
from rowsmith.model.settings import check_adapter_settings, check_model_settings, check_tokenizer_settings

from .conftest import seal

pytest.importorskip("torch")


def model_of(run: Path) -> Path:
    return run / "bundle" / "model"


def refused(run: Path, words: str) -> None:
    """The model is refused when it is loaded, or when its checkpoint is looked at before it is."""
    seal(run)
    with pytest.raises(BundleError, match=words):
        Synthesizer.load(run)
        check_checkpoint(model_of(run))


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config.json", {"_attn_implementation": "kernels-community/anything"}),
        ("config.json", {"attn_implementation": "evil-org/evil-kernel"}),
        ("config.json", {"_experts_implementation": "evil-org/evil-kernel"}),
        ("config.json", {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}),
        ("config.json", {"quantization_config": {"load_in_4bit": True}}),
        ("config.json", {"rope_parameters": {"rope_type": "evil-org/rope", "rope_theta": 1e4}}),
        ("config.json", {"text_config": {"quantization_config": {"load_in_8bit": True}}}),
        ("config.json", {"_name_or_path": "evil-org/model"}),
        ("config.json", {"gguf_file": "x.gguf"}),
        ("config.json", {"tokenizer_class": "Evil"}),
        ("config.json", {"a_setting_of_tomorrow": True}),
        ("generation_config.json", {"custom_generate": "evil-org/decoding"}),
        ("generation_config.json", {"cache_implementation": "offloaded", "compile_config": {}}),
        ("tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer"}),
        ("tokenizer_config.json", {"tokenizer_file": "/etc/passwd"}),
        ("tokenizer_config.json", {"vocab_file": "/etc/passwd"}),
        ("tokenizer_config.json", {"name_or_path": "evil-org/model"}),
        ("tokenizer_config.json", {"processor_class": "Evil"}),
        ("tokenizer_config.json", {"chat_template": "{{ 1 }}"}),
        ("tokenizer.json", {"plugin": {"type": "Evil"}}),
    ],
)
def test_settings_that_no_saved_model_has_are_refused(bundle: Path, file: str, values: dict[str, Any]) -> None:
    change(model_of(bundle) / file, **values)
    refused(bundle, rf"{file} sets '({'|'.join(values)})'")


NAMING = st.tuples(st.text(max_size=9), st.sampled_from("/ :~\\"), st.text(max_size=9)).map("".join)


@given(st.text(max_size=20), NAMING | st.dictionaries(st.text(max_size=5), NAMING, min_size=1, max_size=2))
def test_no_setting_can_name_anything(name: str, value: Any) -> None:
    path = Path("x.json")
    with pytest.raises(BundleError):
        check_model_settings(path, {name: value})
    with pytest.raises(BundleError):
        check_adapter_settings(path, {f"{name}.": value})


@given(st.text("abcxyz_", min_size=1, max_size=20).filter(lambda name: not name.endswith("_token")), NAMING)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_setting_of_a_tokenizer_can_name_anything(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(BundleError):
        check_tokenizer_settings(tmp_path, lambda _: {name: value})


def rewrite(path: Path, header: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """A weight file with another header over the same numbers."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    changed = json.dumps(header(json.loads(content[8 : 8 + length]))).encode()
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + content[8 + length :])


NONE = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}


def without_last(header: dict[str, Any]) -> dict[str, Any]:
    return {name: entry for name, entry in header.items() if name != "model.norm.weight"}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (lambda found: {"junk": NONE}, "lacks weights|layers"),
        (without_last, "lacks weights"),
        (lambda found: {**found, "junk": NONE}, "does not declare"),
        (lambda found: {**found, "model.norm.weight": NONE}, "declares model.norm.weight"),
        (lambda found: {**found, "junk": {**NONE, "shape": [2**62]}}, "does not fit"),
        (lambda found: {**found, "junk": {**NONE, "data_offsets": [0, 2**62]}}, "does not fit"),
        (lambda found: {**found, "junk": {**NONE, "dtype": "F4096"}}, "does not fit"),
        (lambda found: {**found, **{f"junk{each}": NONE for each in range(150_000)}}, "header has"),
    ],
)
def test_weights_that_are_not_those_declared_are_refused(bundle: Path, header: Any, words: str) -> None:
    rewrite(model_of(bundle) / "model.safetensors", header)
    refused(bundle, words)


def test_an_index_leads_nowhere_else(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "other.safetensors").write_bytes(b"")
    index = {"metadata": {}, "weight_map": {"model.norm.weight": "../../../other.safetensors"}}
    (model_of(bundle) / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(bundle, "names other weights")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"num_hidden_layers": 40_000, "hidden_size": 1}, "num_hidden_layers"),
        ({"num_hidden_layers": 900}, "layers"),
        ({"max_position_embeddings": 10**12}, "max_position_embeddings"),
        ({"max_position_embeddings": -1}, "max_position_embeddings"),
        ({"head_dim": 10**9}, "declares"),
        ({"num_key_value_heads": 10**9}, "declares"),
        ({"num_attention_heads": 0}, "must be numbers"),
        ({"rms_norm_eps": float("nan")}, "NaN"),
    ],
)
def test_sizes_beyond_the_weights_are_refused_before_memory_is_taken(
    bundle: Path, values: dict[str, Any], words: str
) -> None:
    change(model_of(bundle) / "config.json", **values)
    refused(bundle, words)


def put(state: Any, path: tuple[Any, ...], value: Any) -> None:
    *above, last = path
    for part in above:
        state = state[part]
    state[last] = value


KEYS = ("transforms", "steps", 0, "state", "keys")
COUNTED = {
    "kind": "sequence",
    **{"prefix": "C", "suffix": "", "width": 3, "least": 1, "greatest": 9, "step": 1, "low": None, "high": None},
}
SHAPED = {"kind": "pattern", "salt": "s", "taken": "", "low": None, "high": None}


def a_key(**maker: Any) -> list[dict[str, Any]]:
    return [{"name": "city", "nulls": 0.0, "maker": maker}]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (KEYS, a_key(**COUNTED | {"width": 10**9})),
        (KEYS, a_key(**COUNTED | {"width": -1})),
        (KEYS, a_key(**COUNTED | {"step": 0})),
        (KEYS, a_key(**COUNTED | {"step": -1})),
        (KEYS, a_key(**SHAPED, layouts=[{"weight": 1, "alphabets": ["ab"] * 100_000}])),
        (("train_rows",), float("nan")),
        (("train_rows",), -1),
        (("train_rows",), "x"),
        (("longest_completion",), 0),
        (("metadata", "base_max_seq_length"), -5),
        (("metadata", "base_max_seq_length"), 10**12),
        (("metadata", "rope_scaling"), {"rope_type": "yarn", "factor": float("inf"), "theta": None}),
        (("table_schema", "columns", 0, "scale"), 10**9),
        (("transforms", "schema", "columns", 0, "max_scale"), -1),
        (("report", "seconds"), float("nan")),
    ],
)
def test_numbers_of_a_state_are_within_bounds(bundle: Path, path: tuple[Any, ...], value: Any) -> None:
    file = bundle / "bundle" / "bundle.json"
    state = json.loads(file.read_text())
    put(state, path, value)
    file.write_text(json.dumps(state))
    refused(bundle, r"bundle\.json is damaged|base_max_seq_length|factor")


@pytest.mark.skipif(os.name != "posix", reason="needs pipes")
@pytest.mark.parametrize("file", ["plan.json", "bundle/bundle.json", "bundle/model/config.json", "bundle/model/x"])
def test_pipes_are_not_waited_for(bundle: Path, file: str) -> None:
    (bundle / file).unlink(missing_ok=True)
    os.mkfifo(bundle / file)
    with pytest.raises(RowsmithError, match="regular file"):
        Synthesizer.load(bundle)


@pytest.mark.parametrize("file", ["plan.json", "bundle/bundle.json"])
def test_files_of_settings_that_are_far_too_long_are_not_read(bundle: Path, file: str) -> None:
    with (bundle / file).open("r+b") as opened:
        opened.truncate(2**30)
    with pytest.raises(RowsmithError, match="1,073,741,824 bytes"):
        Synthesizer.load(bundle)
