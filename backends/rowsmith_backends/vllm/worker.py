"""Worker process of vLLM: one engine that completes the prompts of one job after another.

``messages`` describes the protocol.
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

from rowsmith_backends.vllm.messages import CompletionRows, Job, Prompt, Setup

__all__ = ["main"]

_FLUSH_SECONDS = 0.05
_HEARTBEAT_SECONDS = 1.0


@define
class _FinishedCompletions:
    """Finished completions that have not been sent yet."""

    indices: list[int] = field(factory=list)
    lengths: list[int] = field(factory=list)
    ids: list[int] = field(factory=list)
    stopped: list[bool] = field(factory=list)
    log_probs: list[float] = field(factory=list)
    has_log_probs: bool = False

    def add(self, index: int, completion: Any) -> None:
        tokens = list(completion.token_ids)
        self.indices.append(index)
        self.lengths.append(len(tokens))
        self.ids.extend(tokens)
        self.stopped.append(completion.finish_reason == "stop")
        if completion.logprobs is not None:
            self.has_log_probs = True
            pairs = zip(completion.logprobs, tokens, strict=True)
            self.log_probs.extend(each[token].logprob for each, token in pairs)

    def rows(self) -> CompletionRows:
        return CompletionRows(
            indices=np.array(self.indices, dtype=np.int32),
            lengths=np.array(self.lengths, dtype=np.int32),
            ids=np.array(self.ids, dtype=np.int32),
            stopped=np.array(self.stopped, dtype=np.bool_),
            log_probs=np.array(self.log_probs, dtype=np.float32) if self.has_log_probs else None,
        )


class _Worker:
    """One vLLM engine and the connection to its client."""

    def __init__(self, connection: Connection, setup: Setup) -> None:
        from vllm import EngineArgs
        from vllm.lora.request import LoRARequest
        from vllm.v1.engine.llm_engine import LLMEngine

        self._connection = connection
        self._engine = LLMEngine.from_engine_args(EngineArgs(**_resolved_arguments(setup.engine)))
        self._adapter = None if setup.adapter is None else LoRARequest("adapter", 1, setup.adapter)
        if self._adapter is not None:
            self._engine.add_lora(self._adapter)
        self._request_names = count()
        self._running: dict[str, int] = {}

    def run_job(self, job: Job) -> None:
        """Complete the prompts of a job, until all are done or the client ends it."""
        waiting = iter(enumerate(job.prompts))
        finished, last_sent = _FinishedCompletions(), time.monotonic()
        while self._submit(waiting, job.max_running):
            for output in self._engine.step():
                if output.finished:
                    finished.add(self._running.pop(output.request_id), output.outputs[0])
            if self._connection.poll(0):
                self._connection.recv()
                self._engine.abort_request(list(self._running))
                self._running.clear()
                break
            if time.monotonic() - last_sent > (_FLUSH_SECONDS if finished.indices else _HEARTBEAT_SECONDS):
                self._send_finished(finished)
                finished, last_sent = _FinishedCompletions(), time.monotonic()
        if finished.indices:
            self._send_finished(finished)
        self._connection.send(("done", None))

    def _submit(self, waiting: Iterator[tuple[int, Prompt]], max_running: int) -> bool:
        """Submit further prompts to vLLM; whether any request is running."""
        for index, prompt in islice(waiting, max(0, max_running - len(self._running))):
            name = str(next(self._request_names))
            self._engine.add_request(
                name, {"prompt_token_ids": prompt.ids}, _sampling_params(prompt), lora_request=self._adapter
            )
            self._running[name] = index
        return bool(self._running)

    def _send_finished(self, finished: _FinishedCompletions) -> None:
        self._connection.send(("rows", finished.rows()) if finished.indices else ("alive", None))


def _sampling_params(prompt: Prompt) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    return SamplingParams(
        **prompt.params,
        structured_outputs=None if prompt.regex is None else StructuredOutputsParams(regex=prompt.regex),
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _resolved_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Engine arguments with the device-dependent defaults filled in."""
    import torch

    gpu = torch.cuda.is_available()
    resolved = dict(arguments)
    if resolved["dtype"] is None:
        dtype = "bfloat16" if gpu and torch.cuda.is_bf16_supported() else "float16"
        resolved["dtype"] = dtype if gpu else _cpu_dtype(resolved)
    if resolved["enforce_eager"] is None:
        resolved["enforce_eager"] = not gpu
    if gpu:  # gpu_memory_utilization sets the size there
        del resolved["kv_cache_memory_bytes"]
    return resolved


def _cpu_dtype(arguments: dict[str, Any]) -> str:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(arguments["model"], trust_remote_code=False, local_files_only=True)
    return "bfloat16" if str(config.get_text_config().dtype) == "torch.bfloat16" else "float32"


def main() -> None:
    """Serve jobs until the client closes the connection."""
    connection = Connection(int(sys.argv[1]))
    try:
        kind, body = connection.recv()
        worker = _Worker(connection, body)
        connection.send(("ready", None))
        while True:
            kind, body = connection.recv()
            if kind == "job":
                worker.run_job(body)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except BaseException as error:
        connection.send(("failed", f"{type(error).__name__}: {error}"))
        raise
    finally:
        sys.stderr.flush()
    # An interpreter that has run vLLM may wait for threads that never end.
    os._exit(0)
