"""Calls that follow each other make further rows, with keys that no other call has."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attrs import evolve

from rowsmith import Synthesizer
from rowsmith.errors import RunDirectoryError
from rowsmith.interruption import StopRequest
from rowsmith.observers import BatchReport
from rowsmith.runs.jobs import generate_job, saved_plan
from rowsmith.runs.reporting import Reporter
from rowsmith.runs.stages import Run
from rowsmith.runs.validation import registry_for
from rowsmith.storage.run_directory import RunDirectory

KEYS = ["row", "customer", "plate"]


@pytest.fixture(scope="module")
def keyed() -> pd.DataFrame:
    chance = np.random.default_rng(5)
    plates = [
        f"{''.join(chance.choice(list('KLMNOP'), 2))}-{number}" for number in chance.permutation(9000)[:300] + 1000
    ]
    return pd.DataFrame(
        {
            "row": np.arange(300, dtype="int16"),
            "customer": chance.choice(np.arange(100_000, 999_999), 300, replace=False),
            "plate": plates,
            "visits": chance.integers(0, 6, 300),
        }
    )


@pytest.fixture(scope="module")
def model(keyed: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    options = {"width": 32, "layers": 1, "dtype": "float32"}
    folder = tmp_path_factory.mktemp("keyed") / "model"
    Synthesizer(training={"max_steps": 3}, model={"name": "scratch", "options": options}, seed=4).fit(keyed).save(
        folder
    )
    return folder


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    shutil.copytree(model, tmp_path / "model")
    return tmp_path / "model"


class Notes(Reporter):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def check_apart(samples: list[pd.DataFrame], keyed: pd.DataFrame) -> None:
    """No key is there twice, in any call or in the table, the rows that are held out included."""
    for name in KEYS:
        together = pd.concat([keyed[name], *(sample[name] for sample in samples)])
        assert together.is_unique, name
    for place, sample in enumerate(samples):
        assert not any(sample["visits"].equals(other["visits"]) for other in samples[:place])


def test_calls_with_and_without_seeds_have_keys_of_their_own(folder: Path, keyed: pd.DataFrame) -> None:
    first = Synthesizer.load(folder)
    samples = [first.sample(40), first.sample(40), first.sample(40, seed=5), first.sample(40, seed=123_456)]
    second = Synthesizer.load(folder)
    samples += [second.sample(40), first.sample(40), second.sample(40, seed=6)]
    second.save(folder.parent / "copy")
    samples.append(Synthesizer.load(folder.parent / "copy").sample(40))
    check_apart(samples, keyed)
    assert samples[0]["row"].tolist()[:2] == [300, 301], "numbers count on"
    assert samples[1]["row"].tolist()[0] - samples[0]["row"].tolist()[-1] < 40, "and on from call to call"
    pd.testing.assert_frame_equal(Synthesizer.load(folder).sample(40, seed=5), samples[2])
    pd.testing.assert_frame_equal(Synthesizer.load(folder).sample(40, seed=4), samples[0])


def test_many_seeds_stay_apart_even_where_there_is_little_room(folder: Path, keyed: pd.DataFrame) -> None:
    """The numbers of a column of int16 are soon used up, and so are plates of two letters and four digits."""
    loaded = Synthesizer.load(folder)
    check_apart([loaded.sample(20, seed=seed) for seed in range(4, 44)], keyed)


def test_threads_that_draw_from_one_folder_get_rows_of_their_own(folder: Path, keyed: pd.DataFrame) -> None:
    samples: list[pd.DataFrame] = []

    def draw() -> None:
        loaded = Synthesizer.load(folder)
        samples.extend(loaded.sample(20) for _ in range(2))

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(samples) == 6
    check_apart(samples, keyed)


def test_a_folder_that_may_only_be_read_counts_in_memory(
    folder: Path, keyed: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    listener = Notes()
    loaded = Synthesizer.load(folder, reporter=listener)
    check_apart([loaded.sample(30), loaded.sample(30), loaded.sample(30, seed=9)], keyed)
    assert [note for note in listener.notes if "by this process alone" in note] == listener.notes[:1]
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_damaged_count_is_told(folder: Path) -> None:
    (folder / "generations.json").write_text('{"begun": "x"}')
    with pytest.raises(RunDirectoryError, match=r"generations\.json is damaged"):
        Synthesizer.load(folder).sample(5)
    assert len(Synthesizer.load(folder).sample(5, seed=1)) == 5


class Interrupting(Reporter):
    def __init__(self, stop: StopRequest) -> None:
        self.stop = stop

    def batch(self, report: BatchReport, target: int | None) -> None:
        self.stop.requested = True


def job(folder: Path, rows: int, *, interrupt: bool = False, **options: Any) -> pd.DataFrame:
    directory, stop = RunDirectory(folder), StopRequest()
    config = saved_plan(directory).config
    config = evolve(config, generation=evolve(config.generation, num_records=rows))
    run = Run(config=config, registry=registry_for(config), directory=directory, stop=stop)
    run = evolve(run, reporter=Interrupting(stop) if interrupt else Reporter(), resume=options.pop("resume", False))
    return generate_job(run, further=True, **options).results.df


def test_a_generation_that_is_resumed_stays_the_one_it_was(folder: Path, keyed: pd.DataFrame) -> None:
    other = folder.parent / "other"
    shutil.copytree(folder, other)
    whole = [job(other, 60_000, force=True) for _ in range(2)]
    first = job(folder, 60_000)
    pd.testing.assert_frame_equal(first, whole[0])
    cut = job(folder, 60_000, interrupt=True, force=True)
    assert len(cut) < 60_000
    further = job(folder, 50, force=True)
    with pytest.raises(RunDirectoryError, match="--resume"):
        job(folder, 60_000)
    resumed = job(folder, 60_000, resume=True)
    pd.testing.assert_frame_equal(resumed, whole[1])
    pd.testing.assert_frame_equal(resumed.head(len(cut)), cut)
    assert pd.concat([keyed["customer"], first["customer"], further["customer"], resumed["customer"]]).is_unique
    assert not list(folder.glob("*.journal"))


def test_a_generation_that_was_broken_off_can_be_given_up(folder: Path) -> None:
    cut = job(folder, 60_000, interrupt=True)
    assert list(folder.glob("*.journal"))
    again = job(folder, 60_000, force=True)
    assert not list(folder.glob("*.journal"))
    assert not again["visits"].head(len(cut)).equals(cut["visits"])
    assert not set(again["customer"]) & set(cut["customer"])


def test_names_of_groups_differ_from_call_to_call(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    chance = np.random.default_rng(7)
    names = np.repeat(chance.choice(np.arange(10_000, 99_999), 60, replace=False), 3)
    frame = pd.DataFrame({"case": names, "visit": np.tile([1, 2, 3], 60), "score": chance.integers(0, 5, 180)})
    options = {"width": 32, "layers": 1, "dtype": "float32"}
    synthesizer = Synthesizer(
        group_by="case", order_by="visit", training={"max_steps": 3}, model={"name": "scratch", "options": options}
    ).fit(frame)
    samples = [synthesizer.sample(groups=15), synthesizer.sample(groups=15), synthesizer.sample(groups=15, seed=3)]
    made = [set(sample["case"]) for sample in samples]
    assert len(set.union(set(names.tolist()), *made)) == 60 + sum(map(len, made))
    assert all(len(each) == 15 for each in made)
