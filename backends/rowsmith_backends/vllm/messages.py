"""What the process of vLLM and the one that asks it say to each other.

Messages are pairs of a kind and a body, over a pair of sockets of these two processes alone. The one that asks sends
``setup`` once, then ``job`` after ``job``, and during a job perhaps ``end``. It is answered with ``ready`` once, and in
a job with ``rows`` as completions finish, ``alive`` when none did for a while, and ``done`` at last. ``failed`` tells
what went wrong with vLLM, and is the last message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

__all__ = ["Job", "Prompt", "Rows", "Setup"]


@frozen(kw_only=True)
class Setup:
    """What the process is started with.

    Attributes:
        engine: Arguments of vLLM's ``EngineArgs``; ``dtype`` and ``enforce_eager`` may be None.
        adapter: Folder of a LoRA adapter that every request goes through; None for none.
    """

    engine: dict[str, Any]
    adapter: str | None


@frozen(kw_only=True)
class Prompt:
    """One request of a job.

    Attributes:
        ids: Its prompt.
        params: Arguments of vLLM's ``SamplingParams``.
        regex: The regular expression of the completion; None for any.
    """

    ids: list[int]
    params: dict[str, Any]
    regex: str | None


@frozen(kw_only=True)
class Job:
    """Prompts to be completed.

    Attributes:
        prompts: The prompts.
        at_once: The most requests that vLLM holds at the same time.
    """

    prompts: Sequence[Prompt]
    at_once: int


@frozen(kw_only=True, eq=False)
class Rows:
    """Some completions.

    Attributes:
        places: Their places in the job: int32[n].
        lengths: Their lengths in tokens: int32[n].
        ids: Their token ids, one after another: int32.
        stopped: Whether they ended by themselves: bool[n].
        log_probs: Log-probability of each token, one after another: float32; None unless wanted.
    """

    places: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int32]
    stopped: npt.NDArray[np.bool_]
    log_probs: npt.NDArray[np.float32] | None
