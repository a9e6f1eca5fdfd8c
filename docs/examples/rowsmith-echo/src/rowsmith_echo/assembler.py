"""An assembler that shows every record several times per pass, one record an example."""

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from datasets import Dataset

from rowsmith.assembly import Example, Statistics, TrainingExampleAssembler, TrainingExamples
from rowsmith.assembly.prompts import schema_prompt
from rowsmith.assembly.token_store import TokenStore, tokenize_text
from rowsmith.context import BuildContext
from rowsmith.dialect import RecordDialect
from rowsmith_echo.options import EchoOptions


class EchoAssembler(TrainingExampleAssembler):
    """Writes every example out in full, as plain lists.

    Args:
        *args: As for ``TrainingExampleAssembler``.
        copies: How often a record is seen per pass.
        token_store: The records tokenized already; None tokenizes their text.
        **kwargs: As for ``TrainingExampleAssembler``.
    """

    def __init__(self, *args: Any, copies: int = 2, token_store: TokenStore | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.copies = copies
        self.token_store = token_store

    @property
    def num_records_train(self) -> int:
        """Number of records in the training split."""
        return len(self._store) - self.num_records_validation

    @property
    def num_records_validation(self) -> int:
        """Number of records in the validation split."""
        size, records = self.test_size or 0, len(self._store)
        return min(math.ceil(size * records) if size < 1 else int(size), records - 1)

    def assemble_training_examples(self, data_fraction: float = 1.0) -> TrainingExamples:
        """Build the examples: training ones in random order, ``copies`` times each."""
        order = np.random.default_rng(self.seed).permutation(len(self._store))
        held_out, train = np.split(order, [self.num_records_validation])
        seen = np.tile(train, math.ceil(self.copies * data_fraction))[: round(len(train) * self.copies * data_fraction)]
        lengths = self._store.lengths[train]
        return TrainingExamples(
            train=self._dataset(seen),
            stats={"tokens_per_record": Statistics.of(lengths)},
            test=self._dataset(held_out) if len(held_out) else None,
        )

    @cached_property
    def _store(self) -> TokenStore:
        if self.token_store is not None:
            return self.token_store
        lines = RecordDialect(self.metadata.model_schema).encode(self.dataset)
        return tokenize_text(lines, self.tokenizer)

    def _dataset(self, numbers: Iterable[int]) -> Dataset:
        return Dataset.from_list([self._example(int(number)) for number in numbers])

    def _example(self, number: int) -> dict[str, list[int]]:
        names = self.dataset.column_names
        prompt = schema_prompt(names, self.metadata.instruction, self.metadata.prompt_config.template)
        example = Example(prompt, self.tokenizer, self.metadata)
        ids = self._store.record(number).tolist()
        example.add_sequence({"input_ids": ids, "attention_mask": [1] * len(ids)})
        return example.to_dict()


def build(context: BuildContext, options: EchoOptions | None) -> EchoAssembler:
    """Build the component from ``context.assembly``."""
    inputs = context.assembly
    if inputs is None:
        raise ValueError("an assembler is built from context.assembly, which is None")
    return EchoAssembler(
        inputs.dataset,
        inputs.tokenizer,
        inputs.metadata,
        inputs.keep_columns,
        inputs.test_size,
        inputs.cache_file_path,
        inputs.seed,
        copies=(options or EchoOptions()).copies,
        token_store=inputs.token_store,
        **inputs.extra,
    )
