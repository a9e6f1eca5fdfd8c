"""Packing of a grouped table, whole groups and series, beside a record at a time into ``Example`` objects.

    python -m benchmarks packing-groups --table batting.csv --group-by players_id --order-by year

Records are tokenized once, by an ordinary byte-pair tokenizer of up to 32,000 words; that is not measured. What
is: finding the groups by value, their order, splitting those longer than the context, and packing; then also
laying all examples out as padded arrays. The slow way does the same with dictionaries, lists and ``Example``,
and lays out every example as it goes. Each way runs in a fresh process over all rows; that both hold every
record once is checked. Memory is what a way takes beyond the table and its tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.assembly import ordinary_tokenizer
from benchmarks.processes import Watch, measured, python
from benchmarks.reports import machine, markdown
from rowsmith.assembly import Example, ranges_of
from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata
from rowsmith.assembly.token_store import TokenStore, tokenize_text
from rowsmith.dialect import RecordDialect
from rowsmith.table import Table, read_table
from rowsmith.table.columns import distinct
from rowsmith.vocabulary import model_schema_of
from rowsmith_assemblers import GroupedDataExampleAssembler, SequentialExampleAssembler

MODES = ("grouped", "sequential")
BATCH = 32
REFERENCE = 3_400
"""Rows a second that the reference system packs."""


def metadata(context: int) -> ModelMetadata:
    """A model without a prompt."""
    return ModelMetadata("packed", LLMPromptConfig("", False, False, "<s>", 1, "</s>", 2), context)


def tokenize(table: Table) -> TokenStore:
    """The records of a table as an ordinary tokenizer has them."""
    lines = RecordDialect(model_schema_of(table.columns, table.schema)).encode(table.columns)
    return tokenize_text(lines, ordinary_tokenizer(lines))


def fast(mode: str, table: Table, store: TokenStore, group: str, order: str, context: int) -> Any:
    """The assemblers' examples."""
    common: dict[str, Any] = {
        "group_training_examples_by": group,
        "order_training_examples_by": order,
        "dataset": table.columns,
        "tokenizer": None,
        "metadata": metadata(context),
        "seed": 0,
        "token_store": store,
    }
    if mode == "grouped":
        assembler: Any = GroupedDataExampleAssembler(**common, overlong="split")
    else:
        assembler = SequentialExampleAssembler(**common)
    return ranges_of(assembler.assemble_training_examples().train)


def slow(
    mode: str, table: Table, store: TokenStore, group: str, order: str, context: int
) -> Iterator[dict[str, list[int]]]:
    """The slow way: one record, one group, one example at a time."""
    groups = list(_groups(table, group, order).values())
    draw = random.Random(0)
    model = metadata(context)
    if mode == "sequential":
        for rows in groups:
            for part in _parts(rows, store, lambda: int((context - 2) * draw.uniform(0.7, 1))):
                example = Example("", None, model)
                _add(example, part)
                yield example.to_dict()
        return
    draw.shuffle(groups)
    example = Example("", None, model)
    for rows in groups:
        for part in _parts(rows, store, lambda: context - 2):
            if example.num_tokens + len(part) + 2 > context:
                yield example.to_dict()
                example = Example("", None, model)
            _add(example, part)
    yield example.to_dict()


