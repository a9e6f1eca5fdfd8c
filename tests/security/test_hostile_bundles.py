"""Saved models of unknown origin: nothing in them runs, leads out, or ends in a traceback."""

from __future__ import annotations

import copy
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowsmith import Synthesizer
from rowsmith.errors import BundleError, RowsmithError, RunDirectoryError
from rowsmith.storage.run_directory import RunDirectory

from .conftest import seal
from .strategies import ODD_SETTINGS

pytest.importorskip("torch")


class Bomb:
    """A pickle that writes a file as it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.canary,))


def use(run: Path) -> None:
    """Load and sample."""
    Synthesizer.load(run).sample(3)


def test_the_bomb_would_go_off(tmp_path: Path, canary: Callable[[], bool]) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "canary")))
    assert canary()


@pytest.mark.parametrize(
    "name",
    [
        *("pytorch_model.bin", "training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "state.npy"),
        *("model.pkl", "adapter_model.bin", "pytorch_model.bin.index.json"),
    ],
)
@pytest.mark.parametrize("weights", [True, False])
def test_pickles_are_refused_and_never_loaded(
    bundle: Path, canary: Callable[[], bool], name: str, weights: bool
) -> None:
    model = bundle / "bundle" / "model"
    (model / name).write_bytes(pickle.dumps(Bomb(bundle.parent / "canary")))
    if not weights:
        (model / "model.safetensors").unlink()
    seal(bundle)
    with pytest.raises(BundleError, match="no part of a saved model"):
        use(bundle)
    assert not canary()


def test_weights_that_are_a_pickle_are_refused(bundle: Path, canary: Callable[[], bool]) -> None:
    weights = bundle / "bundle" / "model" / "model.safetensors"
    weights.write_bytes(pickle.dumps(Bomb(bundle.parent / "canary")) + b"\0" * weights.stat().st_size)
    seal(bundle)
    with pytest.raises(BundleError, match="cannot be loaded"):
        use(bundle)
    assert not canary()


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("with_code", [True, False])
def test_code_is_refused_and_never_run(bundle: Path, canary: Callable[[], bool], file: str, with_code: bool) -> None:
    model = bundle / "bundle" / "model"
    classes = {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.C", "AutoTokenizer": ["evil.C", "evil.C"]}
    change(model / file, auto_map=classes)
    if with_code:
        (model / "evil.py").write_text(f"open({str(bundle.parent / 'canary')!r}, 'w')\n")
    seal(bundle)
    with pytest.raises(BundleError, match=r"auto_map|no part of a saved model"):
        use(bundle)
    assert not canary()


@pytest.mark.parametrize(
    ("file", "values", "words"),
    [
        ("config.json", {"model_type": "gpt2"}, "only llama"),
        ("config.json", {"model_type": "rag"}, "only llama"),
        ("config.json", {"vocab_size": 10**9}, "declares"),
        ("config.json", {"hidden_size": 10**6}, "declares"),
        ("config.json", {"num_hidden_layers": 10**6}, "declares"),
        ("config.json", {"hidden_size": "x"}, "hidden_size"),
        ("config.json", {"hidden_size": 33}, "declares"),
        ("tokenizer_config.json", {"tokenizer_class": "Evil"}, ""),
        ("tokenizer.json", {"model": None}, "cannot be loaded"),
        ("tokenizer.json", {"added_tokens": 3}, "cannot be loaded"),
    ],
)
def test_a_checkpoint_of_another_shape_is_refused(bundle: Path, file: str, values: Any, words: str) -> None:
    change(bundle / "bundle" / "model" / file, **values)
    seal(bundle)
    try:
        use(bundle)
    except BundleError as error:
        assert words in str(error)
    else:
        assert not words


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 200_000, b"null"])
@pytest.mark.parametrize(
    "file", ["plan.json", "bundle/bundle.json", "bundle/model/config.json", "bundle/model/tokenizer.json"]
)
def test_damaged_files_are_told(bundle: Path, file: str, content: bytes) -> None:
    (bundle / file).write_bytes(content)
    seal(bundle)
    with pytest.raises((BundleError, RunDirectoryError)) as caught:
        use(bundle)
    assert str(bundle) in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_links_that_lead_out_are_refused(bundle: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    config = bundle / "bundle" / "model" / "config.json"
    config.rename(secret)
    config.symlink_to(secret)
    with pytest.raises(BundleError, match="leads out"):
        use(bundle)
    config.unlink()
    (bundle / "bundle" / "model").rename(tmp_path / "model")
    (bundle / "bundle" / "model").symlink_to(tmp_path / "model")
    with pytest.raises(BundleError, match="leads out"):
        use(bundle)


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_a_lock_that_is_a_link_touches_nothing(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(RunDirectoryError, match="Cannot lock"), RunDirectory(tmp_path / "run").lock():
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_lock_from_elsewhere_cannot_paint_the_terminal(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text(json.dumps({"pid": 1, "host": "\x1b[2Jyou" + "x" * 1000}))
    with pytest.raises(RunDirectoryError) as caught, RunDirectory(tmp_path).lock():
        pass
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in plain data."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, each in inner for found in places(each, (*path, key)))]


JSON_VALUES = ODD_SETTINGS.filter(lambda value: not isinstance(value, bytes)) | st.sampled_from(
    [[1], {"a": 1}, "x" * 99]
)


@pytest.mark.parametrize("file", ["plan.json", "bundle/bundle.json"])
@given(st.data())
@settings(
    max_examples=max(100, settings().max_examples),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_changed_values_are_read_or_refused(bundle: Path, saved: Path, file: str, data: st.DataObject) -> None:
    state = json.loads((saved / file).read_text())
    changed = copy.deepcopy(state)
    for _ in range(data.draw(st.integers(1, 2))):
        *above, last = data.draw(st.sampled_from([path for path in places(changed) if path]))
        parent = changed
        for part in above:
            parent = parent[part]
        if data.draw(st.booleans()):
            parent[last] = copy.deepcopy(data.draw(JSON_VALUES))
        else:
            del parent[last]
    try:
        text = json.dumps(changed)
    except ValueError:
        return  # an integer of more digits than Python writes
    (bundle / file).write_text(text)
    if file != "plan.json":
        seal(bundle)
    try:
        Synthesizer.load(bundle)
    except RowsmithError as error:
        str(error).encode()
