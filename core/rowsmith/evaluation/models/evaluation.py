"""Base of evaluations of a model: what is asked of it, and how the answers become one score."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from rowsmith.errors import EvaluationError, ParameterError
from rowsmith.evaluation.models.model import M

if TYPE_CHECKING:
    from rowsmith.evaluation.models.inference import InferenceJob

__all__ = ["Evaluation", "ModelScore", "all_samples"]


@frozen(kw_only=True)
class ModelScore:
    """A score with what it rests on.

    Attributes:
        value: The score.
        n: Number of samples.
        interval: 95 % confidence interval; None if unknown.
        baseline: The score without a model, such as of always saying the most frequent value; None if there is none.
        details: Further figures by name, such as a score a column: plain data, and no cell of a table.
    """

    value: float
    n: int
    interval: tuple[float, float] | None = None
    baseline: float | None = None
    details: Mapping[str, Any] = field(factory=dict)


class Evaluation(ABC):
    """Abstract base class for all evaluations."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of this evaluation."""

    def prefix(self) -> str:
        """Prefix for metrics from this evaluation: its name and an underscore."""
        return f"{self.name}_"

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples in this evaluation."""

    @abstractmethod
    def __call__(self, inference: InferenceJob[Any, M], encoding: Any, **kwargs: Any) -> float:
        """Run the evaluation and return a score.

        Args:
            inference: Runs the model.
            encoding: The tokenizer.
            **kwargs: Arguments of the kind of evaluation.
        """

    def measure(self, inference: InferenceJob[Any, M], encoding: Any, **kwargs: Any) -> ModelScore:
        """Run the evaluation and return its score with the number of samples, and details where it has some.

        Args:
            inference: Runs the model.
            encoding: The tokenizer.
            **kwargs: As for a call.
        """
        return ModelScore(value=self(inference, encoding, **kwargs), n=len(self))

    def fingerprint(self) -> str:
        """A hash of class, name and samples: saved results of other samples do not count as this evaluation's."""
        digest = hashlib.sha256(f"{type(self).__module__}.{type(self).__qualname__}/{self.name}/{len(self)}".encode())
        get = getattr(self, "get", None)
        if callable(get):
            for indx in range(len(self)):
                digest.update(b"\0" + repr(get(indx)).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    @staticmethod
    def find_accumulation_steps(
        dataset_size: int, max_batch_size: int, dp_replicate: int
    ) -> tuple[int, int] | tuple[None, None]:
        """Find batch size and accumulation steps that evenly divide dataset.

        Args:
            dataset_size: Total number of samples.
            max_batch_size: Maximum per-device batch size.
            dp_replicate: Data parallel replication factor.

        Returns:
            The largest such batch size and its accumulation steps, whose product with ``dp_replicate`` is
            ``dataset_size``; or (None, None) if there is none.

        Raises:
            ParameterError: ``dataset_size`` is negative, or another number is below 1.
        """
        if dataset_size < 0 or max_batch_size < 1 or dp_replicate < 1:
            raise ParameterError(
                f"dataset_size is {dataset_size}, max_batch_size {max_batch_size} and dp_replicate {dp_replicate}; "
                "give at least 0, 1 and 1"
            )
        if dataset_size == 0 or dataset_size % dp_replicate:
            return None, None
        share = dataset_size // dp_replicate
        batch_size = next(size for size in range(min(max_batch_size, share), 0, -1) if share % size == 0)
        return batch_size, share // batch_size


def all_samples(evaluation: Any) -> list[Any]:
    """All samples of an evaluation.

    Raises:
        EvaluationError: There are none: no score can be given.
    """
    if len(evaluation) < 1:
        raise EvaluationError(f"the evaluation {evaluation.name!r} has no samples; give it at least one")
    return [evaluation.get(indx) for indx in range(len(evaluation))]
