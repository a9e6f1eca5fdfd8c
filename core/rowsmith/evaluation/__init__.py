"""Evaluation of synthetic tables and of the models that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowsmith._lazy import lazy_names

if TYPE_CHECKING:
    from rowsmith.evaluation.measure import Direction, Evaluated, EvaluationKind, Finding, Measure, Severity
    from rowsmith.evaluation.models.accuracy import EncodingEvaluation, RolloutEvaluation
    from rowsmith.evaluation.models.engine_model import EngineLanguageModel
    from rowsmith.evaluation.models.evaluation import Evaluation, ModelScore
    from rowsmith.evaluation.models.evaluator import Evaluator
    from rowsmith.evaluation.models.exchange import Exchange, SingleProcess
    from rowsmith.evaluation.models.executor import Executor, ScoredTokens, ScoreRequest
    from rowsmith.evaluation.models.inference import BaseTrainer, EvaluatorConfig, ExecutionSpec, InferenceJob
    from rowsmith.evaluation.models.model import (
        COLUMN_ORDERS,
        GENERATE,
        LOG_PROBS,
        MOMENTS,
        PREDICTIONS,
        LanguageModel,
        M,
        PromptBatch,
        Sampling,
        ScoreBatch,
        TokenScores,
    )
    from rowsmith.evaluation.models.model_tables import ModelTables
    from rowsmith.evaluation.models.perplexity import PerplexityComparisonEvaluation, PerplexityEvaluation
    from rowsmith.evaluation.models.results import EvaluationResults, Outcome, OutcomeStatus
    from rowsmith.evaluation.runner import EvaluationReport, EvaluationResult, EvaluationStatus, run_evaluations
    from rowsmith.evaluation.table_evaluation import TableEvaluation
    from rowsmith.evaluation.tables import ColumnKind, EvaluatedColumn, EvaluationTables, Part, evaluation_tables
    from rowsmith.evaluation.training_stopping import TrainingStopping, TrainingTrial, TrialDecision

__all__ = [
    "COLUMN_ORDERS",
    "GENERATE",
    "LOG_PROBS",
    "MOMENTS",
    "PREDICTIONS",
    "BaseTrainer",
    "ColumnKind",
    "Direction",
    "EncodingEvaluation",
    "EngineLanguageModel",
    "Evaluated",
    "EvaluatedColumn",
    "Evaluation",
    "EvaluationKind",
    "EvaluationReport",
    "EvaluationResult",
    "EvaluationResults",
    "EvaluationStatus",
    "EvaluationTables",
    "Evaluator",
    "EvaluatorConfig",
    "Exchange",
    "ExecutionSpec",
    "Executor",
    "Finding",
    "InferenceJob",
    "LanguageModel",
    "M",
    "Measure",
    "ModelScore",
    "ModelTables",
    "Outcome",
    "OutcomeStatus",
    "Part",
    "PerplexityComparisonEvaluation",
    "PerplexityEvaluation",
    "PromptBatch",
    "RolloutEvaluation",
    "Sampling",
    "ScoreBatch",
    "ScoreRequest",
    "ScoredTokens",
    "Severity",
    "SingleProcess",
    "TableEvaluation",
    "TokenScores",
    "TrainingStopping",
    "TrainingTrial",
    "TrialDecision",
    "evaluation_tables",
    "run_evaluations",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rowsmith.evaluation.measure": ["Direction", "Evaluated", "EvaluationKind", "Finding", "Measure", "Severity"],
        "rowsmith.evaluation.runner": ["EvaluationReport", "EvaluationResult", "EvaluationStatus", "run_evaluations"],
        "rowsmith.evaluation.table_evaluation": ["TableEvaluation"],
        "rowsmith.evaluation.tables": [
            "ColumnKind",
            "EvaluatedColumn",
            "EvaluationTables",
            "Part",
            "evaluation_tables",
        ],
        "rowsmith.evaluation.training_stopping": ["TrainingStopping", "TrainingTrial", "TrialDecision"],
        "rowsmith.evaluation.models.accuracy": ["EncodingEvaluation", "RolloutEvaluation"],
        "rowsmith.evaluation.models.engine_model": ["EngineLanguageModel"],
        "rowsmith.evaluation.models.evaluation": ["Evaluation", "ModelScore"],
        "rowsmith.evaluation.models.evaluator": ["Evaluator"],
        "rowsmith.evaluation.models.exchange": ["Exchange", "SingleProcess"],
        "rowsmith.evaluation.models.executor": ["Executor", "ScoreRequest", "ScoredTokens"],
        "rowsmith.evaluation.models.inference": ["BaseTrainer", "EvaluatorConfig", "ExecutionSpec", "InferenceJob"],
        "rowsmith.evaluation.models.model": [
            "COLUMN_ORDERS",
            "GENERATE",
            "LOG_PROBS",
            "MOMENTS",
            "PREDICTIONS",
            "LanguageModel",
            "M",
            "PromptBatch",
            "Sampling",
            "ScoreBatch",
            "TokenScores",
        ],
        "rowsmith.evaluation.models.model_tables": ["ModelTables"],
        "rowsmith.evaluation.models.perplexity": ["PerplexityComparisonEvaluation", "PerplexityEvaluation"],
        "rowsmith.evaluation.models.results": ["EvaluationResults", "Outcome", "OutcomeStatus"],
    },
)
