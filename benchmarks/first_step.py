"""The way to the first optimizer step, stage by stage; runs in a process of its own."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

STARTED = "ROWSMITH_BENCHMARK_STARTED"
"""The variable that holds the time at which the process was started."""


def child(path: str) -> None:
    """Go to the first optimizer step as ``rowsmith run`` does, and write the time of each stage."""
    began = time.time() - float(os.environ[STARTED])
    import rowsmith.cli.commands.running  # noqa: F401 - part of what the command costs
    from benchmarks.stages import Reached, Stages, up_to_training

    imported = time.time() - float(os.environ[STARTED])
    seconds = {"Python": began, "importing rowsmith": imported - began}

    def at_training() -> None:
        started = time.perf_counter()
        from torch.optim.optimizer import register_optimizer_step_pre_hook

        import rowsmith_backends.scratch.training.recipe  # noqa: F401

        seconds["importing torch and transformers"] = time.perf_counter() - started
        ready = time.perf_counter()

        def reached(*_: object) -> None:
            seconds["building the model, first batch"] = time.perf_counter() - ready
            raise Reached

        register_optimizer_step_pre_hook(reached)

    stages = Stages(at_training)
    up_to_training(Path(path), stages, ["training.max_steps=1"])
    reading = {name: stages.seconds[name] for name in ("reading", "transforming", "tokenizing")}
    order = {"Python", "importing rowsmith"}
    ordered = {name: seconds[name] for name in seconds if name in order} | reading
    ordered |= {name: value for name, value in seconds.items() if name not in order}
    json.dump(ordered | {"all of it": time.time() - float(os.environ[STARTED])}, sys.stdout)
