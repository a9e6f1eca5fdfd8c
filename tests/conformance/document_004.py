"""Document 004, evaluation: subclasses written from it, and every class, method and default of ours.

Written from the document alone; only a model and what carries it have to be made in a way that it does not describe.
Run with ``python tests/conformance/document_004.py``.
"""

from __future__ import annotations

import math
import tempfile
from abc import ABC
from pathlib import Path
from typing import Any, Generic

import numpy as np
from sheet import Sheet, raised, signature

from rowsmith.evaluation import (
    BaseTrainer,
    EncodingEvaluation,
    Evaluation,
    Evaluator,
    EvaluatorConfig,
    ExecutionSpec,
    InferenceJob,
    LanguageModel,
    M,
    PerplexityComparisonEvaluation,
    PerplexityEvaluation,
    RolloutEvaluation,
    TokenScores,
)

LETTERS = "abcd"


class Tokenizer:
    """One token a letter."""

    def encode(self, text: str) -> list[int]:
        return [LETTERS.index(letter) for letter in text]

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def decode_batch(self, batch: list[list[int]]) -> list[str]:
        return ["".join(LETTERS[token] for token in tokens) for tokens in batch]


class Model(LanguageModel):
    """After each letter the next one of the alphabet has a share of 70 %, the others of 10 %."""

    capabilities = frozenset({"logprobs", "predictions", "generate"})
    block_size = 16
    fingerprint = "alphabet"
    shares = np.full((4, 4), 0.1) + 0.6 * np.roll(np.eye(4), 1, axis=1)

    def score(self, batch: Any) -> TokenScores:
        before, after = batch.ids[:, :-1], batch.ids[:, 1:]
        return TokenScores(log_probs=np.log(self.shares[before, after]), predicted=self.shares[before].argmax(-1))

    def generate(self, batch: Any, sampling: Any) -> list[list[int]]:
        made = zip(batch.rows(), batch.limits.tolist(), strict=True)
        return [[(row[-1] + step + 1) % 4 for step in range(limit)] for row, limit in made]


class Copying(RolloutEvaluation):
    """A rollout as the document has it."""

    name = "copying"

    def __len__(self) -> int:
        return 2

    def get(self, indx: int) -> tuple[str, str]:
        return [("ab", "cd"), ("b", "aa")][indx]

    def clean(self, y_hat: str) -> str:
        return y_hat[-2:]

    def max_new_tokens(self, inference: InferenceJob[Any, Any]) -> int:
        return 2


class Whole(Copying):
    """A rollout of the default length."""

    name = "whole"
    max_new_tokens = RolloutEvaluation.max_new_tokens


class Next(EncodingEvaluation):
    """A next-token evaluation as the document has it."""

    name = "next"

    def __len__(self) -> int:
        return 2

    def get(self, indx: int) -> str:
        return ["abcd", "aaaa"][indx]

    def clean(self, y_hat: str) -> str:
        return "a" + y_hat


class Surprise(PerplexityEvaluation):
    """A perplexity as the document has it."""

    name = "surprise"

    def __len__(self) -> int:
        return 2

    def get(self, indx: int) -> str:
        return ["abcda", "ba"][indx]


class Quiz(PerplexityComparisonEvaluation):
    """A comparison as the document has it."""

    name = "quiz"

    def __len__(self) -> int:
        return 2

    def get(self, indx: int) -> tuple[str, list[str], int]:
        return [("a", ["d", "bcd", "a"], 1), ("ab", ["c", "d"], 1)][indx]


class Trainer(BaseTrainer[None, Model]):
    """A training that has a model."""

    config = None

    def __init__(self, folder: str) -> None:
        self.spec = ExecutionSpec(root=Path(folder))

    def language_model(self) -> Model:
        return Model()


def declared(sheet: Sheet) -> None:
    sheet.says("Evaluation is an ABC", True, ABC in Evaluation.__bases__)
    sheet.says("docstring", "Abstract base class for all evaluations.", Evaluation.__doc__)
    kinds = (RolloutEvaluation, EncodingEvaluation, PerplexityEvaluation, PerplexityComparisonEvaluation)
    own = ({"clean", "get"}, {"clean", "get"}, {"get"}, {"get"})
    sheet.says("Evaluation, abstract", {"name", "__len__", "__call__"}, set(Evaluation.__abstractmethods__))
    for kind, names in zip(kinds, own, strict=True):
        sheet.says(f"{kind.__name__} is an Evaluation", True, issubclass(kind, Evaluation))
        sheet.says(f"{kind.__name__}, abstract", {"name", "__len__", *names}, set(kind.__abstractmethods__))
        sheet.says(f"{kind.__name__}() by itself", "TypeError", raised(kind))
    sheet.says("Evaluation() by itself", "TypeError", raised(Evaluation))
    sheet.says("prefix()", "", signature(Evaluation.prefix))
    sheet.says("__call__", "inference, encoding, **kwargs", signature(Evaluation.__call__))
    steps = "dataset_size, max_batch_size, dp_replicate"
    sheet.says("find_accumulation_steps", steps, signature(Evaluation.find_accumulation_steps))
    sheet.says("RolloutEvaluation.score", "ys, y_hats", signature(RolloutEvaluation.score))
    sheet.says("RolloutEvaluation.check", "y, y_hat", signature(RolloutEvaluation.check))
    sheet.says("RolloutEvaluation.clean", "y_hat", signature(RolloutEvaluation.clean))
    sheet.says("RolloutEvaluation.get", "indx", signature(RolloutEvaluation.get))
    sheet.says("max_new_tokens", "inference", signature(RolloutEvaluation.max_new_tokens))
    rollout = "inference, encoding, temperature=0.0, top_p=1.0, chunk_size=200, **kwargs"
    sheet.says("RolloutEvaluation.__call__", rollout, signature(RolloutEvaluation.__call__))
    sheet.says("EncodingEvaluation.score", "xs, y_hats", signature(EncodingEvaluation.score))
    sheet.says("EncodingEvaluation.check", "x, y_hat", signature(EncodingEvaluation.check))
    sheet.says("EncodingEvaluation.clean", "y_hat", signature(EncodingEvaluation.clean))
    for kind in kinds[1:]:
        sheet.says(f"{kind.__name__}.get", "indx", signature(kind.get))
        call = "inference, encoding, chunk_size=200, **kwargs"
        sheet.says(f"{kind.__name__}.__call__", call, signature(kind.__call__))


