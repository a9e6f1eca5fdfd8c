"""Pretrained models of several kinds, fine-tuned for a few steps."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from attrs import evolve
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from rowsmith.assembly.metadata import RopeScaling
from rowsmith.errors import BundleError, ConfigError, ParameterError, TrainingError
from rowsmith.interruption import Interrupted, StopRequest
from rowsmith.model import Bundle, TrainingProgress
from rowsmith.runs.reporting import Reporter
from rowsmith.runs.stages import train
from rowsmith.table import from_frame
from rowsmith_backends.pretrained.learning_rates import learning_rate_for
from rowsmith_backends.pretrained.loading import digest_of, load_base, load_bundle_model, load_bundle_tokenizer
from rowsmith_backends.sampling.bundle_prompts import bundle_prompt_ids

from ...shared.base_models import make_base, make_tokenizer
from ...shared.fine_tuning import run_of, tune

IDS = torch.arange(3, 40)[None]


def logits(model: Any, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        return model(ids).logits


def weights(bundle: Bundle) -> dict[str, torch.Tensor]:
    return load_file(next(bundle.model_directory.glob("*.safetensors")))


def test_what_is_learned_lowers_the_loss(base: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    bundle = tune(frame, tmp_path / "run", base, rank=16, training={"max_steps": 20})
    assert bundle.report.validation_loss is not None
    tokenizer = load_bundle_tokenizer(bundle)
    ids = [*bundle_prompt_ids(bundle), *tokenizer('{"city":"Ulm","n":3,"note":"</s> é1"}\n').input_ids[1:]]
    batch = torch.tensor([ids])

    def loss(model: Any) -> float:
        with torch.no_grad():
            return float(model(batch, labels=batch).loss)

    before = loss(load_base(base, dtype=torch.float32).eval())
    assert loss(load_bundle_model(bundle, dtype=torch.float32)) < before - 0.2
    assert bundle.report.parameters == sum(weight.numel() for weight in weights(bundle).values())
    assert bundle.longest_completion is not None


def test_a_whole_model_is_trained_and_saved(base: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    before = digest_of(base)
    bundle = tune(frame, tmp_path / "run", base, full=True)
    assert digest_of(base) == before
    assert bundle.base is None
    assert not bundle.metadata.is_adapter
    plain = AutoModelForCausalLM.from_pretrained(bundle.model_directory).eval()
    assert torch.equal(logits(plain), logits(load_bundle_model(bundle, dtype=torch.float32)))
    assert not torch.allclose(logits(plain), logits(load_base(base, dtype=torch.float32).eval()), atol=1e-3)
    assert plain.config.use_cache


class StopAt(Reporter):
    """Asks a run to end once its training has come so far."""

    def __init__(self, step: int) -> None:
        self.step, self.request = step, StopRequest()

    def training(self, progress: TrainingProgress) -> None:
        if progress.step >= self.step:
            self.request.ask()


@pytest.mark.parametrize("full", [False, True], ids=["lora", "full"])
def test_a_training_that_is_asked_to_stop_is_taken_up(
    base: Path, frame: pd.DataFrame, tmp_path: Path, full: bool
) -> None:
    options = {"full": full, "dropout": 0.0 if full else 0.1, "gradient_accumulation": 2}
    whole = tune(frame, tmp_path / "whole", base, **options)
    run, reporter = run_of(tmp_path / "broken", base, **options), StopAt(3)
    with pytest.raises(Interrupted, match="after step 4"):
        train(evolve(run, reporter=reporter, stop=reporter.request), from_frame(frame))
    broken = train(evolve(run, resume=True), from_frame(frame))
    assert weights(broken).keys() == weights(whole).keys()
    assert all(torch.equal(weight, weights(whole)[name]) for name, weight in weights(broken).items())


def test_a_training_is_not_taken_up_on_another_base(frame: pd.DataFrame, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    run, reporter = run_of(tmp_path / "run", base), StopAt(2)
    with pytest.raises(Interrupted):
        train(evolve(run, reporter=reporter, stop=reporter.request), from_frame(frame))
    make_base(base, seed=5)
    with pytest.raises(TrainingError, match="no longer the one"):
        train(evolve(run, resume=True), from_frame(frame))


@pytest.fixture(scope="module")
def whole(base: Path, frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model that was trained as a whole, a little."""
    return tune(frame, tmp_path_factory.mktemp("whole") / "run", base, full=True, training={"max_steps": 1})


