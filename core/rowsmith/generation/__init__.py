"""Generation: from prompts to a table of valid records.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rowsmith.generation.actions import RECORD_ID, REJECT_REASON, Accepted, DataActionsFn
    from rowsmith.generation.backend import GeneratorBackend
    from rowsmith.generation.batch import Batch
    from rowsmith.generation.engine_backend import EngineBackend
    from rowsmith.generation.loop import BatchFinished
    from rowsmith.generation.processors import ParsedResponse, Processor
    from rowsmith.generation.requests import (
        Completion,
        CompletionBlock,
        CompletionRequest,
        Engine,
        FinishReason,
        SamplingParams,
    )
    from rowsmith.generation.results import (
        ADAPTIVE_MAX_PROMPTS_CEILING,
        INITIAL_PROBE_PROMPTS,
        NUM_PROMPT_BUFFER,
        GenerateJobResults,
        GenerationBatches,
        GenerationFailure,
        rejected_record_to_error,
    )
    from rowsmith.generation.status import GenerationStatus
    from rowsmith.generation.stopping import GenerationStopCondition, Progress, Stop, StoppingPolicy

__all__ = [
    "ADAPTIVE_MAX_PROMPTS_CEILING",
    "INITIAL_PROBE_PROMPTS",
    "NUM_PROMPT_BUFFER",
    "RECORD_ID",
    "REJECT_REASON",
    "Accepted",
    "Batch",
    "BatchFinished",
    "Completion",
    "CompletionBlock",
    "CompletionRequest",
    "DataActionsFn",
    "Engine",
    "EngineBackend",
    "FinishReason",
    "GenerateJobResults",
    "GenerationBatches",
    "GenerationFailure",
    "GenerationStatus",
    "GenerationStopCondition",
    "GeneratorBackend",
    "ParsedResponse",
    "Processor",
    "Progress",
    "SamplingParams",
    "Stop",
    "StoppingPolicy",
    "rejected_record_to_error",
]

_MODULES = {
    "actions": ("RECORD_ID", "REJECT_REASON", "Accepted", "DataActionsFn"),
    "backend": ("GeneratorBackend",),
    "batch": ("Batch",),
    "engine_backend": ("EngineBackend",),
    "loop": ("BatchFinished",),
    "processors": ("ParsedResponse", "Processor"),
    "requests": ("Completion", "CompletionBlock", "CompletionRequest", "Engine", "FinishReason", "SamplingParams"),
    "results": (
        "ADAPTIVE_MAX_PROMPTS_CEILING",
        "INITIAL_PROBE_PROMPTS",
        "NUM_PROMPT_BUFFER",
        "GenerateJobResults",
        "GenerationBatches",
        "GenerationFailure",
        "rejected_record_to_error",
    ),
    "status": ("GenerationStatus",),
    "stopping": ("GenerationStopCondition", "Progress", "Stop", "StoppingPolicy"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import the module of a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
