"""Models of transformers under evaluation: log-probabilities and continuations, of any model and of a bundle's."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from rowsmith.errors import EvaluationError
from rowsmith.evaluation.models.model import (
    COLUMN_ORDERS,
    GENERATE,
    LOG_PROBS,
    MOMENTS,
    PREDICTIONS,
    LanguageModel,
    PromptBatch,
    Sampling,
    ScoreBatch,
    TokenScores,
)
from rowsmith.generation.requests import SamplingParams
from rowsmith_backends.sampling.encoding import TokenizerEncoding
from rowsmith_backends.transformers.batches import CausalBatch, CompletionStart
from rowsmith_backends.transformers.decoding import CausalDecoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Arrays", "CausalLanguageModel", "weights_fingerprint"]

Arrays = dict[str, npt.NDArray[Any]]
"""Scores of a batch by the names of ``TokenScores``."""

# Logits of one forward pass, in cells: 64 MiB in single precision.
_MAX_CELLS = 1 << 24


class CausalLanguageModel(LanguageModel):
    """Any causal language model of transformers.

    Args:
        model: The model; its mode is restored after each call.
        tokenizer: Its fast tokenizer; None if evaluations bring their own encoding.
        prefix_ids: Ids before every text; by default BOS, or EOS for models without BOS.
        eos_id: The id that ends a continuation; by default the tokenizer's or the model's.
        block_size: The most tokens of a sequence; by default what the model's configuration says.
        fingerprint: Hash of the weights; None computes it from them when asked for.
    """

    capabilities = frozenset({LOG_PROBS, PREDICTIONS, GENERATE, MOMENTS, COLUMN_ORDERS})

    def __init__(
        self,
        model: PreTrainedModel | Any,
        tokenizer: Any = None,
        *,
        prefix_ids: Sequence[int] | None = None,
        eos_id: int | None = None,
        block_size: int | None = None,
        fingerprint: str | None = None,
    ) -> None:
        self.model = model
        self.encoding = None if tokenizer is None else TokenizerEncoding(tokenizer)
        self.block_size = block_size or _context(model)
        self._eos_id = _special(model, tokenizer, "eos_token_id") if eos_id is None else eos_id
        if prefix_ids is None:
            bos = _special(model, tokenizer, "bos_token_id")
            begin = self._eos_id if bos is None else bos
            prefix_ids = () if begin is None else (begin,)
        self.prefix_ids = tuple(prefix_ids)
        self._fingerprint = fingerprint

    @property
    def fingerprint(self) -> str:
        """A hash of the weights."""
        return weights_fingerprint(self.model) if self._fingerprint is None else self._fingerprint

    def score(self, batch: ScoreBatch) -> TokenScores:
        """Score sequences in one forward pass, or several where the logits would be large."""
        ids = torch.from_numpy(batch.ids).to(self.model.device)
        vocabulary = int(self.model.get_output_embeddings().weight.shape[0])
        at_once = max(1, _MAX_CELLS // (vocabulary * ids.shape[1]))
        with torch.inference_mode(), _evaluating(self.model):
            # Padded on the right, which causal attention never sees: neither mask nor positions are needed.
            parts = [
                self._scores(self.model(input_ids=rows, use_cache=False).logits[:, :-1].float(), rows)
                for rows in ids.split(at_once)
            ]
        return TokenScores(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    def _scores(self, logits: torch.Tensor, ids: torch.Tensor) -> Arrays:
        """Scores by their names in ``TokenScores``; logits are ``[rows, tokens - 1, ids]``, -inf where not allowed."""
        chosen = logits.gather(-1, ids[:, 1:, None]).squeeze(-1) - logits.logsumexp(-1)
        return _numpy(log_probs=chosen, predicted=logits.argmax(-1)) | _moments(logits)

    def generate(self, batch: PromptBatch, sampling: Sampling) -> Sequence[Sequence[int]]:
        """Continue prompts until the end token or their limit."""
        if self._eos_id is None:
            raise EvaluationError(
                "the model has no token that ends a text, so it cannot continue prompts; give eos_id, or a tokenizer "
                "with an EOS token"
            )
        decoder = CausalDecoder(model=self.model, eos_id=self._eos_id, bos_id=-1, decode=None)
        params = SamplingParams(
            temperature=sampling.temperature, top_p=sampling.top_p, seed=sampling.seed, constrained=False
        )
        found: list[list[int]] = [[] for _ in range(len(batch.lengths))]
        with _evaluating(self.model):
            for decoded in decoder.run(_causal_batch(batch), params):
                for row, ids, length in zip(decoded.rows, decoded.ids, decoded.lengths, strict=True):
                    found[int(row)] = [each for each in ids[:length].tolist() if each != self._eos_id]
        return found

    def reference(self) -> LanguageModel | None:
        """The base model, with the adapter off; None for a model without adapter."""
        return WithoutAdapter(self) if hasattr(self.model, "disable_adapter") else None

    def close(self) -> None:
        """Unload the model."""
        self.model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class WithoutAdapter(LanguageModel):
    """A model with its adapter off.

    Args:
        adapted: The model with the adapter.
    """

    capabilities = CausalLanguageModel.capabilities

    def __init__(self, adapted: CausalLanguageModel) -> None:
        self._adapted = adapted
        self.block_size = adapted.block_size
        self.prefix_ids = adapted.prefix_ids
        self.encoding = adapted.encoding

    @property
    def fingerprint(self) -> str:
        """A hash of the weights, adapter included, and of its being off."""
        return hashlib.sha256(f"without adapter/{self._adapted.fingerprint}".encode()).hexdigest()

    def score(self, batch: ScoreBatch) -> TokenScores:
        """Score sequences with the base model."""
        with self._adapted.model.disable_adapter():
            return self._adapted.score(batch)

    def generate(self, batch: PromptBatch, sampling: Sampling) -> Sequence[Sequence[int]]:
        """Continue prompts with the base model."""
        with self._adapted.model.disable_adapter():
            return self._adapted.generate(batch, sampling)


def _numpy(**tensors: torch.Tensor) -> Arrays:
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}


def _moments(logits: torch.Tensor) -> Arrays:
    """Mean and standard deviation of the log-probability over the tokens that are not at -inf."""
    log_probs = logits.log_softmax(-1)
    shares = log_probs.exp()
    log_probs = log_probs.masked_fill(shares == 0, 0.0)  # 0 log 0 is 0
    means = (shares * log_probs).sum(-1)
    squares = (shares * (log_probs - means[..., None]).square()).sum(-1)
    return _numpy(means=means, deviations=squares.sqrt())


def weights_fingerprint(model: Any) -> str:
    """SHA-256 over the names, shapes and values of all weights of a model."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}/{tuple(tensor.shape)}/{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _causal_batch(batch: PromptBatch) -> CausalBatch:
    starts: dict[CompletionStart, int] = {}
    owners = [
        starts.setdefault(CompletionStart(prompt=tuple(row), forced=(), most_records=None), len(starts))
        for row in batch.rows()
    ]
    return CausalBatch(
        starts=tuple(starts),
        owners=np.array(owners, dtype=np.int64),
        request_ids=batch.keys,
        limits=batch.limits,
    )


def _context(model: Any) -> int:
    for name in ("max_position_embeddings", "n_positions", "max_sequence_length"):
        found = getattr(model.config.get_text_config(), name, None)
        if isinstance(found, int) and found > 1:
            return found
    raise EvaluationError("the model's configuration does not say how many tokens it takes; give block_size")


def _special(model: Any, tokenizer: Any, name: str) -> int | None:
    """The id of a special token: the tokenizer's, or without one what the model's configuration says."""
    if tokenizer is not None:
        found = getattr(tokenizer, name)
    else:
        found = getattr(model.config, name, None)
        found = found[0] if isinstance(found, list) else found
    return None if found is None else int(found)


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Evaluation mode, without dropout; the mode before is restored."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
