"""Base models are found, told from others, and loaded with what was trained on them."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from attrs import evolve
from safetensors.torch import load_file, save_file

from rowsmith.errors import BundleError, ConfigError
from rowsmith.model import Bundle
from rowsmith.model.base import BaseModel
from rowsmith.table import from_frame
from rowsmith_backends.pretrained.loading import (
    base_folder,
    base_model,
    digest_of,
    load_base,
    load_bundle_model,
    load_bundle_tokenizer,
    resolve_base,
)
from rowsmith_backends.pretrained.model import PretrainedModel
from rowsmith_backends.pretrained.options import PretrainedOptions

from ...shared.base_models import make_base

IDS = torch.arange(3, 40)[None]


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


def test_an_adapter_is_merged_or_attached_to_the_same_effect(tuned: Bundle, base: Path) -> None:
    merged = logits(load_bundle_model(tuned, dtype=torch.float32))
    attached = logits(load_bundle_model(tuned, dtype=torch.float32, merge=False))
    assert torch.allclose(merged, attached, atol=1e-4)
    assert not torch.allclose(merged, logits(load_base(base, dtype=torch.float32)), atol=1e-3)


def test_a_bundle_knows_its_base(tuned: Bundle, base: Path) -> None:
    assert tuned.base == BaseModel(name=str(base.resolve()), revision=None, digest=digest_of(base))
    assert tuned.metadata.is_adapter
    assert base_folder(tuned.base) == base.resolve()


def test_a_bundle_holds_the_values_of_columns_of_few_and_the_characters_of_others(
    tuned: Bundle, base: Path, frame: pd.DataFrame
) -> None:
    city = next(column for column in tuned.model_schema if column.name == "city")
    assert city.values == ("Rome", "São", "Ulm")
    saved = (tuned.directory / "bundle.json").read_text(encoding="utf-8")
    assert "São" in saved
    assert not [note for note in frame["note"] if json.dumps(note, ensure_ascii=False)[1:-1] in saved]
    table = from_frame(frame)
    prepared = PretrainedModel(PretrainedOptions(base=str(base), max_values=2)).prepare(table.columns, table.schema)
    held = {column.name: (column.values, column.alphabet) for column in prepared.model_schema}
    assert held["city"] == (None, "".join(sorted(set("RomeUlmSão"))))
    assert held["n"] == (None, None)
    assert held["note"] == (None, "".join(sorted(set("".join(frame["note"])))))


def test_the_adapter_is_one_that_peft_reads(tuned: Bundle, base: Path) -> None:
    from peft import PeftModel

    read = PeftModel.from_pretrained(load_base(base, dtype=torch.float32), tuned.model_directory).eval()
    assert torch.allclose(logits(read), logits(load_bundle_model(tuned, dtype=torch.float32)), atol=1e-4)
    modules = json.loads((tuned.model_directory / "adapter_config.json").read_text())["target_modules"]
    assert modules == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]


def test_another_base_is_refused(tuned: Bundle, tmp_path: Path) -> None:
    other = make_base(tmp_path / "other", seed=1)
    assert tuned.base is not None
    with pytest.raises(BundleError, match="no longer the model"):
        load_bundle_model(evolve(tuned, base=evolve(tuned.base, name=str(other))), dtype=torch.float32)
    with pytest.raises(BundleError, match="is missing"):
        base_folder(evolve(tuned.base, name=str(tmp_path / "gone")))


def test_the_digest_is_of_the_content(base: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(base, tmp_path / "copied")
    (copied / "README.md").write_text("hello")
    assert digest_of(copied) == digest_of(base)
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.5}))
    assert digest_of(copied) != digest_of(base)


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere/at/all/x", "neither a folder"), ("no such", "neither a folder")],
)
def test_names_that_name_nothing_are_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_base(name)


def test_a_model_of_the_hub_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="not in the local cache"):
        resolve_base("some-org/some-model", "main")


def test_a_model_in_the_local_cache_is_found_without_a_network(
    base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "models--some-org--some-model"
    shutil.copytree(base, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = base_model("some-org/some-model")
    assert found == BaseModel(name="some-org/some-model", revision=commit, digest=digest_of(base))
    assert base_folder(found).name == commit


def test_a_model_that_a_bundle_names_is_not_fetched_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def snapshot_download(name: str, *, local_files_only: bool, **_: Any) -> str:
        from huggingface_hub.errors import LocalEntryNotFoundError

        asked.append(not local_files_only)
        raise LocalEntryNotFoundError("it is not there")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    commit = "0123456789abcdef0123456789abcdef01234567"
    named = BaseModel(name="evil-org/any-model", revision=commit, digest="")
    with pytest.raises(BundleError, match="--fetch-base"):
        base_folder(named)
    assert asked == [False]
    with pytest.raises(BundleError, match="cannot be reached"):
        base_folder(named, fetch=True)
    assert asked == [False, True]
    for revision in (None, "main", commit[:12]):
        with pytest.raises(BundleError, match="no commit of the hub"):
            base_folder(evolve(named, revision=revision), fetch=True)
    assert asked == [False, True]


@pytest.mark.parametrize(
    "values",
    [
        {"_attn_implementation": "kernels-community/anything"},
        {"text_config": {"attn_implementation": "evil-org/kernel"}},
        {"quantization_config": {"load_in_4bit": True}},
    ],
)
def test_a_base_model_brings_no_kernel_and_no_plugin(base: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "base"))
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    with pytest.raises(BundleError, match="may fetch or run something"):
        load_base(folder, dtype=torch.float32)


def test_folders_that_hold_no_model_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json"):
        resolve_base(str(tmp_path))
    shutil.copy(base / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ConfigError, match="safetensors"):
        resolve_base(str(tmp_path))
    with pytest.raises(ConfigError, match="no revisions"):
        resolve_base(str(base), "main")


class Bomb:
    """A pickle that writes a file as it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.canary,))


