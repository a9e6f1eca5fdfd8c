"""Generation: from prompts to a table of valid records.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.generation.actions import RECORD_ID, REJECT_REASON, Accepted, DataActionsFn
    from rowsmith.generation.backend import GeneratorBackend
    from rowsmith.generation.batches.accounting import BatchFinished
    from rowsmith.generation.batches.batch import Batch
    from rowsmith.generation.engine_backend import EngineBackend
    from rowsmith.generation.journal import GenerationJournal, JournalEntry
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
    from rowsmith.generation.status import INTERRUPTED, GenerationStatus
    from rowsmith.generation.stopping import GenerationStopCondition, Progress, Stop, StoppingPolicy

__all__ = [
    "ADAPTIVE_MAX_PROMPTS_CEILING",
    "INITIAL_PROBE_PROMPTS",
    "INTERRUPTED",
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
    "GenerationJournal",
    "GenerationStatus",
    "GenerationStopCondition",
    "GeneratorBackend",
    "JournalEntry",
    "ParsedResponse",
    "Processor",
    "Progress",
    "SamplingParams",
    "Stop",
    "StoppingPolicy",
    "rejected_record_to_error",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.generation.batches.accounting": ["BatchFinished"],
        "rowsmith.generation.actions": ["RECORD_ID", "REJECT_REASON", "Accepted", "DataActionsFn"],
        "rowsmith.generation.backend": ["GeneratorBackend"],
        "rowsmith.generation.batches.batch": ["Batch"],
        "rowsmith.generation.engine_backend": ["EngineBackend"],
        "rowsmith.generation.journal": ["GenerationJournal", "JournalEntry"],
        "rowsmith.generation.processors": ["ParsedResponse", "Processor"],
        "rowsmith.generation.requests": [
            "Completion",
            "CompletionBlock",
            "CompletionRequest",
            "Engine",
            "FinishReason",
            "SamplingParams",
        ],
        "rowsmith.generation.results": [
            "ADAPTIVE_MAX_PROMPTS_CEILING",
            "INITIAL_PROBE_PROMPTS",
            "NUM_PROMPT_BUFFER",
            "GenerateJobResults",
            "GenerationBatches",
            "GenerationFailure",
            "rejected_record_to_error",
        ],
        "rowsmith.generation.status": ["INTERRUPTED", "GenerationStatus"],
        "rowsmith.generation.stopping": ["GenerationStopCondition", "Progress", "Stop", "StoppingPolicy"],
    },
)
