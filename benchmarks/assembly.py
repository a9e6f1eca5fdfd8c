"""Tokenizing and packing, by rows, beside the slow way: a record at a time into ``Example`` objects.

    python -m benchmarks assembly --table census.csv --rows 48842 2000000 10000000

Rows are those of a table after the default transforms, repeated with noise. The fast way is the
columnar tokenizer and the assembler ``tabular``; the slow way writes each record as text, tokenizes it
with the same tokenizer and adds it to an example, on a part of the rows and in the same process. Both
give the same ids, which is checked. Each length is measured in a fresh process. A second table packs
the records of the table as it is with an ordinary byte-pair tokenizer of up to 32,000 words.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import evolve, frozen

from benchmarks.processes import Watch, measured, python
from benchmarks.reports import machine, markdown
from benchmarks.tables import CENSUS_ROWS, base_table, resampled
from rowsmith.assembly import Example, ranges_of
from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith.assembly.token_store import TokenStore, tokenize_text
from rowsmith.components import ComponentRef, Kind
from rowsmith.config import RunConfig
from rowsmith.context import BuildContext
from rowsmith.dialect import RecordDialect
from rowsmith.model import PreparedModel
from rowsmith.plugins import Registry
from rowsmith.randomness.seeds import Seeds
from rowsmith.table import Table
from rowsmith.transforms import default_transforms, fit_transforms
from rowsmith.vocabulary import model_schema_of
from rowsmith_assemblers import TabularDataExampleAssembler
from rowsmith_backends.scratch.encoder import encode_table

CONTEXT = 2_048
WORDS = 32_000
REFERENCE_ROWS = 5_000


@frozen(eq=False)
class Prepared:
    """A transformed table and the model that is to learn it."""

    columns: pa.Table
    model: PreparedModel


def prepare(table: Path | None) -> Prepared:
    """Transform the base table and build its vocabulary, as a run does."""
    base, config = base_table(table), RunConfig()
    context = BuildContext(config=config, registry=Registry(), seeds=Seeds(0), table_schema=base.schema)
    steps = [(name, context.resolve(Kind.TRANSFORM, ComponentRef(name=name))) for name in default_transforms()]
    fitted, columns = fit_transforms(base.columns, base.schema, steps)
    model = context.resolve(Kind.MODEL, ComponentRef(name="scratch"))
    return Prepared(columns, model.prepare(columns, fitted.schema_after))


def tokenize(prepared: Prepared, columns: pa.Table) -> TokenStore:
    """The fast way."""
    backend = prepared.model.tokenizer.backend_tokenizer
    return encode_table(
        columns,
        prepared.model.vocabulary,
        lambda texts: [each.ids for each in backend.encode_batch_fast(list(texts), add_special_tokens=False)],
    )


def assemble(columns: pa.Table, tokenizer: Any, metadata: ModelMetadata, store: TokenStore) -> Any:
    """Examples from tokens."""
    assembler = TabularDataExampleAssembler(columns, tokenizer, metadata, seed=0, token_store=store)
    return assembler.assemble_training_examples()


def packed(metadata: ModelMetadata) -> ModelMetadata:
    """The same model with records packed into a context of 2,048 tokens."""
    return evolve(metadata, base_max_seq_length=CONTEXT, max_sequences_per_example=None)


def slow_examples(lines: Sequence[str], tokenizer: Any, metadata: ModelMetadata) -> Iterator[dict[str, list[int]]]:
    """The slow way: records in order, an example filled until the next one does not fit."""
    waiting: list[int] = []
    for line in lines:
        ids = tokenizer(line, add_special_tokens=False)["input_ids"]
        if waiting and len(waiting) + len(ids) + 2 > metadata.max_seq_length:
            yield _example(waiting, tokenizer, metadata)
            waiting = []
        waiting = waiting + ids
    yield _example(waiting, tokenizer, metadata)


def _example(ids: list[int], tokenizer: Any, metadata: ModelMetadata) -> dict[str, list[int]]:
    example = Example("", tokenizer, metadata)
    example.add_sequence({"input_ids": ids, "attention_mask": [1] * len(ids)})
    return example.to_dict()


def reference_seconds(prepared: Prepared, columns: pa.Table, store: TokenStore, metadata: ModelMetadata) -> float:
    """The slow way's time over all rows of ``columns``.

    Raises:
        AssertionError: Its ids are not those of ``store``, which starts with the same rows.
    """
    started = time.perf_counter()
    lines = RecordDialect(prepared.model.model_schema).encode(columns)
    examples = list(slow_examples(lines, prepared.model.tokenizer, metadata))
    seconds = time.perf_counter() - started
    found = [token for example in examples for token in example["input_ids"][1:-1]]
    assert found == store.ids[: store.offsets[columns.num_rows]].tolist(), "the two ways give different ids"
    return seconds


def child(table: str, rows: int) -> None:
    """Measure one length, and write what was found."""
    prepared = prepare(Path(table) if table else None)
    columns = resampled(prepared.columns, rows, np.random.default_rng(0))
    metadata = packed(prepared.model.metadata)
    import_module("datasets")  # its import is part of start-up
    watch, started = Watch(os.getpid()), time.perf_counter()
    store = tokenize(prepared, columns)
    tokenized = time.perf_counter()
    examples = assemble(columns, prepared.model.tokenizer, metadata, store)
    ended = time.perf_counter()
    watch.stop()
    part = columns.slice(0, min(rows, REFERENCE_ROWS))
    found = {
        "tokens": len(store.ids),
        "examples": len(ranges_of(examples.train) or ()),
        "tokenizing": tokenized - started,
        "packing": ended - tokenized,
        "anonymous": watch.most,
        "reference": reference_seconds(prepared, part, store, metadata) / part.num_rows * rows,
    }
    json.dump(found, sys.stdout)


def line(rows: int, found: dict[str, float]) -> list[str]:
    """One line of the first table."""
    seconds = found["tokenizing"] + found["packing"]
    return [
        f"{rows:,}",
        f"{found['tokenizing']:.2f}",
        f"{found['packing']:.2f}",
        f"{rows / seconds:,.0f}",
        f"{rows / found['reference']:,.0f}",
        f"{found['reference'] / seconds:,.0f} times",
        "" if found["anonymous"] is None else f"{found['anonymous']:,.0f}",
    ]


def ordinary_line(base: Table) -> list[str]:
    """One line of the second table."""
    lines = RecordDialect(model_schema_of(base.columns, base.schema)).encode(base.columns)
    tokenizer = ordinary_tokenizer(lines)
    import_module("datasets")
    started = time.perf_counter()
    store = tokenize_text(lines, tokenizer)
    tokenized = time.perf_counter()
    config = LLMPromptConfig("", False, False, "<s>", 0, "</s>", 1)
    assemble(base.columns, tokenizer, ModelMetadata("ordinary", config, CONTEXT), store)
    packing = time.perf_counter() - tokenized
    words = len(tokenizer)
    return [f"{len(lines):,}", f"{words:,}", f"{len(store.ids):,}", f"{tokenized - started:.2f}", f"{packing:.2f}"]


def ordinary_tokenizer(lines: Sequence[str], words: int = WORDS) -> Any:
    """A byte-pair tokenizer of up to so many words, learned from some lines."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=words, special_tokens=["<s>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def main(arguments: Sequence[str]) -> None:
    """Measure all lengths and print the tables."""
    parser = argparse.ArgumentParser(
        "assembly", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, help="a table to repeat with noise; a made one by default")
    parser.add_argument("--rows", type=int, nargs="+", default=[CENSUS_ROWS, 2_000_000, 10_000_000])
    args = parser.parse_args(arguments)
    table, lines = str(args.table.resolve()) if args.table else "", []
    for rows in args.rows:
        code = f"from benchmarks.assembly import child; child({table!r}, {rows})"
        lines.append(line(rows, json.loads(measured(python("-c", code)).output)))
    print(machine() + "\n")
    headers = ("rows", "tokenize s", "pack s", "rows/s", "slow way, rows/s", "faster", "anonymous MiB")
    print(markdown(headers, lines) + "\n")
    headers = ("rows", "words", "tokens", "tokenize s", "pack s")
    print(markdown(headers, [ordinary_line(base_table(args.table))]))