@pytest.mark.parametrize("name", ["pytorch_model.bin", "evil.py", "adapter_config.json", "chat_template.jinja"])
def test_files_that_no_whole_model_has_are_refused(whole: Bundle, tmp_path: Path, name: str) -> None:
    bundle = evolve(whole, directory=Path(shutil.copytree(whole.directory, tmp_path / "copied")))
    (bundle.model_directory / name).write_text("x")
    with pytest.raises(BundleError, match="no part of a saved model"):
        load_bundle_model(bundle, dtype=torch.float32)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"auto_map": {"AutoConfig": "evil.C"}}, "auto_map"),
        ({"model_type": "nothing-known"}, "cannot be loaded"),
        ({"vocab_size": 10**9}, "declares more"),
        ({"num_hidden_layers": 10**7}, "num_hidden_layers"),
        ({"num_hidden_layers": 3}, "declares more"),
        ({"hidden_size": 64}, "cannot be loaded"),
    ],
)
def test_whole_models_of_another_shape_are_refused(
    base: Path, tuned: Bundle, tmp_path: Path, values: dict[str, Any], words: str
) -> None:
    folder = tmp_path / "bundle" / "model"
    folder.mkdir(parents=True)
    for path in base.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))
    with pytest.raises(BundleError, match=words):
        load_bundle_model(evolve(tuned, directory=tmp_path / "bundle", base=None), dtype=torch.float32)


