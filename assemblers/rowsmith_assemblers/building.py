"""What the builders of all assemblers have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowsmith.errors import ParameterError

if TYPE_CHECKING:
    from rowsmith.assembly import AssemblyInputs
    from rowsmith.context import BuildContext

__all__ = ["group_arguments", "required_inputs", "shared_arguments"]


def required_inputs(context: BuildContext) -> AssemblyInputs:
    """The assembly inputs of a context.

    Raises:
        ParameterError: The context has none.
    """
    if context.assembly is None:
        raise ParameterError("an assembler is built from context.assembly, which is None; use from_data")
    return context.assembly


def shared_arguments(inputs: AssemblyInputs) -> dict[str, Any]:
    """Arguments that every assembler's constructor takes."""
    return {
        "dataset": inputs.dataset,
        "tokenizer": inputs.tokenizer,
        "metadata": inputs.metadata,
        "test_size": inputs.test_size,
        "cache_file_path": inputs.cache_file_path,
        "seed": inputs.seed,
        "keep_columns": inputs.keep_columns,
        "token_store": inputs.token_store,
    }


def group_arguments(inputs: AssemblyInputs) -> dict[str, Any]:
    """Arguments of the assemblers of groups."""
    return {"groups": inputs.groups, "group_values": inputs.group_values}
