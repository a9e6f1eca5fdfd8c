"""The library in one object."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rowsmith import Synthesizer
from rowsmith.config import RunConfig, load_config
from rowsmith.errors import (
    BundleError,
    ConfigError,
    DataError,
    GenerationError,
    ParameterError,
    RunDirectoryError,
    UnknownComponent,
)
from rowsmith.observers import BatchReport
from rowsmith.runs.reporting import Reporter
from rowsmith.runs.result_files import metrics
from rowsmith_plugins.processors.tabular import TabularProcessor


def test_rows_come_back_in_the_dtypes_of_the_frame(
    frame: pd.DataFrame, tiny: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    before = frame.copy(deep=True)
    synthesizer = Synthesizer(**tiny)
    assert synthesizer.fit(frame) is synthesizer
    pd.testing.assert_frame_equal(frame, before)
    sample = synthesizer.sample(30)
    assert list(sample.columns) == list(frame.columns)
    pd.testing.assert_series_equal(sample.dtypes, frame.dtypes)
    assert len(sample) == 30
    assert sample.index.equals(pd.RangeIndex(30))
    assert synthesizer.report.steps == 3
    assert synthesizer.results is not None
    assert synthesizer.results.num_valid_records >= 30
    assert capfd.readouterr().out == ""


def test_seeds_and_streams(frame: pd.DataFrame, tiny: dict[str, Any]) -> None:
    synthesizer = Synthesizer(**tiny, seed=4).fit(frame)
    first, second = synthesizer.sample(20), synthesizer.sample(20)
    assert not first.equals(second)
    pd.testing.assert_frame_equal(synthesizer.sample(20, seed=9), synthesizer.sample(20, seed=9))
    pd.testing.assert_frame_equal(synthesizer.sample(20, seed=4), first)
    pd.testing.assert_frame_equal(synthesizer.sample(20, seed=np.int64(4)), first)
    again = Synthesizer(**tiny, seed=4).fit(frame)
    pd.testing.assert_frame_equal(again.sample(20), first)
    pd.testing.assert_frame_equal(again.sample(20), second)


@pytest.mark.parametrize("constrained", [True, False])
def test_rows_are_the_same_when_every_completion_is_read_as_text(
    frame: pd.DataFrame, tiny: dict[str, Any], constrained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame["remark"] = [f"no. {i} é" if i % 3 else None for i in range(len(frame))]
    synthesizer = Synthesizer(**tiny, generation={"constrained": constrained}).fit(frame)

    def drawn() -> tuple[pd.DataFrame, dict[str, Any]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            rows = synthesizer.sample(70, seed=4)
        assert synthesizer.results is not None
        figures = metrics(synthesizer.results, None, {})["generation"]
        return rows, {name: figures[name] for name in figures if "sec" not in name and "time" not in name}

    rows, figures = drawn()
    monkeypatch.setattr(TabularProcessor, "column_reader", lambda self, vocabulary: None)
    expected, others = drawn()
    pd.testing.assert_frame_equal(rows, expected)
    assert figures == others


def test_a_sample_can_be_cancelled_from_another_thread(frame: pd.DataFrame, tiny: dict[str, Any]) -> None:
    class Watching(Reporter):
        def batch(self, report: BatchReport, target: int | None) -> None:
            if report.total_valid_records > 2_000:
                begun.set()

    begun = threading.Event()
    synthesizer = Synthesizer(**tiny, reporter=Watching()).fit(frame)
    synthesizer.cancel()
    expected = synthesizer.sample(200, seed=1)
    thread = threading.Thread(target=lambda: begun.wait(60) and synthesizer.cancel())
    thread.start()
    with pytest.warns(RuntimeWarning, match="interrupted"):
        rows = synthesizer.sample(10_000_000, seed=1)
    thread.join()
    pd.testing.assert_frame_equal(rows.head(200), expected)
    assert 2_000 < len(rows) < 10_000_000
    pd.testing.assert_frame_equal(synthesizer.sample(200, seed=1), expected)


def test_save_and_load(frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path) -> None:
    synthesizer = Synthesizer(**tiny).fit(frame)
    synthesizer.save(tmp_path / "model")
    expected = synthesizer.sample(15)
    del synthesizer
    loaded = Synthesizer.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.sample(15), expected)
    assert loaded.report.steps == 3
    with pytest.raises(RunDirectoryError, match="overwrite"):
        loaded.save(tmp_path / "other") or loaded.save(tmp_path / "other")
    loaded.save(tmp_path / "other", overwrite=True)
    loaded.fit(frame.head(60))
    again = Synthesizer.load(tmp_path / "model")
    assert not again.sample(15).equals(expected)
    pd.testing.assert_frame_equal(again.sample(15, seed=0), expected)


def test_a_damaged_model_is_refused(frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path) -> None:
    Synthesizer(**tiny).fit(frame).save(tmp_path / "model")
    weights = tmp_path / "model" / "bundle" / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError):
        Synthesizer.load(tmp_path / "model")
    with pytest.raises(RunDirectoryError, match="no trained model"):
        Synthesizer.load(tmp_path / "nothing")


def test_a_file_and_a_run_directory(frame: pd.DataFrame, tiny: dict[str, Any], tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "table.csv", index=False)
    synthesizer = Synthesizer(**tiny, run_directory=tmp_path / "run").fit(tmp_path / "table.csv")
    assert synthesizer.sample(5)["age"].dtype == "int64"
    synthesizer.fit(frame)
    with pytest.raises(RunDirectoryError):
        Synthesizer(**tiny, run_directory=tmp_path / "run").fit(frame)
    Synthesizer(**tiny, run_directory=tmp_path / "run", overwrite=True).fit(frame)


def test_a_reporter_hears_of_everything(frame: pd.DataFrame, tiny: dict[str, Any]) -> None:
    class Listener(Reporter):
        def __init__(self) -> None:
            self.heard: list[str] = []

        def stage_finished(self, name: str, seconds: float, detail: str = "") -> None:
            self.heard.append(name)

        def training(self, progress: Any) -> None:
            self.heard.append("step")

        def batch(self, report: Any, target: int | None) -> None:
            self.heard.append(f"{report.total_valid_records} of {target}")

    listener = Listener()
    Synthesizer(**tiny, reporter=listener).fit(frame).sample(12)
    assert {"transforming", "tokenizing", "training", "step", "loading", "generating"} <= set(listener.heard)
    assert any(each.endswith("of 12") for each in listener.heard)


def test_too_few_rows_is_a_warning_and_not_an_error(frame: pd.DataFrame, tiny: dict[str, Any]) -> None:
    stopping = {"name": "time-limit", "options": {"seconds": 1e-9}}
    synthesizer = Synthesizer(**tiny, stopping=stopping).fit(frame)
    with pytest.warns(RuntimeWarning, match="rows were made"):
        sample = synthesizer.sample(20_000)
    assert len(sample) < 20_000
    pd.testing.assert_series_equal(sample.dtypes, frame.dtypes)


def test_arguments_lie_over_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("seed: 3\ntraining: {max_time: 60s, validation_ratio: 0.1}\n")
    for config in (path, load_config(path), {"seed": 3, "training": {"max_time": "60s", "validation_ratio": 0.1}}):
        found = Synthesizer(config=config, max_train_time="2m", generation={"top_p": 0.9}).config
        assert found.training.max_time == 120.0
        assert found.training.validation_ratio == 0.1
        assert found.generation.top_p == 0.9
        assert found.seed == 3
    assert Synthesizer().config == RunConfig()
    assert Synthesizer(config=path, seed=0).config.seed == 0


def test_mistakes_are_typed_errors(frame: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="max_time"):
        Synthesizer(training={"max_tme": 1})
    with pytest.raises(ConfigError, match="trainign"):
        Synthesizer(trainign={})
    with pytest.raises(GenerationError, match="call fit first"):
        Synthesizer().sample(1)
    with pytest.raises(DataError):
        Synthesizer().fit([[1, 2]])  # type: ignore[arg-type]
    with pytest.raises(DataError):
        Synthesizer().fit(frame.head(0))
    with pytest.raises(UnknownComponent):
        Synthesizer(backend="nope").fit(frame)


@pytest.mark.parametrize(
    ("n", "seed"), [(0, None), (-1, None), (1.5, None), ("3", None), (True, None), (3, -1), (3, "x")]
)
def test_bad_arguments_of_sample(n: Any, seed: Any, frame: pd.DataFrame, fitted: Synthesizer) -> None:
    with pytest.raises(ParameterError):
        fitted.sample(n, seed=seed)


@pytest.fixture(scope="module")
def fitted() -> Synthesizer:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    options = {"width": 32, "layers": 1, "dtype": "float32"}
    frame = pd.DataFrame({"a": [1, 2, 3, 4] * 10, "b": ["x", "y"] * 20})
    return Synthesizer(training={"max_steps": 1}, model={"name": "scratch", "options": options}).fit(frame)


def test_groups_are_named_by_one_column_or_several_and_times_by_another() -> None:
    config = Synthesizer(group_by=["shop", "till"], time_column="at", data={"holdout": 0}).config
    assert config.data.group_columns == ("shop", "till")
    assert config.data.holdout == 0
    assert (config.grouped, config.order_column) == (True, "at")
    assert Synthesizer(group_by="shop", order_by="at").config.order_column == "at"
    with pytest.raises(ConfigError, match="only rows of a group are ordered"):
        Synthesizer(order_by="at")


def test_a_number_of_groups_needs_groups(fitted: Synthesizer) -> None:
    with pytest.raises(ConfigError, match="the table has no groups; give group_by"):
        fitted.sample(groups=2)
    with pytest.raises(ParameterError, match="give one of them"):
        fitted.sample(2, groups=2)
