"""The holdout of grouped tables: whole groups, or the end of a single series."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.config import DataConfig, RunConfig, TimeSeriesConfig
from rowsmith.errors import ConfigError, DataError
from rowsmith.randomness.seeds import Seeds
from rowsmith.sequences import MIN_TRAIN_ROWS, RowOrder, split_holdout, split_holdout_groups, training_part
from rowsmith.table import from_frame
from rowsmith.table.schema import ColumnType

SIZES = st.lists(st.integers(1, 30), min_size=2, max_size=60).filter(lambda sizes: sum(sizes) >= 2 * MIN_TRAIN_ROWS)


def numbers(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def split(sizes, seed=0, **data):
    return split_holdout_groups(numbers(sizes), DataConfig(**data), Seeds(seed))


@given(SIZES, st.floats(0, 0.5, exclude_max=True), st.integers(0, 40), st.integers(0, 5))
def test_groups_stay_whole_and_every_row_is_in_one_part(sizes, share, most, seed):
    kept, held = split(sizes, seed, holdout=share, max_holdout=most)
    groups = numbers(sizes)
    assert sorted([*kept, *held]) == [*range(sum(sizes))]
    assert not set(groups[kept]) & set(groups[held])
    assert [*kept] == sorted(kept)
    assert [*held] == sorted(held)
    assert len(kept) >= MIN_TRAIN_ROWS
    assert len(held) <= most


@given(SIZES, st.data(), st.integers(0, 5))
def test_a_holdout_is_within_half_a_group_of_what_was_asked_for(sizes, data, seed):
    count = data.draw(st.integers(1, sum(sizes) - MIN_TRAIN_ROWS))
    kept, held = split(sizes, seed, holdout=count)
    assert len(kept) >= MIN_TRAIN_ROWS
    # The last rows cannot be held out where that would leave too few to train on.
    assert abs(len(held) - count) <= max(sizes) / 2 or len(kept) - MIN_TRAIN_ROWS < max(sizes)


def test_a_number_of_rows_is_not_taken_for_a_number_of_groups():
    """Promise G18."""
    # Fifty rows of sixty groups: the rival holds out fifty groups, more than four fifths of the table.
    sizes = [16, 17] * 30
    kept, held = split(sizes, holdout=50)
    assert 40 <= len(held) <= 60
    assert len(kept) + len(held) == sum(sizes)


def test_the_same_seed_gives_the_same_split_and_others_others():
    first, again, other = (split([5] * 100, seed, holdout=0.2)[1].tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 100


@pytest.mark.parametrize("holdout", [0.25, 10])
def test_a_single_series_gives_its_end_and_no_rows_from_within(holdout):
    """Promise G19."""
    kept, held = split([40], holdout=holdout)
    assert [*kept, *held] == [*range(40)]
    assert len(held) == 10


def test_one_group_stays_however_much_is_held_out():
    kept, held = split([90, 10], holdout=90)
    assert (len(kept), len(held)) in ((90, 10), (10, 90))


def test_nothing_is_held_out_of_a_few_large_groups_and_that_is_told():
    frame = pd.DataFrame({"g": np.repeat(["a", "b"], 100), "x": range(200)})
    part = training_part(from_frame(frame), RunConfig(data=DataConfig(group_training_examples_by="g")), Seeds(0))
    assert len(part.table) == 200
    assert "nothing is held out: every group is larger than data.holdout asks for" in part.notes


@pytest.mark.parametrize("sizes", [[15], [5] * 3])
def test_too_few_rows_to_learn_from_are_an_error(sizes):
    with pytest.raises(DataError, match=r"lower data\.holdout"):
        split(sizes, holdout=8)


def test_a_table_without_a_holdout_is_not_advised_to_lower_it():
    with pytest.raises(DataError, match=r"has 1 row, 0 of them held out.* Give more rows\.$"):
        split([1], holdout=0.05)


def test_what_is_learned_of_an_ungrouped_series_has_no_gaps():
    """Promise G20."""
    days = pd.date_range("2024-01-01", periods=100)
    frame = pd.DataFrame({"day": days, "x": range(100)}).sample(frac=1, random_state=0)
    config = RunConfig(time_series=TimeSeriesConfig(is_timeseries=True, timestamp_column="day"))
    part = training_part(from_frame(frame), config, Seeds(0))
    assert [*part.table.to_frame()["day"]] == [*days[:95]]
    assert part.groups.tolist() == [0] * 95
    assert part.notes[-1] == "5 rows, the end of the series, are held out and never trained on"


@pytest.mark.parametrize(
    ("rows", "held"), [(19, 0), (20, 1), (100, 5), (39_999, 1_999), (40_000, 2_000), (100_000, 2_000)]
)
def test_of_a_plain_table_a_twentieth_is_held_out_and_two_thousand_rows_at_most(rows, held):
    kept, away = split_holdout(from_frame(pd.DataFrame({"x": range(rows)})), DataConfig(), Seeds(0))
    assert len(away) == held
    assert np.array_equal(np.sort([*kept, *away]), np.arange(rows))


def test_plain_tables_are_split_row_by_row():
    part = training_part(from_frame(pd.DataFrame({"x": range(100)})), RunConfig(), Seeds(0))
    assert part.groups is None
    assert len(part.table) == 95


def test_bounds_of_series_are_read_before_anything_is_learned():
    series = TimeSeriesConfig(is_timeseries=True, timestamp_column="day", start_timestamp="soon")
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=30), "x": range(30)})
    with pytest.raises(ConfigError, match=r"time_series.start_timestamp: 'soon' is not a time"):
        training_part(from_frame(frame), RunConfig(time_series=series), Seeds(0))


def test_a_column_with_gaps_orders_the_rows_and_is_then_learned_like_any_other():
    """Promise E32."""
    frame = pd.DataFrame({"g": [*"ab"] * 20, "t": [None if row % 4 == 3 else 40 - row for row in range(40)]})
    data = DataConfig(group_training_examples_by="g", order_training_examples_by="t", holdout=0)
    part = training_part(from_frame(frame), RunConfig(data=data), Seeds(0))
    assert part.order == RowOrder(column=None)
    assert len(part.table) == 40
    rows = part.table.to_frame()
    for _, group in rows.groupby("g"):
        known = group["t"].dropna()
        assert known.is_monotonic_increasing
        assert group["t"].isna().tolist() == sorted(group["t"].isna())
    (note,) = [note for note in part.notes if "'t'" in note]
    assert "no value in 10 of 40 rows (25.0%)" in note and "last rows of their group" in note


@given(st.lists(st.integers(1, 12), min_size=20, max_size=40), st.integers(0, 5))
def test_no_label_that_five_rows_have_becomes_rare_for_what_is_held_out_of_a_small_table(sizes, seed):
    labels = np.repeat([f"label{number}" for number in range(len(sizes))], sizes)
    few = np.where(np.arange(len(labels)) < 5, np.arange(len(labels)), np.nan)
    frame = pd.DataFrame({"label": labels, "few": few})
    count = min(3, sum(size - 5 if size >= 5 else size for size in sizes) // 3)
    part = training_part(from_frame(frame), RunConfig(data=DataConfig(holdout=count)), Seeds(seed))
    left = part.table.to_frame()
    assert len(left) == len(frame) - count
    if from_frame(frame).schema["label"].type is ColumnType.CATEGORICAL:
        before, after = (each["label"].value_counts() for each in (frame, left))
        assert (after[before.index[before >= 5]] >= 5).all()
    assert left["few"].notna().sum() == 5 or count > sum(sizes) - 5


def test_rows_of_labels_that_five_rows_have_are_held_out_where_there_are_no_others():
    frame = pd.DataFrame({"x": np.repeat([f"label{number}" for number in range(4)], 5)})
    part = training_part(from_frame(frame), RunConfig(data=DataConfig(holdout=2)), Seeds(0))
    assert len(part.table) == 18


def test_what_is_held_out_of_a_large_table_is_drawn_by_chance_alone():
    frame = pd.DataFrame({"x": np.repeat(["a", "b", "c"], [1000, 995, 5])})
    parts = [training_part(from_frame(frame), RunConfig(data=DataConfig()), Seeds(seed)) for seed in range(12)]
    assert min(int((part.table.to_frame()["x"] == "c").sum()) for part in parts) < 5
