"""Messages between the vLLM worker process and its client.

A message is a pair of kind and body, sent over a private pair of sockets. The client sends ``setup`` once, then one
``job`` after another, and optionally ``end`` during a job. The worker answers ``ready`` once, and in a job ``rows`` as
completions finish, ``alive`` if none did for a while, and ``done`` at the end. ``failed`` reports an error of vLLM and
is the last message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

__all__ = ["CompletionRows", "Job", "Prompt", "Setup"]


@frozen(kw_only=True)
class Setup:
    """Start-up parameters of the worker.

    Attributes:
        engine: Arguments of vLLM's ``EngineArgs``; ``dtype`` and ``enforce_eager`` may be None.
        adapter: Folder of a LoRA adapter, applied to every request; None for none.
    """

    engine: dict[str, Any]
    adapter: str | None


@frozen(kw_only=True)
class Prompt:
    """One request of a job.

    Attributes:
        ids: Token ids of the prompt.
        params: Arguments of vLLM's ``SamplingParams``.
        regex: The regular expression of the completion; None for any.
    """

    ids: list[int]
    params: dict[str, Any]
    regex: str | None


@frozen(kw_only=True)
class Job:
    """Prompts to complete.

    Attributes:
        prompts: The prompts.
        max_running: The most requests in vLLM at the same time.
    """

    prompts: Sequence[Prompt]
    max_running: int


@frozen(kw_only=True, eq=False)
class CompletionRows:
    """Finished completions.

    Attributes:
        indices: Indices of their prompts in the job: int32[n].
        lengths: Their lengths in tokens: int32[n].
        ids: Their token ids, concatenated: int32.
        stopped: Whether they ended by themselves: bool[n].
        log_probs: Log-probability of each token, concatenated: float32; None unless requested.
    """

    indices: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int32]
    stopped: npt.NDArray[np.bool_]
    log_probs: npt.NDArray[np.float32] | None
