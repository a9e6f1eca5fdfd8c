"""The same as :mod:`rowsmith.assembly.prompts`, under its first name."""

from rowsmith.assembly.prompts import inference_prefix, lay_out, prompt_ids, schema_prompt

__all__ = ["inference_prefix", "lay_out", "prompt_ids", "schema_prompt"]
