"""What an assembler returns is an ordinary dataset, and costs nothing until its tokens are wanted."""

from __future__ import annotations

import pickle

import datasets
import numpy as np
import pytest
from datasets import Dataset, concatenate_datasets, load_from_disk

from rowsmith.assembly import ExampleRanges, as_dataset, ranges_of
from rowsmith.assembly import dataset as example_table
from rowsmith.assembly.token_store import TokenStore
from rowsmith.storage.memory_map import SPOOLED_BYTES

COLUMNS = ["input_ids", "attention_mask", "labels"]


@pytest.fixture(autouse=True)
def no_progress_bars():
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def _ranges(count=50, length=None):
    """Examples of up to four records, whose ids say which record they are."""
    rows = np.arange(4 * count)
    lengths = np.full(4 * count, length) if length else 1 + rows % 5
    store = TokenStore(np.repeat(10 + rows % 200, lengths).astype(np.uint8), np.append(0, np.cumsum(lengths)))
    starts = np.arange(0, 4 * count, 4)
    stops = starts + (4 if length else 1 + np.arange(count) % 4)
    ends = np.arange(8, 4 * count + 1, 8)
    layout = {"prompt_ids": (7, 8), "bos_id": 1, "eos_id": 2, "pad_id": 0}
    return ExampleRanges(store=store, order=rows[::-1].copy(), starts=starts, stops=stops, ends=ends, **layout)


@pytest.fixture(params=["few blocks", "many blocks"])
def pair(request, monkeypatch):
    """The examples of an assembler, and the same written out a list at a time."""
    if request.param == "many blocks":
        monkeypatch.setattr(example_table, "_CELLS", 64)
    ranges = _ranges()
    return as_dataset(ranges), Dataset.from_list([ranges.example(number) for number in range(len(ranges))])


def _is_written(dataset):
    return "table" in vars(dataset.data)


def test_its_columns_are_those_of_a_dataset_made_of_lists(pair):
    """Promise C6."""
    dataset, plain = pair
    assert dataset.column_names == COLUMNS
    assert dataset.features == plain.features
    assert dataset.shape == plain.shape and len(dataset) == len(plain)
    for name in COLUMNS:
        assert list(dataset[name]) == list(plain[name])
    assert dataset.with_format("arrow")[:].combine_chunks() == plain.with_format("arrow")[:].combine_chunks()
    assert dataset.data.nbytes == plain.data.nbytes


@pytest.mark.parametrize(
    "change",
    [
        lambda dataset: dataset.shuffle(seed=1).select(range(9)),
        lambda dataset: dataset.select(range(5, 20)).select([3, 1, 1]),
        lambda dataset: dataset.train_test_split(test_size=0.2, seed=0)["test"],
        lambda dataset: dataset.filter(lambda row: len(row["labels"]) > 12),
        lambda dataset: dataset.map(lambda row: {"length": len(row["labels"])}),
        lambda dataset: dataset.remove_columns("labels").rename_column("input_ids", "ids"),
        lambda dataset: dataset.select_columns(["labels"]),
        lambda dataset: dataset.shuffle(seed=2).flatten_indices(),
        lambda dataset: dataset.shard(num_shards=3, index=1),
        lambda dataset: concatenate_datasets([dataset, dataset.shuffle(seed=3)]),
        lambda dataset: dataset.add_column("number", list(range(len(dataset)))),
        lambda dataset: dataset.select([]),
        lambda dataset: pickle.loads(pickle.dumps(dataset)),
    ],
)
def test_it_is_changed_like_any_other(pair, change):
    """Promise C31."""
    dataset, plain = pair
    assert list(change(dataset)) == list(change(plain))
    assert change(dataset).features == change(plain).features


@pytest.mark.parametrize(
    "read",
    [
        lambda dataset: [dataset[3], dataset[-1], dataset[2:5], dataset[::7], dataset[[4, 1]]],
        lambda dataset: list(dataset.iter(7)),
        lambda dataset: list(dataset.to_iterable_dataset(num_shards=2)),
        lambda dataset: dataset.to_list(),
        lambda dataset: dataset.to_dict(),
        lambda dataset: dataset.to_pandas().map(list).to_dict(),
        lambda dataset: [{name: row[name].tolist() for name in COLUMNS} for row in dataset.with_format("torch")],
        lambda dataset: [str(row["labels"].dtype) for row in dataset.with_format("numpy")],
    ],
)
def test_it_is_read_like_any_other(pair, read):
    """Promise C31."""
    dataset, plain = pair
    assert read(dataset) == read(plain)


def test_it_is_saved_and_loaded(pair, tmp_path):
    """Promise C31."""
    for number, (dataset, plain) in enumerate([pair, [each.shuffle(seed=1) for each in pair]]):
        dataset.save_to_disk(tmp_path / f"{number}")
        assert list(load_from_disk(tmp_path / f"{number}")) == list(plain)
        dataset.to_parquet(tmp_path / f"{number}.parquet")
        assert list(Dataset.from_parquet(str(tmp_path / f"{number}.parquet"), cache_dir=tmp_path)) == list(plain)


def test_a_dataset_without_examples_is_one():
    ranges = _ranges(0)
    dataset = as_dataset(ranges)
    assert list(dataset) == dataset.to_list() == list(dataset["labels"]) == []
    assert dataset.column_names == COLUMNS


def test_no_column_is_written_where_rows_are_read_shuffled_or_saved(tmp_path):
    """Promise C31."""
    dataset = as_dataset(_ranges())
    chosen = dataset.shuffle(seed=0).select(range(20)).with_format("torch")
    assert len(list(chosen)) == 20
    dataset.save_to_disk(tmp_path / "saved")
    assert list(dataset) and list(dataset.iter(3)) and dataset[:4]
    assert ranges_of(chosen) is not None
    assert not _is_written(dataset)
    assert list(dataset["labels"])
    assert _is_written(dataset)


def test_a_large_column_lies_in_a_mapped_file_and_not_in_memory():
    import pyarrow as pa

    dataset = as_dataset(_ranges(SPOOLED_BYTES // 80, length=20))
    before = pa.total_allocated_bytes()
    column = dataset.data.table.column("labels")
    assert column.nbytes > 8 * SPOOLED_BYTES
    assert pa.total_allocated_bytes() - before < column.nbytes / 8
    values = column.chunk(column.num_chunks - 1).values
    assert not values.to_numpy().flags.owndata and not values.to_numpy().flags.writeable
    assert column[len(dataset) - 1].as_py() == dataset[-1]["labels"]


def test_rows_that_a_user_transforms_have_no_ranges():
    dataset = as_dataset(_ranges())
    assert ranges_of(dataset.with_format("torch")) is not None
    assert ranges_of(dataset.with_transform(lambda rows: rows)) is None
    assert ranges_of(dataset.map(lambda row: row)) is None


@pytest.mark.parametrize("same_length", [True, False])
def test_a_trainer_takes_it_with_default_arguments(tokenizer, tmp_path, same_length):
    """Promise C31: examples of one length need no collator; others need one that pads labels, as with any dataset."""
    from transformers import DataCollatorForSeq2Seq, LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=400, **size))
    collator = None if same_length else DataCollatorForSeq2Seq(tokenizer)
    dataset = as_dataset(_ranges(length=3 if same_length else None))
    arguments = TrainingArguments(str(tmp_path), max_steps=2, report_to=[], disable_tqdm=True, use_cpu=True)
    assert arguments.remove_unused_columns
    result = Trainer(model, arguments, data_collator=collator, train_dataset=dataset, eval_dataset=dataset).train()
    assert result.global_step == 2 and np.isfinite(result.training_loss)
