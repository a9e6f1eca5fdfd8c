"""Options of the backend ``timeseries``; importing them imports nothing heavy."""

from __future__ import annotations

from attrs import field, frozen

from rowsmith.components import ComponentRef
from rowsmith.config.sections import between

__all__ = ["TimeseriesOptions"]

# Far beyond any use: a typing error is reported before memory runs out.
_most = between(1, 1_000_000)


@frozen(kw_only=True)
class TimeseriesOptions:
    """Options of the backend ``timeseries``.

    Attributes:
        engine: The backend whose engine writes the records, by name, or by name and options.
        samples_per_prompt: Completions of each prompt, one of which is used. By default 1 where the engine can
            only write valid records, and 5 elsewhere.
        max_prompts_per_batch: The most completions of one call to the engine.
        prefill_context_size: The most records that a prompt holds; by default as many as fit the model's context.
    """

    engine: ComponentRef = field(factory=lambda: ComponentRef(name="transformers"))
    samples_per_prompt: int | None = field(default=None, validator=between(1, 256))
    max_prompts_per_batch: int = field(default=100, validator=_most)
    prefill_context_size: int | None = field(default=None, validator=_most)
