"""Contract of assemblers: records become training examples.

``Example`` is the slow reference layout of an example; fast assemblers give the same ids, labels and
masks. An assembler decides which records share an example; ``ranges`` gathers them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from rowsmith.assembly.dataset import as_dataset, ranges_of
from rowsmith.assembly.example import Example, context_advice
from rowsmith.assembly.ranges import ExampleRanges
from rowsmith.components import Kind
from rowsmith.config.defaults import assembler_for
from rowsmith.errors import ParameterError

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset
    from transformers import PreTrainedTokenizer

    from rowsmith.assembly.metadata import ModelMetadata
    from rowsmith.assembly.token_store import Ints, TokenStore
    from rowsmith.config import RunConfig
    from rowsmith.plugins import Registry

__all__ = [
    "PSEUDO_GROUP_COLUMN",
    "AssemblyInputs",
    "Example",
    "ExampleRanges",
    "Statistics",
    "TrainingExampleAssembler",
    "TrainingExamples",
    "as_dataset",
    "context_advice",
    "ranges_of",
]

PSEUDO_GROUP_COLUMN = "__rowsmith_sequence"
"""The group column of a single series that has none; it is neither in prompts nor in records."""


@frozen
class Statistics:
    """A summary of some lengths or counts.

    Attributes:
        count: Number of values.
        mean: Mean; 0 if there are none.
        min: Minimum; 0 if there are none.
        max: Maximum; 0 if there are none.
        stddev: Sample standard deviation; 0 if there are fewer than two.
    """

    count: int = 0
    mean: float = 0.0
    min: float = 0.0
    max: float = 0.0
    stddev: float = 0.0

    @classmethod
    def of(cls, array: npt.ArrayLike) -> Statistics:
        """Summarise numbers.

        Args:
            array: The numbers ``[n]``.
        """
        values = np.asarray(array)
        if not values.size:
            return cls()
        low, high = float(values.min()), float(values.max())
        spread = float(values.std(ddof=1)) if low < high else 0.0
        return cls(int(values.size), float(values.mean()), low, high, spread)


@dataclass
class TrainingExamples:
    """Assembled examples.

    Attributes:
        train: Dataset of training examples; its rows hold ``input_ids``, ``attention_mask``, ``labels``.
        stats: Statistics of the training examples by name.
        test: Dataset of validation examples, if there are any.
    """

    train: Dataset
    stats: dict[str, Statistics]
    test: Dataset | None = None


@frozen(kw_only=True)
class AssemblyInputs:
    """Inputs of an assembler's builder, as ``context.assembly``.

    Attributes:
        dataset: The records: a ``datasets.Dataset`` or a spelled ``pyarrow.Table``.
        tokenizer: The model's tokenizer.
        metadata: Prompt layout, special tokens, context length.
        config: The run's configuration.
        test_size: Validation records: a share below 1, or a count.
        seed: Seed of splits and shuffles.
        cache_file_path: Folder for tokenized records, or None.
        keep_columns: Columns to keep beside the tokens, or None.
        token_store: The records tokenized already, or None.
        groups: The number of each record's group, int64 ``[records]``; sorted by group, and each group in its
            order. None if groups and order are to be found by value, and for plain tables.
        group_values: The group columns row for row, with the values that the
            user wrote them. None if the dataset has them.
        extra: More keyword arguments for the assembler's constructor.
    """

    dataset: Dataset | pa.Table
    tokenizer: PreTrainedTokenizer
    metadata: ModelMetadata
    config: RunConfig
    test_size: float | None = None
    seed: int | None = None
    cache_file_path: str | Path | None = None
    keep_columns: Sequence[str] | None = None
    token_store: TokenStore | None = None
    groups: Ints | None = None
    group_values: pa.Table | None = None
    extra: Mapping[str, Any] = field(factory=dict)


class TrainingExampleAssembler(ABC):
    """Turns a dataset of records into training examples.

    A constructor stores its arguments and checks columns; tokenizing and splitting happen on first use.

    Args:
        dataset: The records: a ``datasets.Dataset``, or a spelled ``pyarrow.Table``.
        tokenizer: Tokenizer of the records.
        metadata: Prompt layout, special tokens, context length.
        keep_columns: Columns that must be available after tokenizing, as ``retained_columns``.
        test_size: Validation records: a float below 1 is a share, an integer a count; None or 0 for
            none.
        cache_file_path: Folder where tokenized records may be cached for other runs.
        seed: Seed of splits and shuffles; None for a random one.

    Raises:
        ParameterError: A column of ``keep_columns`` is not in the dataset.
    """

    def __init__(
        self,
        dataset: Dataset | pa.Table,
        tokenizer: PreTrainedTokenizer,
        metadata: ModelMetadata,
        keep_columns: Sequence[str] | None = None,
        test_size: float | None = None,
        cache_file_path: str | Path | None = None,
        seed: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self.dataset = dataset
        self.tokenizer = tokenizer
        self.metadata = metadata
        self.keep_columns = list(keep_columns or ())
        self.test_size = test_size
        self.cache_file_path = None if cache_file_path is None else Path(cache_file_path)
        self.seed = seed
        missing = [name for name in self.keep_columns if name not in dataset.column_names]
        if missing:
            known = ", ".join(map(repr, dataset.column_names))
            raise ParameterError(f"keep_columns names {missing[0]!r}, which is not a column; the columns are {known}")

    @property
    def retained_columns(self) -> Dataset | pa.Table:
        """The columns of ``keep_columns``, row for row beside the tokens."""
        if hasattr(self.dataset, "select_columns"):
            return self.dataset.select_columns(self.keep_columns)
        return self.dataset.select(self.keep_columns)

    @property
    @abstractmethod
    def num_records_train(self) -> int:
        """Number of records in the training split."""

    @property
    @abstractmethod
    def num_records_validation(self) -> int:
        """Number of records in the validation split."""

    @property
    def num_records_total(self) -> int:
        """Number of records in both splits."""
        return self.num_records_train + self.num_records_validation

    @abstractmethod
    def assemble_training_examples(self, data_fraction: float = 1.0) -> TrainingExamples:
        """Build the examples.

        Args:
            data_fraction: How much of the training split is used: 0.5 for a half, 2.5 for two and a
                half passes.

        Returns:
            Training examples, validation examples if there are any, and statistics.
        """

    @classmethod
    def from_data(
        cls,
        dataset: Dataset | pa.Table,
        tokenizer: PreTrainedTokenizer,
        metadata: ModelMetadata,
        config: RunConfig,
        test_size: float | None = None,
        seed: int | None = None,
        cache_file_path: str | Path | None = None,
        keep_columns: Sequence[str] | None = None,
        *,
        registry: Registry | None = None,
        **kwargs: Any,
    ) -> TrainingExampleAssembler:
        """Choose and build the assembler for a configuration.

        Args:
            dataset: The records.
            tokenizer: Tokenizer of the records.
            metadata: Prompt layout, special tokens, context length.
            config: The run's configuration; see ``assembler_for`` for the choice.
            test_size: Validation share or count; None takes ``config.training.validation_ratio``.
            seed: Seed of splits and shuffles; None takes ``config.seed``.
            cache_file_path: Folder where tokenized records may be cached.
            keep_columns: Columns that must be available after tokenizing.
            registry: Finds the assembler; None for one of all installed plugins.
            **kwargs: More arguments for the assembler's constructor, such as ``token_store``.

        Returns:
            The assembler.

        Raises:
            PluginError: No plugin provides the assembler, or its component is not an assembler.
            ConfigError: The assembler's options are wrong.
        """
        inputs = AssemblyInputs(
            dataset=dataset,
            tokenizer=tokenizer,
            metadata=metadata,
            config=config,
            test_size=config.training.validation_ratio if test_size is None else test_size,
            seed=config.seed if seed is None else seed,
            cache_file_path=cache_file_path,
            keep_columns=keep_columns,
            token_store=kwargs.pop("token_store", None),
            groups=kwargs.pop("groups", None),
            group_values=kwargs.pop("group_values", None),
            extra=kwargs,
        )
        return _build(inputs, registry)


def _build(inputs: AssemblyInputs, registry: Registry | None) -> TrainingExampleAssembler:
    from rowsmith.context import BuildContext
    from rowsmith.plugins import Registry
    from rowsmith.randomness.seeds import Seeds

    config = inputs.config
    plugins = registry if registry is not None else Registry(disable=config.plugins.disable)
    context = BuildContext(
        config=config, registry=plugins, seeds=Seeds(config.seed), metadata=inputs.metadata, assembly=inputs
    )
    return cast(TrainingExampleAssembler, plugins.build(Kind.ASSEMBLER, assembler_for(config), context))