@pytest.fixture
def copied(tuned: Bundle, tmp_path: Path) -> Bundle:
    return evolve(tuned, directory=Path(shutil.copytree(tuned.directory, tmp_path / "copied")))


@pytest.mark.parametrize("name", ["adapter_model.bin", "config.json", "evil.py", "README.md", "model.safetensors"])
def test_files_that_no_adapter_has_are_refused(copied: Bundle, tmp_path: Path, name: str) -> None:
    (copied.model_directory / name).write_bytes(pickle.dumps(Bomb(tmp_path / "canary")))
    for load in (lambda: load_bundle_model(copied, dtype=torch.float32), lambda: load_bundle_tokenizer(copied)):
        with pytest.raises(BundleError, match="no part of a saved model"):
            load()
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"peft_type": "IA3"}, "IA3"),
        ({"megatron_config": {"a": 1}, "megatron_core": "evil"}, "megatron_config"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"r": 10**9}, "rank"),
        ({"r": "x"}, "damaged"),
        ({"target_modules": ".*"}, "damaged"),
        ({"target_modules": ["q_proj"]}, "no adapter of this model"),
        ({"target_modules": ["nothing"]}, "no adapter of this model"),
        ({"lora_alpha": "x"}, "lora_alpha"),
        ({"lora_alpha": 1e300}, "lora_alpha"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices"),
        ({"a_setting_of_tomorrow": None}, "a_setting_of_tomorrow"),
    ],
)
def test_adapters_of_another_kind_are_refused(copied: Bundle, values: dict[str, Any], words: str) -> None:
    path = copied.model_directory / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    with pytest.raises(BundleError, match=words):
        load_bundle_model(copied, dtype=torch.float32)


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: {},
        lambda weights: {name: weight[:1] for name, weight in weights.items()},
        lambda weights: {**weights, "more": torch.zeros(1)},
    ],
)
def test_adapters_of_other_weights_are_refused(
    copied: Bundle, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]
) -> None:
    path = copied.model_directory / "adapter_model.safetensors"
    save_file({name: weight.contiguous() for name, weight in change(load_file(path)).items()}, path)
    with pytest.raises(BundleError, match="no adapter of this model"):
        load_bundle_model(copied, dtype=torch.float32)
