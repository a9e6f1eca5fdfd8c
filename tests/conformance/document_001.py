"""Document 001, the assembler: every class constructed, every method called, every attribute read.

Written from the document alone; only a tokenizer and the model's metadata, which it does not describe, are made as
this project makes them. Run with ``python tests/conformance/document_001.py``.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import tempfile
from pathlib import Path
from typing import Any

from datasets import Dataset
from sheet import Sheet, raised, signature
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from rowsmith.assembly import Example, Statistics, TrainingExampleAssembler, TrainingExamples
from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith.config import DataConfig, RunConfig, TimeSeriesConfig, TrainingConfig
from rowsmith.errors import GenerationError, ParameterError
from rowsmith_assemblers import (
    PSEUDO_GROUP_COLUMN,
    GroupedDataExampleAssembler,
    SequentialExampleAssembler,
    TabularDataExampleAssembler,
)

COLUMNS = ["input_ids", "attention_mask", "labels"]
ROWS = 60
BASE = (
    "dataset, tokenizer, metadata, keep_columns=None, test_size=None, cache_file_path=None, seed=None, *args, **kwargs"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """A token a byte."""
    made: Any = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = [AddedToken(text, special=True) for text in ("<pad>", "<s>", "</s>")]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=259, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    made.train_from_iterator([], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


TOKENIZER = tokenizer()


def metadata(length: int = 400, **more: Any) -> ModelMetadata:
    """Prompts between BOS and EOS, and so many tokens of context."""
    config = LLMPromptConfig("{schema}\n", True, True, "<s>", 1, "</s>", 2)
    return ModelMetadata("tiny", config, length, **more)


def table(groups: int = 4) -> Dataset:
    """Records in no order, the same number in each group."""
    places = [(row * 7) % ROWS for row in range(ROWS)]
    return Dataset.from_dict({"v": [place % 5 for place in places], "t": places, "g": [p % groups for p in places]})


def lines(example: dict[str, list[int]]) -> list[str]:
    """The records of an example, as text."""
    text = TOKENIZER.decode(example["input_ids"], skip_special_tokens=True)
    return [line for line in text.splitlines() if line.startswith("{")]


def trained(example: dict[str, list[int]]) -> list[int]:
    return [token for token, label in zip(example["input_ids"], example["labels"], strict=True) if label != -100]


def example(sheet: Sheet) -> None:
    sheet.says("Example(...)", "prompt, tokenizer, metadata", signature(Example))
    sheet.says("add_sequence(...)", "seq, add_special_tokens=True", signature(Example.add_sequence))
    sheet.says("to_dict()", "", signature(Example.to_dict))
    made = Example("ab", TOKENIZER, metadata(12))
    sheet.says("num_tokens of a prompt of 2 between BOS and EOS", 4, made.num_tokens)
    made.add_sequence({"input_ids": [70, 71], "attention_mask": [1, 1]})
    made.add_sequence({"input_ids": [72], "attention_mask": [1]}, add_special_tokens=False)
    found = made.to_dict()
    sheet.says("num_tokens of prompt and all sequences", 4 + 4 + 1, made.num_tokens)
    sheet.says("keys of to_dict", COLUMNS, list(found))
    sheet.says("labels of the prompt", [-100] * 4, found["labels"][:4])
    sheet.says("labels of the sequences", [1, 70, 71, 2, 72], found["labels"][4:])
    sheet.says("attention_mask", [1] * 9, found["attention_mask"])
    longer = {"input_ids": [70] * 4, "attention_mask": [1] * 4}
    sheet.says("add_sequence beyond the context", GenerationError.__name__, raised(made.add_sequence, longer))
    sheet.says(
        "add_sequence up to the context", "nothing", raised(made.add_sequence, {k: v[:1] for k, v in longer.items()})
    )


def training_examples(sheet: Sheet) -> None:
    sheet.says("TrainingExamples(...)", "train, stats, test=None", signature(TrainingExamples))
    sheet.says("TrainingExamples is a dataclass", True, dataclasses.is_dataclass(TrainingExamples))
    assembler = TabularDataExampleAssembler(table(), TOKENIZER, metadata(), None, 10, None, 0)
    examples = assembler.assemble_training_examples()
    sheet.says("type of train", "Dataset", type(examples.train).__name__)
    sheet.says("type of test", "Dataset", type(examples.test).__name__)
    sheet.says("type of stats' values", {"Statistics"}, {type(each).__name__ for each in examples.stats.values()})
    sheet.says("columns of train", COLUMNS, examples.train.column_names)
    ids = list(examples.train["input_ids"])
    sheet.says("train['input_ids']", [row["input_ids"] for row in examples.train], ids)
    first = examples.train.with_format("torch")[0]["labels"]
    sheet.says("train.with_format('torch')", examples.train[0]["labels"], first.tolist())
    with tempfile.TemporaryDirectory() as folder:
        examples.train.save_to_disk(folder)
        again = Dataset.load_from_disk(folder)
    sheet.says("train saved and loaded", list(examples.train), list(again))
    sheet.says("rows of train.to_pandas()", len(examples.train), len(examples.train.to_pandas()))
    sheet.says("replace(examples, test=None).test", None, dataclasses.replace(examples, test=None).test)
    plain = Statistics.of([1, 2, 3])
    sheet.says(
        "running statistics", (3, 2.0, 1.0, 3.0, 1.0), (plain.count, plain.mean, plain.min, plain.max, plain.stddev)
    )


class Own(TrainingExampleAssembler):
    """A subclass as the document has it."""

    @property
    def num_records_train(self) -> int:
        return len(self.dataset) - (self.test_size or 0)

    @property
    def num_records_validation(self) -> int:
        return self.test_size or 0

    def assemble_training_examples(self, data_fraction: float = 1.0) -> TrainingExamples:
        count = math.ceil(data_fraction * self.num_records_train)
        rows = []
        for record in self.dataset.select(range(count)):
            made = Example("ab", self.tokenizer, self.metadata)
            ids = self.tokenizer(str(record))["input_ids"]
            made.add_sequence({"input_ids": ids, "attention_mask": [1] * len(ids)})
            rows.append(made.to_dict())
        return TrainingExamples(Dataset.from_list(rows), {"records": Statistics.of([count])})


def base(sheet: Sheet) -> None:
    kind = TrainingExampleAssembler
    sheet.says("TrainingExampleAssembler(...)", BASE, signature(kind))
    said = {"num_records_train", "num_records_validation", "assemble_training_examples"}
    sheet.says("abstract", said, set(kind.__abstractmethods__))
    sheet.says(
        "num_records_total is a property", True, isinstance(inspect.getattr_static(kind, "num_records_total"), property)
    )
    sheet.says("assemble_training_examples(...)", "data_fraction=1.0", signature(kind.assemble_training_examples))
    said = (
        "dataset, tokenizer, metadata, config, test_size=None, seed=None, cache_file_path=None, keep_columns=None, "
        "**kwargs"
    )
    sheet.says("from_data(...)", said, signature(kind.from_data))
    sheet.says("from_data is a classmethod", True, isinstance(inspect.getattr_static(kind, "from_data"), classmethod))
    own = Own(table(), TOKENIZER, metadata(), ["g"], 10, None, 1, "more", other=2)
    sheet.says("a subclass: num_records_total", 60, own.num_records_total)
    sheet.says("a subclass: assemble_training_examples(.5)", 25, len(own.assemble_training_examples(0.5).train))
    sheet.says("keep_columns, test_size, seed are stored", (["g"], 10, 1), (own.keep_columns, own.test_size, own.seed))


def chosen(sheet: Sheet) -> None:
    training = TrainingConfig(validation_ratio=0.1)
    grouped = DataConfig(group_training_examples_by="g", order_training_examples_by="t")
    series = TimeSeriesConfig(is_timeseries=True, timestamp_column="t")
    for what, config, kind in (
        ("a plain configuration", RunConfig(training=training), TabularDataExampleAssembler),
        ("group_training_examples_by", RunConfig(training=training, data=grouped), GroupedDataExampleAssembler),
        ("time series", RunConfig(training=training, data=grouped, time_series=series), SequentialExampleAssembler),
        ("time series without groups", RunConfig(training=training, time_series=series), SequentialExampleAssembler),
    ):
        with tempfile.TemporaryDirectory() as folder:
            made = TrainingExampleAssembler.from_data(
                table(), TOKENIZER, metadata(2_000), config, 0.25, 3, folder, ["v"], overlong="skip"
            )
            sheet.says(f"from_data: {what}", kind.__name__, type(made).__name__)
            sheet.says("... test_size is a fraction", 15, made.num_records_validation)
            sheet.says("... keep_columns are kept", True, "v" in made.keep_columns)
            sheet.says("... seed, **kwargs reach the constructor", (3, "skip"), (made.seed, made.overlong))
        if kind is SequentialExampleAssembler:
            name = "g" if config.data.group_training_examples_by else PSEUDO_GROUP_COLUMN
            sheet.says(
                "... group_by_column, order_by_column", (name, "t"), (made.group_by_column, made.order_by_column)
            )


def tabular(sheet: Sheet) -> None:
    kind = TabularDataExampleAssembler
    sheet.says("TabularDataExampleAssembler(...)", "*args, **kwargs", signature(kind), "C30")
    sheet.says("its bases", True, issubclass(kind, TrainingExampleAssembler))
    with tempfile.TemporaryDirectory() as folder:
        made = kind(table(), TOKENIZER, metadata(), keep_columns=["g"], test_size=10, cache_file_path=folder, seed=5)
        examples = made.assemble_training_examples()
        sheet.says("cache_file_path holds the tokenized records", True, any(Path(folder).iterdir()))
    sheet.says("num_records_train", 50, made.num_records_train)
    sheet.says("num_records_validation", 10, made.num_records_validation)
    sheet.says("num_records_total", 60, made.num_records_total)
    found = [line for each in examples.train for line in lines(each)]
    held = [line for each in examples.test for line in lines(each)]
    sheet.says("every record once, in one split", 60, len({*found, *held}) if len(found) + len(held) == 60 else -1)
    order = [_place(line) for line in found]
    sheet.says(
        "records stand in the order of the table", False, order == [place for place in table()["t"] if place in order]
    )
    sheet.says("one sequence between BOS and EOS", {(1, 2, 1, 1)}, {_enclosed(each) for each in examples.train})
    sheet.says(
        "examples fill the context", True, min(len(each) for each in list(examples.train["input_ids"])[:-1]) > 350
    )
    sheet.says("no example beyond the context", True, max(map(len, examples.train["input_ids"])) <= 400)
    for fraction, count in ((0.5, 25), (2.0, 100), (2.5, 125)):
        total = sum(len(lines(each)) for each in made.assemble_training_examples(fraction).train)
        sheet.says(f"records of data_fraction={fraction}", count, total)
    again = kind(table(), TOKENIZER, metadata(), test_size=10, seed=5).assemble_training_examples()
    sheet.says("the seed decides", list(examples.train), list(again.train))
    for none in (None, 0):
        sheet.says(
            f"test of test_size={none}",
            None,
            kind(table(), TOKENIZER, metadata(), None, none).assemble_training_examples().test,
        )
    sheet.says("another argument", "nothing", raised(kind, table(), TOKENIZER, metadata(), other=1), "C30")
    small = kind(table(), TOKENIZER, metadata(45))
    sheet.says("a record beyond the context", "GenerationError", raised(small.assemble_training_examples), "C25")


def _place(line: str) -> int:
    return int(line.split('"t":')[1].split(",")[0].rstrip("}"))


def _enclosed(example: dict[str, list[int]]) -> tuple[int, int, int, int]:
    ids = trained(example)
    return ids[0], ids[-1], ids.count(1), ids.count(2)


def sequential(sheet: Sheet) -> None:
    kind = SequentialExampleAssembler
    said = [
        "dataset",
        "tokenizer",
        "metadata",
        "group_training_examples_by",
        "order_training_examples_by",
        "keep_columns",
    ]
    sheet.says("SequentialExampleAssembler(...)", said, list(inspect.signature(kind).parameters)[:6])
    sheet.says("... **kwargs", True, "kwargs" in inspect.signature(kind).parameters, "E30")
    sheet.says("it is a TabularDataExampleAssembler", True, issubclass(kind, TabularDataExampleAssembler), "E2")
    columns = {"group_training_examples_by": "g", "order_training_examples_by": "t"}
    made = kind(table(), TOKENIZER, metadata(), keep_columns=["v"], test_size=15, seed=1, **columns)
    examples = made.assemble_training_examples(2.0)
    sheet.says("group_by_column", "g", made.group_by_column)
    sheet.says("order_by_column", "t", made.order_by_column)
    sheet.says("columns: group first, order second, the rest", ["g", "t", "v"], made.dataset.column_names)
    sheet.says("keep_columns hold group and order", {"g", "t", "v"}, set(made.keep_columns))
    sheet.says("num_groups_train, num_groups_validation", (3, 1), (made.num_groups_train, made.num_groups_validation))
    sheet.says(
        "num_records_train, num_records_validation", (45, 15), (made.num_records_train, made.num_records_validation)
    )
    groups = [{line.split('"g":')[1][0] for line in lines(each)} for each in examples.train]
    sheet.says("groups of an example", {1}, {len(each) for each in groups})
    tested = {line.split('"g":')[1][0] for each in examples.test for line in lines(each)}
    sheet.says("groups of both splits", set(), set().union(*groups) & tested)
    places = [[_place(line) for line in lines(each)] for each in examples.train]
    sheet.says("records in their order", True, all(each == sorted(each) for each in places))
    sheet.says("records of two passes", 90, sum(map(len, places)))
    sheet.says("an example spans two passes", 0, sum(len(each) != len(set(each)) for each in places))
    stats = {"tokens_per_record", "tokens_per_example", "records_per_example", "examples_per_group"}
    sheet.says("statistics", stats, set(examples.stats))
    half = kind(table(), TOKENIZER, metadata(), **columns).assemble_training_examples(0.1)
    sheet.says("records of data_fraction=0.1", 6, sum(len(lines(each)) for each in half.train))
    sheet.says(
        "... the first ones", [0, 4, 8, 12, 16, 20], [_place(x) for each in half.train for x in lines(each)], "E20"
    )
    capped = kind(table(), TOKENIZER, metadata(max_sequences_per_example=2), **columns).assemble_training_examples()
    sheet.says("max_sequences_per_example=2", 2.0, capped.stats["records_per_example"].max)
    ends = [each["labels"][-1] for each in capped.train]
    sheet.says("EOS of every example is trained on", {2}, set(ends), "E15")
    prefilled = metadata()
    kind(table(), TOKENIZER, prefilled, **columns).assemble_training_examples()
    sheet.says("initial_prefill, by group", 4, len(prefilled.initial_prefill or {}), "E24")
    kind(table(), TOKENIZER, prefilled, keep_prefill=True, **columns).assemble_training_examples()
    records = {text.count("\n") for text in (prefilled.initial_prefill or {}).values()}
    sheet.says("... where asked for: 3 records each", (4, {3}), (len(prefilled.initial_prefill or {}), records))
    alone = kind(
        table().remove_columns("g"),
        TOKENIZER,
        metadata(),
        group_training_examples_by=PSEUDO_GROUP_COLUMN,
        order_training_examples_by="t",
    )
    sheet.says("PSEUDO_GROUP_COLUMN is added", PSEUDO_GROUP_COLUMN, alone.dataset.column_names[0])
    sheet.says("... and one group", 1, alone.num_groups_train)
    sheet.says("... and not in schema_prompt", '"t":<unk>,"v":<unk>\n', alone.schema_prompt)
    sheet.says(
        "... nor in records",
        False,
        any(PSEUDO_GROUP_COLUMN in line for each in alone.assemble_training_examples().train for line in lines(each)),
    )
    for name in columns:
        wrong = {**columns, name: "none"}
        sheet.says(
            f"{name} is no column",
            ParameterError.__name__,
            raised(lambda w=wrong: kind(table(), TOKENIZER, metadata(), **w)),
        )


def grouped(sheet: Sheet) -> None:
    kind = GroupedDataExampleAssembler
    said = (
        "group_training_examples_by, order_training_examples_by, dataset, tokenizer, metadata, test_size=None, "
        "cache_file_path=None, seed=None, keep_columns=None"
    )
    sheet.says("GroupedDataExampleAssembler(...)", said, signature(kind))
    sheet.says("... *args, **kwargs", True, "args" in inspect.signature(kind).parameters, "D22")
    made = kind("g", "t", table(12), TOKENIZER, metadata(2_000), 15, None, 2, ["v"])
    examples = made.assemble_training_examples()
    sheet.says("num_groups_train, num_groups_validation", (9, 3), (made.num_groups_train, made.num_groups_validation))
    sheet.says(
        "num_records_train, num_records_validation", (45, 15), (made.num_records_train, made.num_records_validation)
    )
    sheet.says("num_records_total", 60, made.num_records_total)
    sheet.says("keep_columns hold groups", True, {"g", "v"} <= set(made.keep_columns))
    sheet.says("sequences in train", 9, sum(trained(each).count(1) for each in examples.train))
    sheet.says("... each ended by EOS", 9, sum(trained(each).count(2) for each in examples.train))
    places = [[_place(line) for line in lines(each)] for each in examples.train]
    runs = [each[start : start + 5] for each in places for start in range(0, len(each), 5)]
    sheet.says("groups are whole", {1}, {len({place % 12 for place in run}) for run in runs})
    sheet.says("records of a group in their order", True, all(run == sorted(run) for run in runs))
    stats = {"tokens_per_record", "tokens_per_group", "tokens_per_example", "records_per_example", "groups_per_example"}
    sheet.says("statistics", True, stats <= set(examples.stats))
    share = kind("g", None, table(12), TOKENIZER, metadata(2_000), test_size=0.25, seed=0)
    sheet.says("test_size as a fraction", (45, 15), (share.num_records_train, share.num_records_validation))
    half = share.assemble_training_examples(0.5)
    sheet.says(
        "records of data_fraction=0.5, in whole groups",
        True,
        abs(sum(len(lines(each)) for each in half.train) - 22.5) <= 2.5,
    )
    twice = sum(len(lines(each)) for each in share.assemble_training_examples(2.0).train)
    sheet.says("records of data_fraction=2", 90, twice)
    sheet.says(
        "test of test_size=None",
        None,
        kind("g", None, table(), TOKENIZER, metadata(2_000)).assemble_training_examples().test,
    )
    small = kind("g", "t", table(), TOKENIZER, metadata(100))
    sheet.says("a group beyond the context", "GenerationError", raised(small.assemble_training_examples), "D18")
    sheet.says("no such column", ParameterError.__name__, raised(kind, "none", None, table(), TOKENIZER, metadata()))


def compared() -> Sheet:
    """Everything that the document says."""
    sheet = Sheet("Document 001: assembler")
    for part in (example, training_examples, base, chosen, tabular, sequential, grouped):
        part(sheet)
    return sheet


if __name__ == "__main__":
    print(compared())
