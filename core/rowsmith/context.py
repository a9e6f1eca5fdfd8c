"""What a component's builder is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from rowsmith.assembly import AssemblyInputs
    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.components import ComponentRef, Kind
    from rowsmith.config import RunConfig
    from rowsmith.generation.batches.accounting import BatchFinished
    from rowsmith.model import Bundle
    from rowsmith.plugins import Registry
    from rowsmith.plugins.permissions import Caller
    from rowsmith.randomness.seeds import Seeds
    from rowsmith.sequences.grouping import Ints
    from rowsmith.storage.run_directory import RunDirectory
    from rowsmith.table.schema import ModelSchema, TableSchema

__all__ = ["BuildContext"]


@frozen(kw_only=True)
class BuildContext:
    """What is known of the run when a component is built.

    Attributes:
        config: The run's configuration.
        registry: Finds other components.
        seeds: Randomness by stage.
        run_directory: Where the run writes; None for runs that leave nothing behind.
        table_schema: The user's table; None before it is read.
        model_schema: The columns that the model speaks; None before transforms are fitted.
        groups: The number of each training record's group, int64 ``[records]``, records of a group together and in
            their order; None for plain tables, and before the table is split.
        metadata: Prompt layout, special tokens and context length; None before the model is chosen.
        bundle: The trained model; None before training ends.
        assembly: What an assembler is built from; None for every other component.
        on_batch: Called after every batch of completions that a backend has read.
        caller: Settings and permissions given with the call; None permits everything.
    """

    config: RunConfig
    registry: Registry
    seeds: Seeds
    run_directory: RunDirectory | None = None
    table_schema: TableSchema | None = None
    model_schema: ModelSchema | None = None
    groups: Ints | None = None
    metadata: ModelMetadata | None = None
    bundle: Bundle | None = field(default=None)
    assembly: AssemblyInputs | None = None
    on_batch: Callable[[BatchFinished], None] | None = None
    caller: Caller | None = None

    def resolve(self, kind: Kind, ref: ComponentRef | str) -> object:
        """Build another component, given this same context.

        Args:
            kind: The kind of the component.
            ref: Its name, or its name and options.

        Returns:
            The component.

        Raises:
            PluginError: No such component, or it cannot be built.
            ConfigError: Its options are wrong.
        """
        return self.registry.build(kind, ref, self)

    def evolve(self, **changes: object) -> BuildContext:
        """A copy with other values for some attributes."""
        return evolve(self, **changes)  # type: ignore[arg-type]
