"""The contract of a model plugin: how it reads a table and how it is trained.

A model is prepared once a table has been transformed: it decides its vocabulary and prompt layout, and
may tokenize the records on a path of its own. Then it is trained on the assembled examples, and leaves
an ordinary Hugging Face checkpoint with its tokenizer in a directory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
from attrs import evolve, field, frozen

from rowsmith.interruption import StopRequest
from rowsmith.model.distributed import Ranks

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
    """A model that knows its table but not yet its weights.

    Attributes:
        model_schema: The columns it reads and writes.
        metadata: Prompt layout, special tokens, context length.
        tokenizer: Its tokenizer.
        vocabulary: The tokens of a columnar tokenizer; None for a tokenizer of another kind.
        token_store: The records, tokenized; None when the assembler is to tokenize their text.
        cross_validated: Whether training finds its own length by cross-validation, so that no
            records are to be set apart for validation.
        validation_rows: How many records tell when to stop, where the table has ten times as many; of smaller tables
            a tenth does. ``training.validation_ratio`` may ask for more, or for none.
        base: The pretrained model that an adapter is trained for; None when the whole model is saved.
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
        """The same with the number of each record's group in the token store, where both are there.

        A run calls it with the groups of its training table: a model need not find them.

        Args:
            groups: The numbers, int64 ``[records]``; None for plain tables.
        """
        if groups is None or self.token_store is None:
            return self
        return evolve(self, token_store=evolve(self.token_store, groups=groups))


@frozen(kw_only=True)
class TrainingProgress:
    """Where training stands.

    Attributes:
        step: Optimizer steps done.
        total_steps: Optimizer steps planned.
        loss: Mean training loss since the last report, in nats per token.
        validation_loss: The last held-out loss in nats per token; None before the first.
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
    """What training did.

    Attributes:
        steps: Optimizer steps taken.
        total_steps: Optimizer steps planned.
        tokens: Tokens trained on, cross-validation and calibration left out.
        seconds: Time from the first optimizer step to the last, validations and calibration included.
        epochs: Passes over the training examples.
        validation_loss: The best held-out loss in nats per token, when there was a validation set.
        best_step: The step whose weights were kept.
        parameters: The number of weights.
        dtype: The precision that training computed in.
        stop_reason: Why training ended.
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


@frozen(kw_only=True, eq=False)
class TrainingJob:
    """What a model is to train on, and where.

    Attributes:
        examples: The assembled examples.
        training: The budget.
        seeds: Randomness by stage.
        directory: Where the model and tokenizer go; empty beforehand.
        progress: Called from time to time with where training stands.
        note: Called with what a user should know.
        checkpoints: Where states of the training are saved and found again; None for nowhere.
        stop: Whether the run was asked to end. A model that can save its state looks at it often inside
            ``stop.awaited()``, saves, and raises ``Interrupted``; others are interrupted where they are.
        ranks: This process among those that train together. Only the first one has checkpoints, and the right
            directory.
    """

    examples: TrainingExamples
    training: TrainingConfig
    seeds: Seeds
    directory: Path
    progress: Callable[[TrainingProgress], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    checkpoints: Checkpoints | None = None
    stop: StopRequest = field(factory=StopRequest)
    ranks: Ranks = field(factory=Ranks)


class TableModel(ABC):
    """What is trained on a table.

    Attributes:
        several_processes: Whether several processes can train it together.
    """

    several_processes: ClassVar[bool] = False

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
            Interrupted: The run was asked to end; the state of the training is saved.
        """
