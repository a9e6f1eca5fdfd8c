"""Engines over models of random weights, which write small tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer

from rowsmith.assembly.metadata import LLMPromptConfig
from rowsmith.table.schema import JsonKind, ModelColumn, ModelSchema
from rowsmith_backends.transformers.engine import CausalEngine

from ...shared.base_models import BOS, EOS

SCHEMA = ModelSchema(
    columns=(
        ModelColumn(name="city", kind=JsonKind.STRING, nullable=True, values=("Ulm", "Rome", "São \U0001f98a")),
        ModelColumn(name="n", kind=JsonKind.NUMBER, nullable=False, integral=True),
    )
)


def prompt_config(tokenizer: Any) -> LLMPromptConfig:
    """The layout of a base of ``make_base``."""
    bos = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return LLMPromptConfig("{schema}", False, False, BOS, bos, EOS, tokenizer.eos_token_id)


def prompt_of(folder: Path, text: str = 'Columns "city", "n"\n') -> tuple[int, ...]:
    """A prompt and BOS."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return (*tokenizer(text, add_special_tokens=False).input_ids, prompt_config(tokenizer).bos_token_id)


def causal_engine(folder: Path, schema: ModelSchema = SCHEMA, **options: Any) -> CausalEngine:
    """An engine that is not started."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    given = {"context": 256, "dtype": "float32", **options}
    return CausalEngine(
        lambda dtype: AutoModelForCausalLM.from_pretrained(folder, dtype=dtype),
        lambda: AutoTokenizer.from_pretrained(folder),
        schema,
        prompt_config(tokenizer),
        **given,
    )
