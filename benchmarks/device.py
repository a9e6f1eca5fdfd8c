"""Training and sampling on the device at hand: a scratch model, LoRA on a small random base, vLLM if installed.

    benchmarks/gpu.sh          or: python -m benchmarks device

Sizes follow the device: under 8 minutes on a GPU, under 3 on a CPU. A scratch model is trained and sampled in each
precision with the steps given, the adapter in the precision that the device computes fast.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks.pretrained_sampling import made_base
from benchmarks.reports import machine, markdown
from benchmarks.tables import made_frame
from benchmarks.trials import SPEED, configuration, measure


def ways_of(base: Path) -> dict[str, list[str]]:
    """Settings of each line of the table."""
    ways = {
        f"scratch-{dtype}": [
            f"model.options.dtype={dtype}",
            f"backend={{name: transformers, options: {{dtype: {dtype}}}}}",
        ]
        for dtype in ("bfloat16", "float32")
    }
    ways["lora"] = [f"model={{name: pretrained, options: {{base: {base}}}}}"]
    if find_spec("vllm") is not None:
        ways["scratch-vllm"] = ["backend=vllm"]
    return ways


def main(arguments: Sequence[str]) -> None:
    """Measure and print the table."""
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(
        "device", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=40_000 if gpu else 3_000, help="rows to learn and to make")
    parser.add_argument("--steps", type=int, default=600 if gpu else 20)
    parser.add_argument("--lora-rows", type=int, default=500 if gpu else 20, help="rows that the adapter's model makes")
    args = parser.parse_args(arguments)
    print(f"{machine()} Device: {torch.cuda.get_device_name() if gpu else 'CPU'}.\n\n{markdown(SPEED, [])}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        made_frame(args.rows).to_csv(table, index=False)
        for name, settings in ways_of(made_base(Path(folder) / "base")).items():
            rows, steps = (args.lora_rows, max(1, args.steps // 5)) if name == "lora" else (args.rows, args.steps)
            config = configuration(table, rows, f"{steps}steps", 0, settings)
            print(markdown(measure(config, Path(folder) / f"{name}.csv"), []).splitlines()[0], flush=True)