def _groups(table: Table, group: str, order: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    names, codes = distinct(table.columns, group)
    for row, code in enumerate(codes.tolist()):
        found.setdefault(names[code], []).append(row)
    values, codes = distinct(table.columns, order)
    places = {value: place for place, value in enumerate(sorted(values, key=_sortable))}
    for rows in found.values():
        rows.sort(key=lambda row: places[values[codes[row]]])
    return found


def _sortable(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return 0.0, value


def _parts(rows: Sequence[int], store: TokenStore, budget: Any) -> Iterator[list[int]]:
    held: list[int] = []
    most = budget()
    for row in rows:
        ids = store.record(row).tolist()
        if held and len(held) + len(ids) > most:
            yield held
            held, most = [], budget()
        held = held + ids
    yield held


def _add(example: Example, ids: list[int]) -> None:
    example.add_sequence({"input_ids": ids, "attention_mask": [1] * len(ids)})


def child(mode: str, way: str, path: str, tokens: str, group: str, order: str, context: int) -> None:
    """Measure one way, and write what was found."""
    table, store = read_table(Path(path)), TokenStore.open(tokens)
    __import__("datasets")  # its import is part of start-up
    before = Watch(os.getpid())
    time.sleep(0.05)
    before.stop()
    watch, started = Watch(os.getpid()), time.perf_counter()
    found: dict[str, Any] = {}
    if way == "fast":
        ranges = fast(mode, table, store, group, order, context)
        found["packing"] = time.perf_counter() - started
        sizes = [ranges.batch(range(at, min(at + BATCH, len(ranges))))["attention_mask"].sum() for at in _every(ranges)]
        held, examples = int(sum(sizes)) - 2 * int(ranges.num_sequences.sum()), len(ranges)
    else:
        made = list(slow(mode, table, store, group, order, context))
        marks = sum(example["input_ids"].count(1) for example in made)
        held, examples = sum(len(example["input_ids"]) for example in made) - 2 * marks, len(made)
    found["seconds"] = time.perf_counter() - started
    watch.stop()
    assert held == len(store.ids), "not every record is there once"
    json.dump({**found, "examples": examples, "memory": (watch.most or 0) - (before.most or 0)}, sys.stdout)


def _every(ranges: Any) -> range:
    return range(0, len(ranges), BATCH)


def facts(table: Table, store: TokenStore, group: str, context: int) -> str:
    """One sentence on the table."""
    _, codes = distinct(table.columns, group)
    tokens = np.bincount(codes, weights=store.lengths)
    return (
        f"{len(table):,} rows in {len(tokens):,} groups, {len(store.ids):,} tokens; "
        f"{int((tokens > context - 2).sum()):,} groups are longer than the context of {context:,} tokens."
    )


def line(mode: str, rows: int, found: dict[str, Any], reference: dict[str, Any]) -> list[str]:
    """One line of the table."""
    return [
        mode,
        f"{found['examples']:,}",
        f"{found['packing']:.3f}",
        f"{rows / found['packing']:,.0f}",
        f"{rows / found['packing'] / REFERENCE:,.0f} times",
        f"{found['memory']:.0f}",
        f"{rows / found['seconds']:,.0f}",
        f"{rows / reference['seconds']:,.0f}",
        f"{reference['memory']:.0f}",
    ]


HEADERS = (
    "assembler",
    "examples",
    "pack s",
    "rows/s",
    f"of {REFERENCE:,} rows/s",
    "memory MiB",
    "packed and laid out, rows/s",
    "slow way, rows/s",
    "slow way, memory MiB",
)


def main(arguments: Sequence[str]) -> None:
    """Measure both assemblers and print the table."""
    parser = argparse.ArgumentParser(
        "packing-groups", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--group-by", required=True, help="the column of the groups")
    parser.add_argument("--order-by", required=True, help="the column that orders their rows")
    parser.add_argument("--context", type=int, default=1_024, help="tokens of an example (%(default)s)")
    args = parser.parse_args(arguments)
    table = read_table(args.table)
    store = tokenize(table)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        tokens = str(Path(folder) / "tokens.arrow")
        store.save(tokens)
        for mode in MODES:
            told = (str(args.table.resolve()), tokens, args.group_by, args.order_by, args.context)
            ways = [
                json.loads(measured(python("-c", f"from benchmarks.packing_groups import child; child{given}")).output)
                for given in ((mode, "fast", *told), (mode, "slow", *told))
            ]
            lines.append(line(mode, len(table), *ways))
    print(machine() + "\n")
    print(facts(table, store, args.group_by, args.context) + "\n")
    print(markdown(HEADERS, lines))
