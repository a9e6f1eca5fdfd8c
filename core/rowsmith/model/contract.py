"""Contract of model plugins: preparation and training.

A model is prepared with the transformed table: it decides its vocabulary and prompt layout, and may tokenize the
records itself. Then it is trained on the assembled examples and saves a Hugging Face checkpoint with its tokenizer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.interruption import StopRequest
from rowsmith.model.distributed import DistributedEnv
from rowsmith.model.early_stopping import EarlyStopping

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from rowsmith.assembly import TrainingExamples
    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.assembly.token_store import Ints, TokenStore
    from rowsmith.config import TrainingConfig
    from rowsmith.model.base import BaseModel
    from rowsmith.model.checkpoints import Checkpoints
    from rowsmith.randomness.seeds import Seeds
    from rowsmith.table.schema import ModelSchema, TableSchema
    from rowsmith.vocabulary import Vocabulary

__all__ = ["PreparedModel", "TableModel", "TrainingJob", "TrainingProgress", "TrainingReport"]


@frozen(kw_only=True, eq=False)
class PreparedModel:
    """A model that is ready for training on its table.

    Attributes:
        model_schema: The columns it reads and writes.
        metadata: Prompt layout, special tokens, context length.
        tokenizer: Its tokenizer.
        vocabulary: The tokens of a columnar tokenizer; None for a tokenizer of another kind.
        token_store: The tokenized records; None if the assembler is to tokenize their text.
        cross_validated: Whether the number of epochs is chosen by cross-validation, so that no validation records are
            needed.
        validation_rows: Number of validation records for early stopping, at most a tenth of the table.
            ``training.validation_ratio`` may set more, or none.
        base: The pretrained model that an adapter is trained for; None if the whole model is saved.
    """

    model_schema: ModelSchema
    metadata: ModelMetadata
    tokenizer: PreTrainedTokenizerBase
    vocabulary: Vocabulary | None = None
    token_store: TokenStore | None = None
    cross_validated: bool = False
    validation_rows: int = 0
    base: BaseModel | None = None

    def with_groups(self, groups: Ints | None) -> PreparedModel:
        """A copy whose token store, if any, holds the group of each record.

        A run calls it with the groups of its training table: a model need not find them.

        Args:
            groups: Group numbers, int64 ``[records]``; None for plain tables.
        """
        if groups is None or self.token_store is None:
            return self
        return evolve(self, token_store=evolve(self.token_store, groups=groups))


@frozen(kw_only=True)
class TrainingProgress:
    """Progress of training.

    Attributes:
        step: Optimizer steps done.
        total_steps: Optimizer steps planned.
        loss: Mean training loss since the last report; nats per token.
        validation_loss: Last validation loss, nats per token; None before the first.
        seconds: Time since the first step.
        phase: What is being trained, such as ``fold 1 of 3``; empty for the model itself.
    """

    step: int
    total_steps: int
    loss: float | None
    validation_loss: float | None
    seconds: float
    phase: str = ""

    @property
    def seconds_left(self) -> float | None:
        """Time left at the present rate."""
        return None if self.step == 0 else self.seconds / self.step * (self.total_steps - self.step)


@frozen(kw_only=True)
class TrainingReport:
    """Summary of a finished training.

    Attributes:
        steps: Optimizer steps taken.
        total_steps: Optimizer steps planned.
        tokens: Tokens trained on, without cross-validation and calibration.
        seconds: Time from the first optimizer step to the last, with validations and calibration.
        epochs: Passes over the training examples.
        validation_loss: Best validation loss, nats per token; None without a validation set.
        best_step: Step of the saved weights.
        parameters: Number of weights.
        dtype: Precision of training.
        stop_reason: Why training ended.
        stopping: What a policy judged and decided meanwhile, as plain data; None where the held-out loss decided.
    """

    steps: int
    total_steps: int
    tokens: int
    seconds: float
    epochs: float
    validation_loss: float | None
    best_step: int
    parameters: int
    dtype: str
    stop_reason: str
    stopping: Mapping[str, Any] | None = None


@frozen(kw_only=True, eq=False)
class TrainingJob:
    """Examples, budget and services of one training.

    Attributes:
        examples: The assembled examples.
        training: The training settings.
        seeds: Randomness by stage.
        directory: Output folder of model and tokenizer; empty.
        progress: Called regularly with the progress of training.
        note: Called with notes to the user.
        checkpoints: Saves and restores checkpoints; None for no checkpoints.
        stop: Whether the run was asked to stop. A model that can save its state polls it often inside
            ``stop.awaited()``, saves, and raises ``Interrupted``; others are interrupted at once.
        ranks: Rank and world size. Only rank 0 has checkpoints and the final directory.
        early_stopping: Judges the weights during training; None where the held-out loss decides.
    """

    examples: TrainingExamples
    training: TrainingConfig
    seeds: Seeds
    directory: Path
    progress: Callable[[TrainingProgress], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    checkpoints: Checkpoints | None = None
    stop: StopRequest = field(factory=StopRequest)
    ranks: DistributedEnv = field(factory=DistributedEnv)
    early_stopping: EarlyStopping | None = None


class TableModel(ABC):
    """Base class of models that are trained on a table.

    Attributes:
        several_processes: Whether it supports distributed training.
        decides_by_rows: Whether its training asks ``TrainingJob.early_stopping`` when to end.
    """

    several_processes: ClassVar[bool] = False
    decides_by_rows: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, columns: pa.Table, schema: TableSchema) -> PreparedModel:
        """Decide vocabulary and prompt layout.

        Args:
            columns: The spelled training table after all transforms.
            schema: Its schema.

        Returns:
            The prepared model.

        Raises:
            DataError: The table cannot be modelled.
        """

    @abstractmethod
    def train(self, prepared: PreparedModel, job: TrainingJob) -> TrainingReport:
        """Train, and save the checkpoint and tokenizer in ``job.directory``.

        Raises:
            TrainingError: The loss is not finite, or nothing can be trained.
            Interrupted: The run was asked to stop; a checkpoint is saved.
        """
