"""Writing, decoding and validating records of 15 columns, beside JSON and JSON Schema a record at a time.

    python -m benchmarks parsing

The slow way reads each line with ``json`` and checks it with ``jsonschema``, whose validator is
compiled once. Both must accept every line.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from benchmarks.reports import machine, markdown
from rowsmith.dialect import RecordDialect
from rowsmith.table.columns import from_codes
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema

COLUMNS = 15


def wide_table(rows: int, seed: int = 0) -> tuple[ModelSchema, pa.Table]:
    """Numbers and text, half of the columns closed, with nulls."""
    random = np.random.default_rng(seed)
    columns, arrays = [], []
    for place in range(COLUMNS):
        number = place % 3 == 0
        values = [str(i) for i in range(5_000)] if number else [f"value {i}" for i in range(20)]
        kind, closed = JsonKind.NUMBER if number else JsonKind.STRING, tuple(values) if place % 2 else None
        columns.append(ModelColumn(name=f"column {place}", kind=kind, integral=number, values=closed, nullable=True))
        arrays.append(from_codes(values, random.integers(-1, len(values), rows)))
    return ModelSchema(columns=tuple(columns)), pa.table(arrays, names=[column.name for column in columns])


def rates(rows: int, slow_rows: int) -> dict[str, float]:
    """Lines and records a second, of each way."""
    from jsonschema import Draft202012Validator

    schema, table = wide_table(rows)
    dialect = RecordDialect(schema)
    started = time.perf_counter()
    lines = dialect.encode(table)
    encoded = time.perf_counter()
    for line in lines:
        dialect.decode(line)
    decoded = time.perf_counter()
    validator = Draft202012Validator(dialect.json_schema())
    accepted = sum(validator.is_valid(json.loads(line)) for line in lines[:slow_rows])
    ended = time.perf_counter()
    assert accepted == len(lines[:slow_rows]), "the slow way refuses a record"
    return {
        "encode": rows / (encoded - started),
        "decode": rows / (decoded - encoded),
        "slow": len(lines[:slow_rows]) / (ended - decoded),
    }


def main(arguments: Sequence[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        "parsing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--slow-rows", type=int, default=5_000)
    args = parser.parse_args(arguments)
    found = rates(args.rows, args.slow_rows)
    print(machine() + "\n")
    lines = [
        ["writing lines", f"{found['encode']:,.0f}", "", ""],
        [
            "decoding and validating records",
            f"{found['decode']:,.0f}",
            f"{found['slow']:,.0f}",
            f"{found['decode'] / found['slow']:,.0f} times",
        ],
    ]
    print(markdown(("what", "a second", "slow way, a second", "faster"), lines))
