"""Training speed: tokens a second of an optimizer step, beside the bare matrix products in it.

    python -m benchmarks training

One model of the usual size, records of one length, a batch of 256. A step is forward, backward, clipping and
update. The bare loop multiplies matrices of the same shapes, forward and twice backward, and nothing else.
Each figure is that of the middle one of several steps; the ways take turns, so that a busy machine slows all.

A second table is of groups: examples of many lengths, packed. Every batch has another number of tokens, which is
what makes it slower than the same batch again; "not rounded" leaves that number as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.reports import machine, markdown
from rowsmith.storage.malloc import retain_freed_memory
from rowsmith_backends.scratch import packed_llama
from rowsmith_backends.training.examples import ListedExamples
from rowsmith_backends.training.fit import batch_loss
from rowsmith_backends.training.optimizers import joint_optimizer

WIDTH, LAYERS, HEADS, MLP = 128, 3, 4, 320
MOST_TOKENS = 400


def step_of(tokens: int, vocabulary: int, batch: int, attention: str, bf16: bool, muon: bool) -> Callable[[], None]:
    """One optimizer step of a model of its own."""
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=HEADS, intermediate_size=MLP, max_position_embeddings=tokens, attn_implementation=attention,
        tie_word_embeddings=False,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    optimizer = joint_optimizer(model, lr=1e-3, matrix_lr=4e-3 if muon else 0.0, weight_decay=0.05)
    ids = np.random.default_rng(0).integers(4, vocabulary, (batch, tokens)).tolist()
    examples, chosen = ListedExamples(ids, ids, 0), np.arange(batch)

    def step() -> None:
        batch_loss(model, examples, chosen, bf16).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def packed_of(vocabulary: int, batch: int, again: bool, rounded: bool) -> Callable[[], int]:
    """One step on a batch of groups, which returns its tokens; ``again``: on the same batch every time."""
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=HEADS, intermediate_size=MLP, max_position_embeddings=MOST_TOKENS,
        tie_word_embeddings=False,
    )  # fmt: skip
    model, random = packed_llama.PackedLlama(config), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    first: list[list[int]] = []

    def step() -> int:
        if not (first and again):
            lengths = (12 * random.geometric(0.18, batch) + 2).clip(max=MOST_TOKENS)
            first[:] = [random.integers(4, vocabulary, length).tolist() for length in lengths]
        with as_it_is(rounded):
            batch_loss(model, ListedExamples(first, first, 0), np.arange(batch), True).backward()
        optimizer.step()
        optimizer.zero_grad()
        return sum(map(len, first)) - batch

    return step


@contextlib.contextmanager
def as_it_is(rounded: bool) -> Iterator[None]:
    """Numbers of tokens are not rounded in the block, unless they are to be."""
    usual = packed_llama.round_up
    packed_llama.round_up = usual if rounded else lambda count, between=0: count
    try:
        yield
    finally:
        packed_llama.round_up = usual


def groups_table(vocabulary: int, batch: int, steps: int) -> str:
    """Tokens a second of packed steps, after as many that are not counted."""
    ways = {
        ("the same batch again", "yes"): packed_of(vocabulary, batch, True, True),
        ("every batch new", "not rounded"): packed_of(vocabulary, batch, False, False),
        ("every batch new", "yes"): packed_of(vocabulary, batch, False, True),
    }
    rates: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    for _ in range(2 * steps):
        for way, step in ways.items():
            started = time.perf_counter()
            rates[way].append(step() / (time.perf_counter() - started))
    found = {way: float(np.median(each[steps:])) for way, each in rates.items()}
    slowest = min(found.values())
    lines = [[*way, f"{rate:,.0f}", f"{rate / slowest:.2f}"] for way, rate in found.items()]
    return markdown(("groups", "tokens rounded", "tokens/s", "times the slowest"), lines)


def bare_of(tokens: int, vocabulary: int, batch: int, bf16: bool) -> Callable[[], None]:
    """The matrix products of a step."""
    dtype = torch.bfloat16 if bf16 else torch.float32
    shapes = [*[(WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 2 * MLP), (MLP, WIDTH)] * LAYERS, (WIDTH, vocabulary)]
    rows = batch * (tokens - 1)
    cases = [
        (torch.randn(rows, i, dtype=dtype), torch.randn(i, o, dtype=dtype), torch.randn(rows, o, dtype=dtype))
        for i, o in shapes
    ]

    def step() -> None:
        for inputs, weights, gradient in cases:
            _ = inputs @ weights
            _ = gradient @ weights.T
            _ = inputs.T @ gradient

    return step


def main(arguments: Sequence[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        "training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=17, help="tokens of a record")
    parser.add_argument("--vocabulary", type=int, default=700)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--groups", type=int, default=64, help="groups of a batch")
    parser.add_argument("--steps", type=int, default=15)
    args = parser.parse_args(arguments)
    retain_freed_memory()  # as a training does
    shape = (args.tokens, args.vocabulary, args.batch)
    ways = {("bare products", dtype, ""): bare_of(*shape, dtype == "bfloat16") for dtype in ("bfloat16", "float32")}
    for dtype in ("bfloat16", "float32"):
        for attention in ("eager", "sdpa"):
            ways["AdamW", dtype, attention] = step_of(*shape, attention, dtype == "bfloat16", False)
    ways["Muon", "bfloat16", "eager"] = step_of(*shape, "eager", True, True)
    seconds: dict[tuple[str, str, str], list[float]] = {way: [] for way in ways}
    for _ in range(args.steps):
        for way, step in ways.items():
            started = time.perf_counter()
            step()
            seconds[way].append(time.perf_counter() - started)
    done = args.batch * (args.tokens - 1)
    rates = {way: done / float(np.median(times)) for way, times in seconds.items()}
    print(machine() + "\n")
    lines = [[*way, f"{rate:,.0f}", f"{rate / rates['bare products', way[1], '']:.0%}"] for way, rate in rates.items()]
    print(markdown(("step", "precision", "attention", "tokens/s", "of bare products"), lines))
    print("\n" + groups_table(args.vocabulary, args.groups, args.steps))
