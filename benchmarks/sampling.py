"""Sampling a plain table: rows a second, beside decoding every row from its start to its end.

    python -m benchmarks sampling --table people.csv --steps 300

Trains twice for some steps, with the columns in the table's order and with ``narrow-first``, then samples
as many rows as were asked for. *Decoding* is the engine alone; *to a file* counts from the engine being ready
to the file being there. The slow way shares nothing between rows: transformers' own forward pass and cache,
one token a row and step, drawn by ``multinomial`` from the same slices of the output layer.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, DynamicCache

from benchmarks.reports import machine, markdown
from benchmarks.trials import configuration
from rowsmith.generation.requests import CompletionRequest, SamplingParams
from rowsmith.model import Bundle
from rowsmith.plugins import Registry
from rowsmith.runs import stages as pipeline
from rowsmith.runs.reporting import Reporter
from rowsmith.storage.run_directory import RunDirectory
from rowsmith.table import write_table
from rowsmith.transforms import default_transforms
from rowsmith_backends.scratch.decoding.automaton import build_automaton
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine

NARROW_FIRST = f"transforms=[{', '.join((*default_transforms(), 'narrow-first'))}]"


def trained(source: Path, rows: int, steps: int, folder: Path, settings: Sequence[str]) -> tuple[pipeline.Run, Bundle]:
    """A run whose model has been trained."""
    config = configuration(source, rows, f"{steps}steps", 0, settings)
    run = pipeline.Run(config=config, registry=Registry(), directory=RunDirectory(folder))
    return run, pipeline.train(run)


def decoding_rate(bundle: Bundle, rows: int, dtype: str) -> float:
    """Rows a second of the engine alone."""
    engine = ColumnarEngine(bundle.model_directory, bundle.vocabulary, dtype=dtype)
    engine.start()
    requests = [CompletionRequest(number, (bundle.vocabulary.bos_id,)) for number in range(rows)]
    started = time.perf_counter()
    done = sum(len(block) for block in engine.complete(requests, SamplingParams(seed=1)))
    return done / (time.perf_counter() - started)


@torch.inference_mode()
def slow_rate(bundle: Bundle, rows: int, batch_size: int = 2_048) -> float:
    """Rows a second of the slow way; tables of closed columns only."""
    model = AutoModelForCausalLM.from_pretrained(bundle.model_directory, attn_implementation="eager").eval()
    automaton = build_automaton(bundle.vocabulary)
    started = time.perf_counter()
    for first in range(0, rows, batch_size):
        count = min(batch_size, rows - first)
        cache, state = DynamicCache(), automaton.start
        inputs = torch.full((count, 1), bundle.vocabulary.bos_id)
        while state != automaton.end:
            low, high = automaton.slices[state]
            hidden = model.model(input_ids=inputs, past_key_values=cache, use_cache=True).last_hidden_state[:, -1]
            chances = torch.softmax(hidden @ model.lm_head.weight[low:high].T, -1)
            inputs = torch.multinomial(chances, 1) + low
            state = int(automaton.next_state[state, low])
    return rows / (time.perf_counter() - started)


def file_rate(run: pipeline.Run, bundle: Bundle, output: Path) -> float:
    """Rows a second from a loaded engine to a written file."""
    ready: list[float] = []
    watched = pipeline.Run(config=run.config, registry=run.registry, directory=run.directory, reporter=_Started(ready))
    results = pipeline.generate(watched, bundle)
    write_table(results.columns, bundle.table_schema, output)
    return len(results.df) / (time.perf_counter() - ready[0])


class _Started(Reporter):
    def __init__(self, ready: list[float]) -> None:
        self._ready = ready

    def stage_started(self, name: str) -> None:
        if name == "generating":
            self._ready.append(time.perf_counter())


def main(arguments: Sequence[str]) -> None:
    """Train, measure and print the table."""
    parser = argparse.ArgumentParser(
        "sampling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=39_073)
    parser.add_argument("--steps", type=int, default=300)
    args = parser.parse_args(arguments)
    lines = []
    for order, settings in (("table's", []), ("narrow first", [NARROW_FIRST])):
        with tempfile.TemporaryDirectory() as name:
            run, bundle = trained(args.table, args.rows, args.steps, Path(name) / "run", settings)
            slow = slow_rate(bundle, args.rows // 4) if bundle.vocabulary.closed else None
            for dtype in ("float32", "bfloat16"):
                alone = decoding_rate(bundle, args.rows, dtype)
                config = configuration(
                    args.table,
                    args.rows,
                    "1steps",
                    0,
                    [*settings, f"backend={{name: transformers, options: {{dtype: {dtype}}}}}"],
                )
                whole = file_rate(
                    pipeline.Run(config=config, registry=run.registry, directory=run.directory),
                    bundle,
                    Path(name) / "rows.csv",
                )
                beside = "" if slow is None else f"{alone / slow:.1f} times"
                lines.append(
                    [order, dtype, f"{alone:,.0f}", f"{whole:,.0f}", "" if slow is None else f"{slow:,.0f}", beside]
                )
    print(machine() + "\n")
    headers = ("order of columns", "products in", "decoding, rows/s", "to a file, rows/s", "slow way, rows/s", "faster")
    print(markdown(headers, lines))
