"""Rows that decide when training ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.components import ComponentRef
from rowsmith.config import DataConfig, RunConfig, TrainingConfig
from rowsmith.errors import DataError
from rowsmith.randomness.seeds import Seeds
from rowsmith.sequences import training_part
from rowsmith.sequences.stopping_rows import stopping_count
from rowsmith.table import from_frame

POLICY = TrainingConfig(stopping=ComponentRef(name="quality"))


@given(st.integers(15, 10**7), st.floats(0, 0.9))
def test_there_are_enough_rows_but_at_most_a_fifth_unless_more_are_asked_for(rows: int, ratio: float) -> None:
    count = stopping_count(rows, TrainingConfig(validation_ratio=ratio))
    assert count >= min(200, rows // 5)
    assert count <= max(rows // 5, int(rows * ratio))
    assert count <= 1_000


@given(st.integers(20, 400), st.integers(0, 10))
def test_every_row_of_a_plain_table_has_one_use(rows: int, seed: int) -> None:
    table = from_frame(pd.DataFrame({"n": range(rows), "odd": [n % 2 == 1 for n in range(rows)]}))
    part = training_part(table, RunConfig(training=POLICY, seed=seed), Seeds(seed))
    assert part.stopping is not None
    uses = np.concatenate([part.trained, part.held, part.stopping.rows])
    assert sorted(uses.tolist()) == list(range(rows))
    assert part.stopping.table.columns.column("n").to_pylist() == [str(row) for row in part.stopping.rows]
    assert part.stopping.trained.columns.column("n").to_pylist() == [str(row) for row in part.trained]
    without = training_part(table, RunConfig(seed=seed), Seeds(seed))
    assert without.held.tolist() == part.held.tolist(), "the holdout stays the same"
    assert without.stopping is None


@given(st.lists(st.integers(1, 9), min_size=12, max_size=40), st.integers(0, 10))
def test_every_group_has_one_use(sizes: list[int], seed: int) -> None:
    who = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    table = from_frame(pd.DataFrame({"who": [f"p{each}" for each in who], "n": range(len(who))}))
    data = DataConfig(group_training_examples_by="who", holdout=0)
    if len(who) < 15:
        return
    part = training_part(table, RunConfig(data=data, training=POLICY), Seeds(seed))
    assert part.stopping is not None
    assert part.groups is not None
    assert sorted([*part.trained.tolist(), *part.stopping.rows.tolist()]) == list(range(len(who)))
    assert not {*who[part.trained]} & {*who[part.stopping.rows]}
    assert len(part.groups) == len(part.trained)


@pytest.mark.parametrize(("rows", "groups"), [(14, None), (1_000, 1), (1_000, 3)])
def test_too_little_to_decide_by_is_refused(rows: int, groups: int | None) -> None:
    with pytest.raises(DataError, match=r"training\.stopping"):
        stopping_count(rows, POLICY, groups)
