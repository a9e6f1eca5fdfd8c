"""Pretrained models from training to rows, with the backend transformers: plain tables, groups and time series."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rowsmith import Synthesizer
from rowsmith.errors import MissingDependency, RowsmithError
from rowsmith.generation.requests import CompletionRequest, Engine, SamplingParams
from rowsmith.model import Bundle
from rowsmith.table.schema import ModelSchema
from rowsmith.testing.agreement import agreement
from rowsmith.testing.answers import answers
from rowsmith.testing.backend_conformance import BackendConformance
from rowsmith_backends.sampling.bundle_prompts import bundle_prompt_ids
from rowsmith_backends.transformers.engine import CausalEngine

from ...shared.base_models import make_base
from ...shared.fine_tuning import settings, tune


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_base(tmp_path_factory.mktemp("base") / "base", width=64, vocab_size=1024)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "city": draw.choice(["Ulm", "Rome", "São Paulo"], 200),
            "kind": draw.choice(["</s>", "<|endoftext|>", "a"], 200),
            "n": draw.integers(0, 50, 200),
        }
    )


def _synthesizer(base: Path, model: dict[str, Any] | None = None, **more: Any) -> Synthesizer:
    return Synthesizer(**settings(base, **{"context": 512, **(model or {})}), seed=3, **more)


@pytest.mark.parametrize("full", [False, True], ids=["lora", "full"])
def test_a_table_is_made(base: Path, frame: pd.DataFrame, tmp_path: Path, full: bool) -> None:
    fitted = _synthesizer(base, {"full": full}).fit(frame)
    rows = fitted.sample(25)
    assert len(rows) == 25
    assert (rows.dtypes == frame.dtypes).all()
    assert {*rows["city"]} <= {*frame["city"]}
    assert {*rows["kind"]} <= {*frame["kind"]}
    assert fitted.results.num_invalid_records <= fitted.results.num_prompts  # but for what is cut off
    fitted.save(tmp_path / "model")
    again = Synthesizer.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.sample(10, seed=1), fitted.sample(10, seed=1))


def test_groups_are_made_whole(base: Path) -> None:
    draw = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"who": np.repeat(np.arange(40), 3), "day": np.tile([1, 2, 3], 40), "shop": draw.choice(["x", "y"], 120)}
    )
    fitted = _synthesizer(base, group_by="who", order_by="day").fit(frame)
    rows = fitted.sample(groups=4)
    groups = [part for _, part in rows.groupby("who", sort=False)]
    assert len(groups) == 4
    assert all(part["day"].is_monotonic_increasing for part in groups)
    assert {*rows["shop"]} <= {"x", "y"}


def test_series_have_every_time(base: Path) -> None:
    times = pd.date_range("2024-03-01", periods=12, freq="h")
    frame = pd.DataFrame(
        {
            "sensor": np.repeat(["A", "B", "C"], 12),
            "at": np.tile(times, 3),
            "state": np.random.default_rng(2).choice(["on", "off"], 36),
        }
    )
    fitted = _synthesizer(base, group_by="sensor", time_column="at").fit(frame)
    rows = fitted.sample(groups=2)
    assert rows["sensor"].nunique() == 2
    for _, part in rows.groupby("sensor"):
        assert [*part["at"]] == [*times]
    assert {*rows["state"]} <= {"on", "off"}


class TestAdapterEngine(BackendConformance):
    max_tokens = 120

    @pytest.fixture(scope="class")
    @classmethod
    def bundle(cls, base: Path, frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
        return tune(frame, tmp_path_factory.mktemp("tuned") / "run", base)

    @pytest.fixture(scope="class")
    @classmethod
    def make_engine(cls, bundle: Bundle) -> Callable[[], Engine]:
        return lambda: CausalEngine.of_bundle(bundle, dtype="float32", merge=False)

    @pytest.fixture(scope="class")
    @classmethod
    def prompt_ids(cls, bundle: Bundle) -> tuple[int, ...]:
        return tuple(bundle_prompt_ids(bundle))

    @pytest.fixture(scope="class")
    @classmethod
    def schema(cls, bundle: Bundle) -> ModelSchema:
        return bundle.model_schema


def test_an_adapter_that_is_merged_and_one_that_is_attached_agree(
    base: Path, frame: pd.DataFrame, tmp_path: Path
) -> None:
    bundle = tune(frame, tmp_path / "run", base)
    merged, attached = (_started(bundle, merge=merge) for merge in (True, False))
    prompts = [bundle_prompt_ids(bundle)]
    found = agreement(merged, attached, prompts, max_tokens=40)
    found.check()
    assert found.num_tokens > 5
    # And what was learned is in it.
    other = tune(frame, tmp_path / "other", base, sections={"seed": 7})
    with pytest.raises(AssertionError, match="differ"):
        agreement(merged, _started(other), prompts).check()


def _started(bundle: Bundle, **options: Any) -> CausalEngine:
    engine = CausalEngine.of_bundle(bundle, dtype="float32", **options)
    engine.start()
    return engine


def test_what_the_grammar_needs_is_told_before_a_job_begins(
    base: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = _synthesizer(base).fit(frame)
    monkeypatch.setitem(sys.modules, "llguidance", None)
    monkeypatch.setattr("rowsmith_backends.transformers.backend.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="llguidance"):
        fitted.sample(3)


def test_a_bundle_completes_in_bfloat16(base: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    bundle = tune(frame, tmp_path / "run", base)
    engine = CausalEngine.of_bundle(bundle, dtype="bfloat16")
    engine.start()
    prompt = tuple(bundle_prompt_ids(bundle))
    found = answers(engine, [CompletionRequest(i, prompt) for i in range(4)], SamplingParams(max_new_tokens=60))
    assert len({answer.text for answer in found.values()}) > 1
    with pytest.raises(RowsmithError, match="device"):
        CausalEngine.of_bundle(bundle, device="nowhere").start()
