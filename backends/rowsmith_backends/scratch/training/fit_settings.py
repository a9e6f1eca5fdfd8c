"""Settings that all fits of one training share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from attrs import evolve, frozen
from transformers import LlamaForCausalLM

from rowsmith_backends.scratch.column_loss import VocabularyParts
from rowsmith_backends.scratch.packed_llama import MAX_EAGER_TOKENS, PackedLlama
from rowsmith_backends.scratch.training.initial_weights import InitialWeights
from rowsmith_backends.scratch.training.smoothed_embeddings import SmoothedEmbeddings
from rowsmith_backends.training.examples import Examples, MaskedExamples
from rowsmith_backends.training.optimizers import joint_optimizer
from rowsmith_backends.training.state import TrainingState

if TYPE_CHECKING:
    from transformers import LlamaConfig

    from rowsmith_backends.scratch.options import ScratchOptions

__all__ = ["SMALL_TABLE", "FitSettings", "Recipe", "recipe_of"]

_FEW_EPOCHS = 5
# From this many epochs on, a whole record may be masked.
_EPOCHS_ALL_MASKED = 30
# Without masked inputs, more weight decay is needed against overfitting.
_UNMASKED_DECAY = 0.5


@frozen(kw_only=True)
class Recipe:
    """Default values of options.

    Attributes:
        matrix_learning_rate: As in the options.
        weight_decay: As in the options.
        blanked: As in the options.
    """

    matrix_learning_rate: float
    weight_decay: float
    blanked: float

    def complete(self, options: ScratchOptions) -> ScratchOptions:
        """The options with defaults filled in."""
        blanked = self.blanked if options.blanked is None else options.blanked
        decay = self.weight_decay if blanked or not self.blanked else _UNMASKED_DECAY
        rate = self.matrix_learning_rate if options.matrix_learning_rate is None else options.matrix_learning_rate
        return evolve(
            options,
            blanked=blanked,
            weight_decay=decay if options.weight_decay is None else options.weight_decay,
            matrix_learning_rate=rate,
        )


SMALL_TABLE = Recipe(matrix_learning_rate=0.0, weight_decay=0.1, blanked=1.0)


def recipe_of(epochs: float) -> Recipe:
    """The recipe for a number of epochs: more epochs need more regularisation against overfitting."""
    if epochs <= _FEW_EPOCHS:
        # Muon learns faster, and overfits sooner.
        return Recipe(matrix_learning_rate=4e-3, weight_decay=0.05, blanked=0.0)
    return evolve(SMALL_TABLE, blanked=min(1.0, epochs / _EPOCHS_ALL_MASKED))


@frozen(kw_only=True)
class FitSettings:
    """Settings that all fits of one training share.

    Attributes:
        config: The model's shape.
        parts: Partition of the vocabulary for a loss by columns; None for a loss over all ids.
        options: Learning rates and other options.
        seed: Seed of weights, order and masked inputs.
        device: Device of the training.
        batch_size: Examples a step.
        bf16: Whether to compute in bfloat16.
        state: The training that the fits are part of.
        mask_id: The id that replaces masked inputs; None for no masking.
        smoothed_embeddings: The smoothed embeddings; None for none.
        packed: Whether examples are packed without padding, because their lengths differ much; always so with a loss
            by columns.
        buckets: Lengths that packed examples are padded to, ascending, so that few shapes occur.
        attention: ``eager`` for plain products, of packed examples up to some length only, or ``sdpa`` for fused ones;
            None for the default.
        initial_weights: Initial weights from counts; None for random ones.
    """

    config: LlamaConfig
    parts: VocabularyParts | None
    options: ScratchOptions
    seed: int
    device: torch.device
    batch_size: int
    bf16: bool
    state: TrainingState
    mask_id: int | None
    smoothed_embeddings: SmoothedEmbeddings | None = None
    packed: bool = False
    buckets: tuple[int, ...] = ()
    attention: str | None = None
    initial_weights: InitialWeights | None = None

    @property
    def attentions(self) -> tuple[str, ...]:
        """Attention implementations that may be the fastest, the default first."""
        if not self._is_packed:
            # Memory of plain products grows with the square of the length.
            default: str = self.config._attn_implementation
            return (default, "sdpa") if default == "eager" else (default,)
        if self.device.type != "cpu" or min(self.buckets, default=0) > MAX_EAGER_TOKENS:
            return ("sdpa",)
        return ("eager", "sdpa")

    @property
    def _is_packed(self) -> bool:
        return self.packed or self.parts is not None

    def new_model(self) -> LlamaForCausalLM:
        """A new model with reproducible initial weights."""
        torch.manual_seed(self.seed)
        plain = LlamaForCausalLM(self._plain_config())
        if self.initial_weights is not None:
            self.initial_weights.apply(plain)
        model = self._new_packed(plain) if self._is_packed else plain
        if self.smoothed_embeddings is not None:
            self.smoothed_embeddings.apply(model)
        return model.to(self.device)

    def _new_packed(self, plain: LlamaForCausalLM) -> PackedLlama:
        packed = PackedLlama(self.config, self.parts, self.buckets, fused=self.attention == "sdpa")
        packed.load_state_dict(plain.state_dict())
        return packed

    def _plain_config(self) -> LlamaConfig:
        attention = self.attention or self.config._attn_implementation
        return type(self.config)(**{**self.config.to_dict(), "attn_implementation": attention})

    def masked(self, examples: Examples) -> Examples:
        """Examples with masked inputs, if the options ask for them."""
        if self.mask_id is None or not self.options.blanked:
            return examples
        return MaskedExamples(examples, self.options.blanked, self.mask_id, self.seed)

    def optimizer(self, model: LlamaForCausalLM) -> torch.optim.Optimizer:
        """The optimizer of a model."""
        rates = self.options
        return joint_optimizer(
            model,
            lr=rates.learning_rate,
            matrix_lr=rates.matrix_learning_rate or 0.0,
            weight_decay=rates.weight_decay or 0.0,
        )

    def with_recipe(self, recipe: Recipe) -> FitSettings:
        """The settings with the defaults of a recipe filled in."""
        return evolve(self, options=recipe.complete(self.options))
