"""Groups that get the names that the user gives."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith import Synthesizer
from rowsmith.config import load_config
from rowsmith.errors import ConfigError, ParameterError
from rowsmith.sequences import GivenNames, given_names
from rowsmith.table import from_frame


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=9),
    st.lists(st.text("abc", min_size=1), unique=True, max_size=9),
    st.data(),
)
def test_each_group_gets_the_next_name_however_groups_come_in_batches(sizes, names, data):
    frame = pd.DataFrame({"id": [f"n{group}" for group, size in enumerate(sizes) for _ in range(size)]})
    cuts = [*sorted(data.draw(st.sets(st.integers(1, len(sizes))))), len(sizes)]
    given_ = GivenNames("id", tuple(names))
    found, start = [], 0
    for stop in cuts:
        part = frame[frame["id"].isin([f"n{group}" for group in range(start, stop)])]
        if len(part):
            found += given_.put(from_frame(part).columns).column("id").to_pylist()
        start = stop
    wanted = [*names, *(f"n{group}" for group in range(len(names), len(sizes)))]
    assert found == [wanted[group] for group, size in enumerate(sizes) for _ in range(size)]


def test_a_name_must_fit_its_column():
    schema = from_frame(pd.DataFrame({"id": [1, 2]})).schema
    assert given_names((), ("id",), schema) is None
    assert given_names(("7", "-3"), ("id",), schema) == GivenNames("id", ("7", "-3"))
    with pytest.raises(ConfigError, match=r"whole numbers, and 'x' is not one @ generation\.group_keys"):
        given_names(("7", "x"), ("id",), schema)


@pytest.mark.parametrize(
    ("generation", "group", "message"),
    [
        ({"group_keys": ["a", "a"]}, "id", "'a' is there more than once"),
        ({"group_keys": [""]}, "id", "cannot be empty"),
        ({"group_keys": ["a"]}, None, "one column that groups the rows"),
        ({"group_keys": ["a"]}, ["id", "other"], "one column that groups the rows"),
        ({"group_keys": ["a"], "num_groups": 2}, "id", "2 groups are wanted, and there are 1 names"),
    ],
)
def test_names_that_cannot_be_given_are_told(generation, group, message):
    with pytest.raises(ConfigError, match=message):
        load_config(values={"generation": generation, "data": {"group_training_examples_by": group}})


def test_names_say_how_many_groups_there_are():
    values = {"generation": {"group_keys": ["a", "b"]}, "data": {"group_training_examples_by": "id"}}
    assert load_config(values=values).generation.num_groups == 2


def test_groups_are_made_under_given_names(tmp_path):
    pytest.importorskip("torch")
    frame = pd.DataFrame({"id": [number // 3 for number in range(90)], "x": [number % 3 for number in range(90)]})
    synthesizer = Synthesizer(group_by="id", training={"max_steps": 3}, run_directory=tmp_path / "run").fit(frame)
    made = synthesizer.sample(groups=["500", "7", "-2"])
    assert made["id"].drop_duplicates().tolist() == [500, 7, -2]
    assert made["id"].dtype == frame["id"].dtype
    again = synthesizer.sample(groups=["500", "7", "-2"], seed=3)
    pd.testing.assert_frame_equal(again, synthesizer.sample(groups=["500", "7", "-2"], seed=3))
    with pytest.raises(ParameterError, match="a name for each group"):
        synthesizer.sample(groups=[])