def steps(sheet: Sheet) -> None:
    for given, said in (
        ((64, 8, 2), (8, 4)),
        ((60, 8, 2), (6, 5)),
        ((7, 4, 1), (1, 7)),
        ((7, 8, 1), (7, 1)),
        ((7, 8, 2), (None, None)),
        ((12, 100, 3), (4, 1)),
    ):
        sheet.says(f"find_accumulation_steps{given}", said, Evaluation.find_accumulation_steps(*given))


def scores(sheet: Sheet) -> None:
    inference, encoding = InferenceJob(Model(), None), Tokenizer()
    sheet.says("prefix()", True, Copying().prefix().startswith("copying"))
    sheet.says("block_size of the job", 16, inference.block_size)
    sheet.says("max_new_tokens by default", 16, Whole().max_new_tokens(inference))
    sheet.says("a rollout", 0.5, Copying()(inference, encoding))
    sheet.says("... at another temperature", 0.5, Copying()(inference, encoding, 1.0, 0.9, 1))
    sheet.says("... of the whole block", True, 0 <= Whole()(inference, encoding) <= 1)
    sheet.says("its score by itself", 1.0, Copying().score(["cd"], ["abcd"]))
    sheet.says("its check by itself", (True, False), (Copying().check("a", "a"), Copying().check("a", "b")))
    sheet.says("next tokens", 0.5, Next()(inference, encoding))
    sheet.says("... in chunks of 1", 0.5, Next()(inference, encoding, chunk_size=1))
    mean = (4 * math.log(0.7) + math.log(0.1)) / 5
    sheet.says("1/perplexity", round(math.exp(mean), 12), round(Surprise()(inference, encoding), 12))
    sheet.says("multiple choice", 0.5, Quiz()(inference, encoding))
    for each in (Copying(), Next(), Surprise(), Quiz()):
        sheet.says(f"{each.name} gives a float", float, type(each(inference, encoding)))


def evaluator(sheet: Sheet) -> None:
    sheet.says("Evaluator, bases", (InferenceJob[EvaluatorConfig, M], Generic[M]), Evaluator.__orig_bases__)  # type: ignore[attr-defined]
    sheet.says("Evaluator(spec)", "spec", signature(Evaluator))
    sheet.says("direct init not supported", "ParameterError", raised(Evaluator, ExecutionSpec()))
    sheet.says("from_checkpoint", "suffix, spec", signature(Evaluator.from_checkpoint))
    sheet.says("done is a property", True, isinstance(Evaluator.__dict__["done"], property))
    evaluations = [Copying(), Next(), Surprise(), Quiz()]
    with tempfile.TemporaryDirectory() as folder:
        found = Evaluator.from_trainer(Trainer(folder), evaluations, Tokenizer())
        sheet.says("from_trainer(...)", Evaluator, type(found))
        sheet.says("done before", False, found.done)
        sheet.says("evaluator()", None, found())
        sheet.says("done after", True, found.done)
        again = Evaluator.from_trainer(Trainer(folder), evaluations, Tokenizer())
        sheet.says("... for another evaluator", True, again.done)
        sheet.says("run()", None, again.run())
        results = list(Path(folder).rglob("*.json"))
        sheet.says("results on disk", 1, len(results))
        text = results[0].read_text()
        for each in evaluations:
            sheet.says(f"... with the prefix of {each.name}", True, f'"{each.prefix()}' in text)
        alone = Evaluator.from_trainer(Trainer(folder))
        sheet.says("from_trainer(trainer) alone", (), alone.evaluations)


def compared() -> Sheet:
    """Everything that the document says."""
    sheet = Sheet("004 evaluation")
    for part in (declared, steps, scores, evaluator):
        part(sheet)
    return sheet


if __name__ == "__main__":
    found = compared()
    print(found)
    raise SystemExit(bool(found.faults()))
