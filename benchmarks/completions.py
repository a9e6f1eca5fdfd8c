"""What happens to completions once they are decoded, a stage at a time, in microseconds a row.

    python -m benchmarks completions --table census.csv --rows 39073

The completions are the table's own records, as a perfect model would write them, in blocks of 2,048.
Reading ids as columns stands beside reading their text, on a part of the rows; both must give the same
records. Then come the inverse transforms, the journal with its flush to disk, the DataFrame and the file.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import frozen

from benchmarks.reports import machine, markdown
from benchmarks.tables import base_table
from rowsmith.components import Kind
from rowsmith.config import RunConfig
from rowsmith.context import BuildContext
from rowsmith.dialect import RecordDialect
from rowsmith.generation import Batch, CompletionBlock, FinishReason
from rowsmith.generation.journal import GenerationJournal
from rowsmith.plugins import Registry
from rowsmith.randomness.draws import Draws
from rowsmith.randomness.seeds import Seeds
from rowsmith.table import Table, to_frame, write_table
from rowsmith.table.frames import misfits
from rowsmith.transforms import FittedTransforms, default_transforms, fit_transforms
from rowsmith.vocabulary import Vocabulary, model_schema_of
from rowsmith_backends.scratch.encoder import encode_table
from rowsmith_backends.scratch.tokenizer import build_tokenizer, learn_vocabulary
from rowsmith_plugins.processors.tabular import TabularProcessor

BLOCK = 2_048


@frozen(eq=False)
class Written:
    """A table as completions of a model."""

    table: Table
    transforms: FittedTransforms
    vocabulary: Vocabulary
    blocks: list[CompletionBlock]


def written(table: Table, rows: int) -> Written:
    """The records of a table, over and over until there are as many as wanted."""
    config = RunConfig()
    context = BuildContext(config=config, registry=Registry(), seeds=Seeds(0), table_schema=table.schema)
    transforms: Any = [(name, context.resolve(Kind.TRANSFORM, name)) for name in default_transforms()]
    fitted, columns = fit_transforms(table.columns, table.schema, transforms)
    vocabulary = learn_vocabulary(columns, model_schema_of(columns, fitted.schema_after))
    tokenizer = build_tokenizer(vocabulary)
    store = encode_table(
        columns, vocabulary, lambda texts: [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    )
    blocks = []
    for start in range(0, rows, BLOCK):
        numbers = range(start, min(start + BLOCK, rows))
        records = [[*store.record(number % len(store)).tolist(), vocabulary.eos_id] for number in numbers]
        ids = np.full((len(records), max(map(len, records))), vocabulary.pad_id, dtype=np.int32)
        for place, record in enumerate(records):
            ids[place, : len(record)] = record
        blocks.append(
            CompletionBlock(
                request_ids=np.array(numbers),
                ids=ids,
                lengths=np.array([len(record) for record in records], dtype=np.int32),
                finish_reasons=[FinishReason.STOP] * len(records),
                decode=vocabulary.decode,
            )
        )
    return Written(table, fitted, vocabulary, blocks)


def stages(given: Written, text_blocks: int) -> Iterator[tuple[str, int, float]]:
    """Name, rows and seconds of each stage."""
    dialect = RecordDialect(given.vocabulary.schema)
    processor = TabularProcessor(dialect)
    reader = processor.column_reader(given.vocabulary)
    rows = sum(map(len, given.blocks))
    columns, seconds = timed(lambda: [_read(block, Batch(processor, reader=reader)) for block in given.blocks])
    yield "ids to columns", rows, seconds
    part = given.blocks[:text_blocks]
    slow, seconds = timed(lambda: [dialect.spell(_texts(block, Batch(processor))) for block in part])
    yield "text to columns (reference)", sum(map(len, part)), seconds
    assert all(mine.to_pydict() == theirs.to_pydict() for mine, theirs in zip(columns, slow, strict=False))
    schema, carry = given.table.schema, dict[str, Any]()
    inverted, seconds = timed(lambda: [_invert(given, table, place, carry) for place, table in enumerate(columns)])
    yield "inverse transforms", rows, seconds
    with tempfile.TemporaryDirectory() as folder:
        yield "journal", rows, timed(lambda: _journal(given, Path(folder) / "journal"))[1]
        whole = pa.concat_tables(inverted).unify_dictionaries().combine_chunks()
        yield "DataFrame", rows, timed(lambda: to_frame(whole, schema))[1]
        yield "CSV file", rows, timed(lambda: write_table(whole, schema, Path(folder) / "rows.csv"))[1]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and how long it took."""
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def _read(block: CompletionBlock, batch: Batch) -> pa.Table:
    batch.process_block(block)
    return batch.columns()


def _texts(block: CompletionBlock, batch: Batch) -> list[Any]:
    batch.process_block(block)
    frame = batch.to_dataframe()
    return [] if frame is None else frame.to_dict("records")


def _invert(given: Written, table: pa.Table, place: int, carry: dict[str, Any]) -> pa.Table:
    ids = np.arange(place * BLOCK, place * BLOCK + table.num_rows)
    inverted = given.transforms.invert(table, Draws(0, ids), carry)
    assert not misfits(inverted, given.table.schema).any()
    return inverted


def _journal(given: Written, path: Path) -> None:
    with GenerationJournal(path, "benchmark") as journal:
        list(journal.entries(given.vocabulary.decode))
        for block in given.blocks:
            journal.add([block], num_asked=len(block), cut_short=False, elapsed=0.0)


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        "completions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, help="a CSV file; a generated table by default")
    parser.add_argument("--rows", type=int, default=39_073)
    parser.add_argument("--text-blocks", type=int, default=4, help="blocks that are read as text, for comparison")
    chosen = parser.parse_args(arguments)
    given = written(base_table(chosen.table), chosen.rows)
    lines = [
        [name, f"{rows:,}", f"{seconds / rows * 1e6:.2f}", f"{rows / seconds:,.0f}"]
        for name, rows, seconds in stages(given, chosen.text_blocks)
    ]
    print(machine() + "\n")
    print(markdown(["stage", "rows", "µs a row", "rows a second"], lines))
