"""What stays the same over all fits of one training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from attrs import evolve, frozen
from transformers import LlamaForCausalLM

from rowsmith_backends.scratch.column_loss import ColumnParts
from rowsmith_backends.scratch.packed_llama import LONGEST_PLAIN, PackedLlama
from rowsmith_backends.scratch.training.initial_weights import FirstWeights
from rowsmith_backends.scratch.training.smoothed_embeddings import Neighbours
from rowsmith_backends.training.examples import BlankedExamples, Examples
from rowsmith_backends.training.optimizers import joint_optimizer
from rowsmith_backends.training.state import TrainingState

if TYPE_CHECKING:
    from transformers import LlamaConfig

    from rowsmith_backends.scratch.options import ScratchOptions

__all__ = ["SMALL_TABLE", "Recipe", "Setting", "recipe_of"]

_FEW_EPOCHS = 5
# With so many epochs all of a record may be blanked.
_EPOCHS_ALL_BLANKED = 30
# Without blanks more decay has to keep rows from being learned by heart.
_UNBLANKED_DECAY = 0.5


@frozen(kw_only=True)
class Recipe:
    """What options stand for when they are left out.

    Attributes:
        matrix_learning_rate: As in the options.
        weight_decay: As in the options.
        blanked: As in the options.
    """

    matrix_learning_rate: float
    weight_decay: float
    blanked: float

    def completed(self, options: ScratchOptions) -> ScratchOptions:
        """Options with every choice made."""
        blanked = self.blanked if options.blanked is None else options.blanked
        decay = self.weight_decay if blanked or not self.blanked else _UNBLANKED_DECAY
        rate = self.matrix_learning_rate if options.matrix_learning_rate is None else options.matrix_learning_rate
        return evolve(
            options,
            blanked=blanked,
            weight_decay=decay if options.weight_decay is None else options.weight_decay,
            matrix_learning_rate=rate,
        )


SMALL_TABLE = Recipe(matrix_learning_rate=0.0, weight_decay=0.1, blanked=1.0)


def recipe_of(epochs: float) -> Recipe:
    """The recipe for so many passes over a table: the more there are, the sooner rows would be learned by heart."""
    if epochs <= _FEW_EPOCHS:
        # Muon learns faster, and learns rows by heart sooner.
        return Recipe(matrix_learning_rate=4e-3, weight_decay=0.05, blanked=0.0)
    return evolve(SMALL_TABLE, blanked=min(1.0, epochs / _EPOCHS_ALL_BLANKED))


@frozen(kw_only=True)
class Setting:
    """What stays the same over all fits of one training.

    Attributes:
        config: The model's shape.
        parts: How the ids are divided, where the loss is to go by columns.
        options: Rates and shares.
        seed: Of weights, order and blanks.
        device: Where to compute.
        batch_size: Examples a step.
        bf16: Whether to compute in bfloat16.
        state: The training that the fits are part of.
        blank_id: What stands in place of a blanked token; None for no blanks.
        neighbours: The numbers that learn from each other; None for none.
        packed: Whether examples are of very different lengths, and computed without padding; a loss by columns
            always does.
        buckets: Lengths that packed examples are filled up to, ascending, so that few shapes occur.
        first: What weights begin with; None for random ones.
        attention: ``eager`` for plain products, of packed examples up to some length only, or ``sdpa`` for fused ones;
            None for the usual one.
    """

    config: LlamaConfig
    parts: ColumnParts | None
    options: ScratchOptions
    seed: int
    device: torch.device
    batch_size: int
    bf16: bool
    state: TrainingState
    blank_id: int | None
    neighbours: Neighbours | None = None
    packed: bool = False
    buckets: tuple[int, ...] = ()
    attention: str | None = None
    first: FirstWeights | None = None

    @property
    def attentions(self) -> tuple[str, ...]:
        """The ways to compute attention that may be the faster one, the usual one first."""
        if not self._is_packed:
            # Memory of plain products grows with the square of the length.
            usual: str = self.config._attn_implementation
            return (usual, "sdpa") if usual == "eager" else (usual,)
        if self.device.type != "cpu" or min(self.buckets, default=0) > LONGEST_PLAIN:
            return ("sdpa",)
        return ("eager", "sdpa")

    @property
    def _is_packed(self) -> bool:
        return self.packed or self.parts is not None

    def new_model(self) -> LlamaForCausalLM:
        """A model that has learned nothing, the same each time."""
        torch.manual_seed(self.seed)
        plain = LlamaForCausalLM(self._plain_config())
        if self.first is not None:
            self.first.give(plain)
        made = self._new_packed(plain) if self._is_packed else plain
        if self.neighbours is not None:
            self.neighbours.join(made)
        return made.to(self.device)

    def _new_packed(self, plain: LlamaForCausalLM) -> PackedLlama:
        packed = PackedLlama(self.config, self.parts, self.buckets, fused=self.attention == "sdpa")
        packed.load_state_dict(plain.state_dict())
        return packed

    def _plain_config(self) -> LlamaConfig:
        attention = self.attention or self.config._attn_implementation
        return type(self.config)(**{**self.config.to_dict(), "attn_implementation": attention})

    def shown(self, examples: Examples) -> Examples:
        """Examples as the model is shown them."""
        if self.blank_id is None or not self.options.blanked:
            return examples
        return BlankedExamples(examples, self.options.blanked, self.blank_id, self.seed)

    def optimizer(self, model: LlamaForCausalLM) -> torch.optim.Optimizer:
        """The optimizer of a model."""
        rates = self.options
        return joint_optimizer(
            model,
            lr=rates.learning_rate,
            matrix_lr=rates.matrix_learning_rate or 0.0,
            weight_decay=rates.weight_decay or 0.0,
        )

    def following(self, recipe: Recipe) -> Setting:
        """The setting with the options completed."""
        return evolve(self, options=recipe.completed(self.options))
