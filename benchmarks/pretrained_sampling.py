"""Completions of a pretrained model: tokens and records a second, beside ``generate`` of transformers.

    python -m benchmarks pretrained-sampling --rows 64 --tokens 200 --base some/folder

Every way writes as many completions of one prompt, of at most so many tokens, with the same weights and threads.
``generate`` samples with a cache of its own and knows no grammar; completions under the grammar end as soon as their
record does. Without a base a Llama of random weights is made, which writes records only under the grammar.
"""

from __future__ import annotations

import argparse
import runpy
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.reports import machine, markdown
from rowsmith.assembly.metadata import DEFAULT_INSTRUCTION, LLMPromptConfig
from rowsmith.assembly.prompts import schema_prompt
from rowsmith.generation.requests import CompletionRequest, SamplingParams
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema
from rowsmith_backends.transformers.engine import CausalEngine

Figures = tuple[int, int]
"""Tokens and records."""

SCHEMA = ModelSchema(
    columns=tuple(
        ModelColumn(
            name=f"column {number}",
            kind=JsonKind.STRING,
            nullable=False,
            values=tuple(f"value {place}" for place in range(20)),
        )
        for number in range(8)
    )
)


def made_base(folder: Path) -> Path:
    """A Llama of a few million random weights with a tokenizer of its own."""
    # By its path: some packages bring a top-level "tests" of their own.
    make_base = runpy.run_path(str(Path(__file__).parent.parent / "tests/shared/base_models.py"))["make_base"]

    return make_base(folder, width=256, layers=4, vocab_size=4096)


def engine_of(base: Path, dtype: str, device: str) -> tuple[CausalEngine, tuple[int, ...]]:
    """A started engine, and a prompt."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    bos = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    layout = LLMPromptConfig("{instruction}{schema}\n", False, False, "", bos, "", tokenizer.eos_token_id)
    engine = CausalEngine(
        lambda precision: AutoModelForCausalLM.from_pretrained(base, dtype=precision),
        lambda: tokenizer,
        SCHEMA,
        layout,
        context=1024,
        dtype=dtype,
        device=device,
    )
    engine.start()
    text = schema_prompt(SCHEMA.names, DEFAULT_INSTRUCTION, layout.template)
    return engine, (*tokenizer(text, add_special_tokens=False).input_ids, bos)


def by_engine(engine: CausalEngine, prompt: Sequence[int], rows: int, tokens: int, constrained: bool) -> Figures:
    """What the engine writes."""
    requests = [CompletionRequest(number, tuple(prompt)) for number in range(rows)]
    params = SamplingParams(max_new_tokens=tokens, constrained=constrained)
    written = records = 0
    for block in engine.complete(requests, params):
        written += int(block.lengths.sum())
        records += sum(block.text(row).count("}\n") for row in range(len(block)))
    return written, records


@torch.inference_mode()
def by_generate(model: torch.nn.Module, prompt: Sequence[int], rows: int, tokens: int, eos: int) -> Figures:
    """What ``generate`` writes; tokens after an end are not counted."""
    inputs = torch.tensor([prompt] * rows, device=model.device)
    made = model.generate(
        inputs, attention_mask=torch.ones_like(inputs), do_sample=True, top_k=0, max_new_tokens=tokens, pad_token_id=eos
    )[:, len(prompt) :]
    ended = (made == eos).int().cumsum(-1) - (made == eos).int()
    return int((ended == 0).sum()), 0


def timed(write: Callable[[], Figures], repeats: int) -> list[str]:
    """Tokens a second, and records a second: the best of some repeats."""
    best = (0.0, 0.0)
    for _ in range(repeats):
        started = time.perf_counter()
        written, records = write()
        seconds = time.perf_counter() - started
        best = max(best, (written / seconds, records / seconds))
    return [f"{best[0]:,.0f}", f"{best[1]:,.1f}" if best[1] else ""]


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--device", default="auto")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        base = given.base or made_base(Path(folder) / "base")
        engine, prompt = engine_of(base, given.dtype, given.device)
        model, eos = engine._model, engine.prompt_config.eos_token_id
        by_engine(engine, prompt, 2, 8, constrained=True)  # what is made once is not measured
        ways: dict[str, Callable[[], Figures]] = {
            "engine, with the grammar": lambda: by_engine(engine, prompt, given.rows, given.tokens, True),
            "engine, without": lambda: by_engine(engine, prompt, given.rows, given.tokens, False),
            "`model.generate`": lambda: by_generate(model, prompt, given.rows, given.tokens, eos),
        }
        table = [[way, *timed(write, given.repeats)] for way, write in ways.items()]
    print(
        f"{given.rows} completions of at most {given.tokens} tokens after a prompt of {len(prompt)}, "
        f"{sum(each.numel() for each in model.parameters()):,} parameters, {model.dtype}, {model.device}, "
        f"{torch.get_num_threads()} threads.\n"
    )
    print(markdown(("way", "tokens/s", "records/s"), table))
    print(f"\n{machine()}")
