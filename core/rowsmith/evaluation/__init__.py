"""Evaluation: what a model knows, and how good and how safe a synthetic table is.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.evaluation.accuracy import EncodingEvaluation, RolloutEvaluation
    from rowsmith.evaluation.engine_model import EngineLanguageModel
    from rowsmith.evaluation.evaluation import Evaluation, ModelScore
    from rowsmith.evaluation.evaluator import Evaluator
    from rowsmith.evaluation.exchange import Exchange, SingleProcess
    from rowsmith.evaluation.executor import Executor, ScoredTokens, ScoreRequest
    from rowsmith.evaluation.inference import BaseTrainer, EvaluatorConfig, ExecutionSpec, InferenceJob
    from rowsmith.evaluation.model import (
        GENERATE,
        LOG_PROBS,
        PREDICTIONS,
        LanguageModel,
        M,
        PromptBatch,
        Sampling,
        ScoreBatch,
        TokenScores,
    )
    from rowsmith.evaluation.model_tables import ModelTables
    from rowsmith.evaluation.perplexity import PerplexityComparisonEvaluation, PerplexityEvaluation
    from rowsmith.evaluation.results import EvaluationResults, Outcome, OutcomeStatus

__all__ = [
    "GENERATE",
    "LOG_PROBS",
    "PREDICTIONS",
    "BaseTrainer",
    "EncodingEvaluation",
    "EngineLanguageModel",
    "Evaluation",
    "EvaluationResults",
    "Evaluator",
    "EvaluatorConfig",
    "Exchange",
    "ExecutionSpec",
    "Executor",
    "InferenceJob",
    "LanguageModel",
    "M",
    "ModelScore",
    "ModelTables",
    "Outcome",
    "OutcomeStatus",
    "PerplexityComparisonEvaluation",
    "PerplexityEvaluation",
    "PromptBatch",
    "RolloutEvaluation",
    "Sampling",
    "ScoreBatch",
    "ScoreRequest",
    "ScoredTokens",
    "SingleProcess",
    "TokenScores",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.evaluation.accuracy": ["EncodingEvaluation", "RolloutEvaluation"],
        "rowsmith.evaluation.engine_model": ["EngineLanguageModel"],
        "rowsmith.evaluation.evaluation": ["Evaluation", "ModelScore"],
        "rowsmith.evaluation.evaluator": ["Evaluator"],
        "rowsmith.evaluation.exchange": ["Exchange", "SingleProcess"],
        "rowsmith.evaluation.executor": ["Executor", "ScoreRequest", "ScoredTokens"],
        "rowsmith.evaluation.inference": ["BaseTrainer", "EvaluatorConfig", "ExecutionSpec", "InferenceJob"],
        "rowsmith.evaluation.model": [
            "GENERATE",
            "LOG_PROBS",
            "PREDICTIONS",
            "LanguageModel",
            "M",
            "PromptBatch",
            "Sampling",
            "ScoreBatch",
            "TokenScores",
        ],
        "rowsmith.evaluation.model_tables": ["ModelTables"],
        "rowsmith.evaluation.perplexity": ["PerplexityComparisonEvaluation", "PerplexityEvaluation"],
        "rowsmith.evaluation.results": ["EvaluationResults", "Outcome", "OutcomeStatus"],
    },
)
