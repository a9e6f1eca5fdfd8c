"""Assembly: records become training examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.assembly.contract import (
        PSEUDO_GROUP_COLUMN,
        AssemblyInputs,
        Example,
        ExampleRanges,
        Statistics,
        TrainingExampleAssembler,
        TrainingExamples,
        as_dataset,
        context_advice,
        ranges_of,
    )
    from rowsmith.assembly.metadata import LLMPromptConfig, ModelMetadata, RopeScaling
    from rowsmith.assembly.token_store import TokenStore
    from rowsmith.config.defaults import assembler_for

__all__ = [
    "PSEUDO_GROUP_COLUMN",
    "AssemblyInputs",
    "Example",
    "ExampleRanges",
    "LLMPromptConfig",
    "ModelMetadata",
    "RopeScaling",
    "Statistics",
    "TokenStore",
    "TrainingExampleAssembler",
    "TrainingExamples",
    "as_dataset",
    "assembler_for",
    "context_advice",
    "ranges_of",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.assembly.contract": [
            "AssemblyInputs",
            "Example",
            "ExampleRanges",
            "PSEUDO_GROUP_COLUMN",
            "Statistics",
            "TrainingExampleAssembler",
            "TrainingExamples",
            "as_dataset",
            "context_advice",
            "ranges_of",
        ],
        "rowsmith.assembly.metadata": ["LLMPromptConfig", "ModelMetadata", "RopeScaling"],
        "rowsmith.assembly.token_store": ["TokenStore"],
        "rowsmith.config.defaults": ["assembler_for"],
    },
)
