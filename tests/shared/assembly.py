"""Tiny tokenizers, metadata, and the slow reference that fast assembly must agree with."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from rowsmith.assembly import Example
from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
PROMPT_TEMPLATE = "Say {instruction}{schema}\n"


def _tokenizer(automatic_bos: bool) -> PreTrainedTokenizerFast:
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(text, special=True) for text in (PAD, BOS, EOS)],
        show_progress=False,
    )
    tokenizer.train_from_iterator(['{"a":1,"b":"xy"}\n', '{"a":22,"b":null}\n', "Say columns <unk>"] * 10, trainer)
    if automatic_bos:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE that adds nothing by itself."""
    return _tokenizer(automatic_bos=False)


@pytest.fixture(scope="session")
def bos_tokenizer() -> PreTrainedTokenizerFast:
    """The same, which puts BOS before every text unless it is told not to."""
    return _tokenizer(automatic_bos=True)


@pytest.fixture(scope="session")
def make_metadata() -> Callable[..., ModelMetadata]:
    """Metadata of a model with the tokenizers' special tokens."""

    def make(
        length: int = 256,
        cap: int | None = None,
        *,
        template: str = PROMPT_TEMPLATE,
        bos: bool = False,
        eos: bool = False,
        **more: Any,
    ) -> ModelMetadata:
        config = LLMPromptConfig(template, bos, eos, BOS, 1, EOS, 2)
        return ModelMetadata("tiny", config, length, max_sequences_per_example=cap, instruction="columns ", **more)

    return make


@pytest.fixture(scope="session")
def pack_slowly() -> Callable[..., list[dict[str, list[int]]]]:
    """Next-fit packing a record at a time, every example laid out by ``Example``."""

    def pack(
        records: Sequence[Sequence[int]], prompt: str, tokenizer: Any, metadata: ModelMetadata
    ) -> list[dict[str, list[int]]]:
        examples: list[dict[str, list[int]]] = []
        held: list[Sequence[int]] = []
        room = metadata.max_seq_length - Example(prompt, tokenizer, metadata).num_tokens - 2
        for record in records:
            full = metadata.max_sequences_per_example == len(held)
            if held and (full or sum(map(len, held)) + len(record) > room):
                examples.append(_example(held, prompt, tokenizer, metadata))
                held = []
            held.append(record)
        return [*examples, _example(held, prompt, tokenizer, metadata)] if held else examples

    return pack


def _example(records: Sequence[Sequence[int]], prompt: str, tokenizer: Any, metadata: Any) -> dict[str, list[int]]:
    example = Example(prompt, tokenizer, metadata)
    ids = [token for record in records for token in record]
    example.add_sequence({"input_ids": ids, "attention_mask": [1] * len(ids)})
    return example.to_dict()


@pytest.fixture(scope="session")
def pack_groups_slowly() -> Callable[..., list[dict[str, list[int]]]]:
    """Next-fit packing a group at a time, each a sequence of its own, every example laid out by ``Example``."""

    def pack(
        groups: Sequence[Sequence[Sequence[int]]], prompt: str, tokenizer: Any, metadata: ModelMetadata
    ) -> list[dict[str, list[int]]]:
        examples = [Example(prompt, tokenizer, metadata)]
        for records in groups:
            ids = [token for record in records for token in record]
            full = examples[-1].num_sequences == metadata.max_sequences_per_example
            if full or examples[-1].num_tokens + len(ids) + 2 > metadata.max_seq_length:
                examples.append(Example(prompt, tokenizer, metadata))
            examples[-1].add_sequence({"input_ids": ids, "attention_mask": [1] * len(ids)})
        return [example.to_dict() for example in examples]

    return pack
