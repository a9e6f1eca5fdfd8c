"""What runs in the process of vLLM: one engine that completes the prompts of one job after another.

``messages`` says what this process is told, and what it answers.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from itertools import count, islice
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from attrs import define, field

from rowsmith_backends.vllm.messages import Job, Prompt, Rows, Setup

__all__ = ["main"]

_FLUSH_SECONDS = 0.05
_ALIVE_SECONDS = 1.0


@define
class _Finished:
    """Completions that have not been sent."""

    places: list[int] = field(factory=list)
    lengths: list[int] = field(factory=list)
    ids: list[int] = field(factory=list)
    stopped: list[bool] = field(factory=list)
    log_probs: list[float] = field(factory=list)
    scored: bool = False

    def add(self, place: int, completion: Any) -> None:
        tokens = list(completion.token_ids)
        self.places.append(place)
        self.lengths.append(len(tokens))
        self.ids.extend(tokens)
        self.stopped.append(completion.finish_reason == "stop")
        if completion.logprobs is not None:
            self.scored = True
            told = zip(completion.logprobs, tokens, strict=True)
            self.log_probs.extend(each[token].logprob for each, token in told)

    def rows(self) -> Rows:
        return Rows(
            places=np.array(self.places, dtype=np.int32),
            lengths=np.array(self.lengths, dtype=np.int32),
            ids=np.array(self.ids, dtype=np.int32),
            stopped=np.array(self.stopped, dtype=np.bool_),
            log_probs=np.array(self.log_probs, dtype=np.float32) if self.scored else None,
        )


class _Worker:
    """One vLLM engine, and the connection to who asks it."""

    def __init__(self, connection: Connection, setup: Setup) -> None:
        from vllm import EngineArgs
        from vllm.lora.request import LoRARequest
        from vllm.v1.engine.llm_engine import LLMEngine

        self._connection = connection
        self._engine = LLMEngine.from_engine_args(EngineArgs(**_settled(setup.engine)))
        self._adapter = None if setup.adapter is None else LoRARequest("adapter", 1, setup.adapter)
        if self._adapter is not None:
            self._engine.add_lora(self._adapter)
        self._names = count()
        self._under_way: dict[str, int] = {}

    def work(self, job: Job) -> None:
        """Complete the prompts of a job, until it is done or ended by the other side."""
        waiting = iter(enumerate(job.prompts))
        finished, told = _Finished(), time.monotonic()
        while self._fill(waiting, job.at_once):
            for output in self._engine.step():
                if output.finished:
                    finished.add(self._under_way.pop(output.request_id), output.outputs[0])
            if self._connection.poll(0):
                self._connection.recv()
                self._engine.abort_request(list(self._under_way))
                self._under_way.clear()
                break
            if time.monotonic() - told > (_FLUSH_SECONDS if finished.places else _ALIVE_SECONDS):
                self._tell(finished)
                finished, told = _Finished(), time.monotonic()
        if finished.places:
            self._tell(finished)
        self._connection.send(("done", None))

    def _fill(self, waiting: Iterator[tuple[int, Prompt]], at_once: int) -> bool:
        """Hand over further prompts; whether there is anything to do."""
        for place, prompt in islice(waiting, max(0, at_once - len(self._under_way))):
            name = str(next(self._names))
            self._engine.add_request(
                name, {"prompt_token_ids": prompt.ids}, _sampling_params(prompt), lora_request=self._adapter
            )
            self._under_way[name] = place
        return bool(self._under_way)

    def _tell(self, finished: _Finished) -> None:
        self._connection.send(("rows", finished.rows()) if finished.places else ("alive", None))


def _sampling_params(prompt: Prompt) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    return SamplingParams(
        **prompt.params,
        structured_outputs=None if prompt.regex is None else StructuredOutputsParams(regex=prompt.regex),
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _settled(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with what depends on the device filled in."""
    import torch

    gpu = torch.cuda.is_available()
    settled = dict(arguments)
    if settled["dtype"] is None:
        half = "bfloat16" if gpu and torch.cuda.is_bf16_supported() else "float16"
        settled["dtype"] = half if gpu else _cpu_dtype(settled)
    if settled["enforce_eager"] is None:
        settled["enforce_eager"] = not gpu
    if gpu:  # where the share of its memory says how much
        del settled["kv_cache_memory_bytes"]
    return settled


def _cpu_dtype(arguments: dict[str, Any]) -> str:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(arguments["model"], trust_remote_code=False, local_files_only=True)
    return "bfloat16" if str(config.get_text_config().dtype) == "torch.bfloat16" else "float32"


def main() -> None:
    """Serve until the other side is gone."""
    connection = Connection(int(sys.argv[1]))
    try:
        kind, body = connection.recv()
        worker = _Worker(connection, body)
        connection.send(("ready", None))
        while True:
            kind, body = connection.recv()
            if kind == "job":
                worker.work(body)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except BaseException as error:
        connection.send(("failed", f"{type(error).__name__}: {error}"))
        raise
    finally:
        sys.stderr.flush()
    # Interpreters that have run vLLM may wait for threads that never end.
    os._exit(0)