KINDS = {
    "gpt2": {"n_embd": 64, "n_layer": 1, "n_head": 2, "n_positions": 256},
    "gpt_neox": {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
    "opt": {
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "ffn_dim": 64,
        "word_embed_proj_dim": 64,
    },
    "gemma2": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    | {"intermediate_size": 64, "head_dim": 32},
    "phi3": {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
    "qwen3": {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
    | {"intermediate_size": 64, "head_dim": 32},
    "mamba": {"hidden_size": 64, "num_hidden_layers": 1, "state_size": 4},
}


def of_kind(folder: Path, kind: str, **more: Any) -> Path:
    tokenizer = make_tokenizer(has_bos=False)
    special = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": None}
    config = AutoConfig.for_model(kind, **{**KINDS[kind], **special, **more}, vocab_size=len(tokenizer))
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


ALWAYS = {("gpt2", False), ("gemma2", True), ("mamba", False)}


@pytest.mark.parametrize(
    ("kind", "full"),
    [
        pytest.param(kind, full, marks=() if (kind, full) in ALWAYS else pytest.mark.slow)
        for kind in KINDS
        for full in (False, True)
    ],
)
def test_models_of_any_kind_are_trained_and_read_back(
    frame: pd.DataFrame, tmp_path: Path, kind: str, full: bool
) -> None:
    base = of_kind(tmp_path / "base", kind)
    layers = {"target_modules": ["in_proj", "x_proj"]} if kind == "mamba" else {}
    bundle = tune(frame, tmp_path / "run", base, full=full, **layers, training={"max_steps": 2})
    assert bundle.report.steps == 2
    trained = logits(load_bundle_model(bundle, dtype=torch.float32))
    assert not torch.equal(trained, logits(load_base(base, dtype=torch.float32).eval()))
    if not full:
        attached = load_bundle_model(bundle, dtype=torch.float32, merge=False)
        assert torch.allclose(trained, logits(attached), atol=1e-4)


def test_rope_scaling_is_the_same_in_training_and_inference(frame: pd.DataFrame, tmp_path: Path) -> None:
    """Promise C29."""
    base = make_base(tmp_path / "base", context=128)
    more = {"context": None, "rope_scaling_factor": 2.5}
    adapted = tune(frame, tmp_path / "adapted", base, **more)
    whole = tune(frame, tmp_path / "whole", base, full=True, **more)
    ids = torch.from_numpy(np.random.default_rng(0).integers(3, 2_000, (1, 300)))
    plain = load_base(base, dtype=torch.float32).eval()
    stretched = load_base(base, dtype=torch.float32, rope_scaling=adapted.metadata.rope_scaling).eval()
    assert not torch.allclose(logits(plain, ids), logits(stretched, ids), atol=1e-4)
    for bundle in (adapted, whole):
        assert bundle.metadata.max_seq_length == 320
        model = load_bundle_model(bundle, dtype=torch.float32)
        assert model.config.max_position_embeddings == 320
        assert model.config.rope_parameters == stretched.config.rope_parameters
        assert torch.equal(model.model.rotary_emb.inv_freq, stretched.model.rotary_emb.inv_freq)
    read = AutoModelForCausalLM.from_pretrained(whole.model_directory).eval()
    assert torch.equal(logits(read, ids), logits(load_bundle_model(whole, dtype=torch.float32), ids))


def test_the_held_out_loss_of_training_is_that_of_the_loaded_model(frame: pd.DataFrame, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", context=128)
    bundle = tune(
        frame,
        tmp_path / "run",
        base,
        context=None,
        rope_scaling_factor=2,
        sections={"data": {"holdout": 0}, "transforms": []},
    )
    from .test_prompts import prepared_for

    prepared, _ = prepared_for(base, frame, context=None, rope_scaling_factor=2)
    assert prepared.token_store is not None
    assert bundle.report.validation_loss is not None
    model, prefix = load_bundle_model(bundle, dtype=torch.float32), bundle_prompt_ids(bundle)
    losses = []
    for row in range(40):
        ids = torch.tensor([[*prefix, *prepared.token_store.gather(np.array([row])).tolist()]])
        with torch.no_grad():
            losses.append(
                float(model(ids, labels=torch.where(torch.arange(ids.shape[1]) < len(prefix), -100, ids)).loss)
            )
    assert np.mean(losses) == pytest.approx(bundle.report.validation_loss, abs=0.5)


@pytest.mark.parametrize("kind", ["gpt2", "mamba"])
def test_positions_that_cannot_be_stretched_are_told(tmp_path: Path, kind: str) -> None:
    base = of_kind(tmp_path / "base", kind)
    with pytest.raises(ParameterError, match="rope_scaling_factor"):
        load_base(base, dtype=torch.float32, rope_scaling=RopeScaling(rope_type="yarn", factor=2))


def test_less_memory_gives_the_same_weights(base: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    plain = tune(frame, tmp_path / "plain", base)
    for name, more in {"parts": {"gradient_accumulation": 2}, "checkpoints": {"gradient_checkpointing": True}}.items():
        other = tune(frame, tmp_path / name, base, **more)
        for weight, same in zip(weights(plain).values(), weights(other).values(), strict=True):
            assert torch.allclose(weight, same, atol=2e-3), name


def test_a_time_budget_becomes_steps(base: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    report = tune(frame, tmp_path / "run", base, training={"max_time": 2.0, "max_steps": None}).report
    assert report.total_steps > 1
    assert report.seconds < 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target_modules": ["nothing"]}, "target_modules nothing .* @ model.options.target_modules"),
        ({"context": 5_000}, "reads 1024 tokens, .* @ model.options.context"),
        ({"revision": "main"}, "has no revisions; .* @ model.options.revision"),
    ],
)
def test_options_that_do_not_fit_the_model_are_told(
    base: Path, frame: pd.DataFrame, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        tune(frame, tmp_path / "run", base, **options)


def test_chosen_layers_alone_are_trained(base: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    bundle = tune(frame, tmp_path / "run", base, target_modules=["q_proj", "v_proj"], training={"max_steps": 1})
    assert {name.split(".")[-3] for name in weights(bundle)} == {"q_proj", "v_proj"}


def test_a_rate_that_is_far_too_high_ends_with_words(base: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="learning_rate"):
        tune(frame, tmp_path / "run", base, full=True, learning_rate=10.0, alpha=60_000, training={"max_steps": 60})


def test_rates_go_by_size() -> None:
    wide, narrow = (AutoConfig.for_model("llama", hidden_size=size) for size in (4_096, 1_024))
    assert learning_rate_for(wide, full=False) == pytest.approx(10 * learning_rate_for(wide, full=True))
    assert learning_rate_for(narrow, full=True) > 5e-5 > learning_rate_for(wide, full=True)


def test_what_a_record_costs_is_told(base: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    told: list[str] = []

    class Told(Reporter):
        def stage_finished(self, name: str, seconds: float, detail: str = "") -> None:
            told.append(detail)

    train(evolve(run_of(tmp_path / "run", base, training={"max_steps": 1}), reporter=Told()), from_frame(frame))
    cost = next(float(found[1]) for detail in told if (found := re.search(r"([\d.]+) tokens a record", detail)))
    assert 10 < cost < 60


@pytest.mark.parametrize("full", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_sampled_rows_decide_which_weights_are_saved(
    base: Path, frame: pd.DataFrame, tmp_path: Path, full: bool
) -> None:
    policy = {"name": "quality", "options": {"rows": 10, "trials": 2, "measures": ["column-shapes"]}}
    bundle = tune(frame, tmp_path / "run", base, full=full, training={"max_steps": 4, "stopping": policy})
    assert bundle.report.stopping is not None
    trials = bundle.report.stopping["trials"]
    assert [trial["step"] for trial in trials] == [2, 4]
    assert all(0 <= trial["quality"] <= 1 for trial in trials)
    best = [trial["step"] for trial in trials if trial["best"]]
    assert bundle.report.best_step == best[-1]
    assert load_bundle_model(bundle, dtype=torch.float32) is not None
